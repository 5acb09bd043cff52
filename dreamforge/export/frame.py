"""Assets of others in our frame, about the origin and about as large as what we make, and back again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from dreamforge.contracts import Mesh, Splats
from dreamforge.kernels.harmonics import basis

REACH = 0.9  # of the farthest point from the origin, as in the toy world; cameras see a little more than the unit sphere
STRAY = 0.005  # share of the splats on each side of an axis that may be floaters, which do not count


@dataclass(frozen=True)
class Frame:
    """A point p of an asset is axes (p - center) / size in our frame. center: `[3]` float64. axes: `[3,3]`, its rows our
    x, y (up) and z (front) in the asset's own directions: a rotation."""

    center: np.ndarray
    size: float
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))

    @classmethod
    def around(cls, asset: Mesh | Splats, axes: np.ndarray | None = None) -> Frame:
        """The frame in which an asset's box is about the origin and its farthest point `REACH` away."""
        if isinstance(asset, Mesh):
            points = asset.vertices[np.unique(asset.faces)].astype(np.float64)
            low, high = points.min(axis=0), points.max(axis=0)
        else:
            points = asset.means.astype(np.float64)
            low, high = np.quantile(points, [STRAY, 1 - STRAY], axis=0)
            points = points[((points >= low) & (points <= high)).all(axis=1)]
        center = (low + high) / 2
        farthest = np.linalg.norm(points - center, axis=1).max(initial=0.0)
        return cls(center, farthest / REACH or 1.0, np.eye(3) if axes is None else axes)

    def enter(self, asset: Mesh | Splats) -> Mesh | Splats:
        """An asset as it is in our frame."""
        return _moved(_turned(asset, self.axes), 1 / self.size, -self.axes @ self.center / self.size)

    def leave(self, asset: Mesh | Splats) -> Mesh | Splats:
        """The inverse, to float32's rounding: an asset from our frame in its own place and scale."""
        return _moved(_turned(asset, self.axes.T), self.size, self.center)


UNMOVED = Frame(np.zeros(3), 1.0)
"""Of what is where we make it."""


def standing(up: str, front: str) -> np.ndarray:
    """A frame's axes for an asset whose up and front are these of its own: "x", "-y" and so on. ValueError where they
    are one and the same line."""
    directions = [np.eye(3)["xyz".index(name[-1])] * (-1 if name.startswith("-") else 1) for name in (up, front)]
    if not np.cross(*directions).any():
        raise ValueError(f"what is up ({up}) cannot be in front ({front})")
    return np.stack([np.cross(*directions), *directions])


def _turned(asset: Mesh | Splats, axes: np.ndarray) -> Mesh | Splats:
    if (axes == np.eye(3)).all():
        return asset
    turn = axes.astype(np.float32)
    if isinstance(asset, Mesh):
        normals = None if asset.normals is None else asset.normals @ turn.T
        return replace(asset, vertices=asset.vertices @ turn.T, normals=normals)
    own = Rotation.from_quat(asset.quaternions[:, [1, 2, 3, 0]])
    quaternions = (Rotation.from_matrix(axes) * own).as_quat()[:, [3, 0, 1, 2]].astype(np.float32)
    seen = torch.nn.functional.normalize(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).double(), dim=1)
    now, before = (basis(x, asset.degree).numpy() for x in (seen, seen @ torch.from_numpy(axes)))
    sh = np.einsum("jk,nkc->njc", np.linalg.pinv(now) @ before, asset.sh).astype(np.float32)
    return replace(asset, means=asset.means @ turn.T, quaternions=quaternions, sh=sh)


def _moved(asset: Mesh | Splats, scale: float, shift: np.ndarray) -> Mesh | Splats:
    if isinstance(asset, Mesh):
        return replace(asset, vertices=(asset.vertices * np.float64(scale) + shift).astype(np.float32))
    means = (asset.means * np.float64(scale) + shift).astype(np.float32)
    return replace(asset, means=means, scales=(asset.scales * np.float64(scale)).astype(np.float32))
