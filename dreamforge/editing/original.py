"""What an edit began with, as its run folder keeps it: nothing that happens to the file afterwards changes the run."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from safetensors.numpy import load_file, save

from dreamforge.contracts import Mesh, Scene, Splats
from dreamforge.errors import UserError
from dreamforge.export.frame import Frame
from dreamforge.runs import Run, write_atomic
from dreamforge.scenes.gaussians import Gaussians

FILE = "original.safetensors"


@dataclass(frozen=True)
class Original:
    """An asset at its own place and scale, the frame it is edited in, and what of it may change, where not all may.

    free: texels `[H,W]` of a mesh, or splats `[N]`. free_vertices: `[V]` of a mesh.
    """

    asset: Mesh | Splats
    frame: Frame
    free: np.ndarray | None = None
    free_vertices: np.ndarray | None = None

    @property
    def framed(self) -> Mesh | Splats:
        """The asset as it is in our frame."""
        return self.frame.enter(self.asset)


def keep(original: Original, run: Run) -> None:
    """Put it into a run's folder."""
    arrays = {f"asset.{field.name}": getattr(original.asset, field.name) for field in fields(original.asset)}
    frame = original.frame
    arrays |= {"frame.center": frame.center, "frame.size": np.float64([frame.size]), "frame.axes": frame.axes}
    arrays |= {"free": original.free, "free_vertices": original.free_vertices}
    there = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
    write_atomic(run.folder / FILE, save(there))


def kept(run: Run) -> Original | None:
    """What a run began with, or None where it began with nothing."""
    path = run.folder / FILE
    if not run.config.source:
        return None
    if not path.is_file():
        raise UserError(f"{path} is gone, which is what this edit began with; begin it again with dreamforge edit")
    arrays = load_file(path)
    asset = {name.removeprefix("asset."): array for name, array in arrays.items() if name.startswith("asset.")}
    frame = Frame(arrays["frame.center"], float(arrays["frame.size"][0]), arrays["frame.axes"])
    kind = Splats if "means" in asset else Mesh
    return Original(kind(**asset), frame, arrays.get("free"), arrays.get("free_vertices"))


def begin(scene: Scene, original: Original) -> None:
    """Let a scene of the original's kind be the original."""
    if isinstance(scene, Gaussians):
        scene.adopt(original.framed)
    else:
        scene.adopt(original.framed, scene.vertices.device)  # type: ignore[attr-defined]
