"""Assets of others in our frame, about the origin and about as large as what we make, and back again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dreamforge.contracts import Mesh, Splats

REACH = 0.9  # of the farthest point from the origin, as in the toy world; cameras see a little more than the unit sphere
STRAY = 0.005  # share of the splats on each side of an axis that may be floaters, which do not count


@dataclass(frozen=True)
class Frame:
    """A point p of an asset is (p - center) / size in our frame; axes stay as they are. center: `[3]` float64."""

    center: np.ndarray
    size: float

    @classmethod
    def around(cls, asset: Mesh | Splats) -> Frame:
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
        return cls(center, farthest / REACH or 1.0)

    def enter(self, asset: Mesh | Splats) -> Mesh | Splats:
        """An asset as it is in our frame."""
        return _moved(asset, 1 / self.size, -self.center / self.size)

    def leave(self, asset: Mesh | Splats) -> Mesh | Splats:
        """The inverse, to float32's rounding: an asset from our frame in its own place and scale."""
        return _moved(asset, self.size, self.center)


UNMOVED = Frame(np.zeros(3), 1.0)
"""Of what is where we make it."""


def _moved(asset: Mesh | Splats, scale: float, shift: np.ndarray) -> Mesh | Splats:
    if isinstance(asset, Mesh):
        return replace(asset, vertices=(asset.vertices * np.float64(scale) + shift).astype(np.float32))
    means = (asset.means * np.float64(scale) + shift).astype(np.float32)
    return replace(asset, means=means, scales=(asset.scales * np.float64(scale)).astype(np.float32))
