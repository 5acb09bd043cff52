"""Where a stage looks from: camera samplers, each `(progress, batch, size, generator) -> Cameras`."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from dreamforge.cameras import Cameras, orbit

from dreamforge.errors import UserError


def _uniform(bounds: list[float], batch: int, generator: torch.Generator) -> torch.Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * torch.rand(batch, generator=generator)


class RandomCameras:
    """Cameras at random azimuths, elevations, distances and fields of view, all looking at the origin.

    azimuth, elevation, fov: `[low, high]` degrees. distance: `[low, high]` world units. stratified: spread a
    batch evenly around the object.
    """

    def __init__(
        self,
        *,
        azimuth: list[float] = (-180.0, 180.0),  # type: ignore[assignment]
        elevation: list[float] = (-20.0, 60.0),  # type: ignore[assignment]
        distance: list[float] = (3.0, 3.0),  # type: ignore[assignment]
        fov: list[float] = (40.0, 40.0),  # type: ignore[assignment]
        stratified: bool = True,
    ) -> None:
        self.azimuth, self.elevation, self.distance, self.fov = azimuth, elevation, distance, fov
        self.stratified = stratified
        for name in ("azimuth", "elevation", "distance", "fov"):
            bounds = getattr(self, name)
            if len(bounds) != 2 or bounds[0] > bounds[1]:
                raise UserError(f"cameras.{name}: {list(bounds)} is not [low, high]")
        if self.distance[0] <= 1:
            raise UserError(f"cameras.distance: {self.distance[0]:g} is inside the unit sphere; give more than 1")
        if self.fov[0] <= 0 or self.fov[1] >= 180 or max(map(abs, self.elevation)) > 90:
            raise UserError("cameras: fov lies in (0, 180) and elevation in [-90, 90] degrees")

    def sample(self, progress: float, batch: int, size: int, generator: torch.Generator) -> Cameras:
        """`batch` cameras with pictures of `size` x `size` pixels."""
        low, high = self.azimuth
        draws = torch.rand(batch, generator=generator)
        if self.stratified:
            draws = (torch.arange(batch) + draws) / batch
        return orbit(
            low + (high - low) * draws,
            _uniform(self.elevation, batch, generator),
            _uniform(self.distance, batch, generator),
            _uniform(self.fov, batch, generator),
            size,
        )


class PosedCameras:
    """The cameras of a folder of pictures (its transforms.json), drawn at random.

    folder: holds transforms.json: {"fov": vertical degrees, "frames": [{"file": …, "c2w": 4x4}]} in this project's axes.
    """

    def __init__(self, *, folder: str = "") -> None:
        self.cameras = read_transforms(Path(folder))[1]

    def sample(self, progress: float, batch: int, size: int, generator: torch.Generator) -> Cameras:
        """`batch` cameras of the folder with pictures of `size` x `size` pixels."""
        index = torch.randint(len(self.cameras), (batch,), generator=generator)
        return self.cameras[index].resized(size, size)


def read_transforms(folder: Path) -> tuple[list[Path], Cameras]:
    """Picture files and cameras of a folder's transforms.json (image size left at 1 x 1)."""
    path = folder / "transforms.json"
    if not path.is_file():
        raise UserError(f"no {path}; name a folder that holds transforms.json, such as prior.folder=DIR")
    try:
        content = json.loads(path.read_text())
        frames = content["frames"]
        c2w = torch.tensor([frame["c2w"] for frame in frames], dtype=torch.float32).view(-1, 4, 4)
        fov = torch.deg2rad(torch.full((len(frames),), float(content["fov"])))
        return [folder / frame["file"] for frame in frames], Cameras(c2w, fov, 1, 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a folder that holds transforms.json") from error
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{path}: not a list of posed pictures ({error}); see docs/priors.md for its form") from error


SAMPLERS = {"random": RandomCameras, "posed": PosedCameras}
