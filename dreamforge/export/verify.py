"""Proof that a written asset shows what its scene showed: read back, rendered again, compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.contracts import Mesh
from dreamforge.export.surface import GREY, Render, render_views
from dreamforge.rendering.raster import render_mesh

LEAST_IOU, LEAST_PSNR = 0.85, 20.0  # means over the views; a sound export has .93 and 25 dB even of a hazy scene
SIZE = 192


@dataclass(frozen=True)
class Verification:
    """Scene and asset from the same N views on grey: pictures `[N,3,H,W]`, and per view PSNR (dB) and silhouette IoU."""

    scene: Tensor
    asset: Tensor
    psnr: list[float]
    iou: list[float]

    @property
    def mean_psnr(self) -> float:
        return sum(self.psnr) / len(self.psnr)

    @property
    def mean_iou(self) -> float:
        return sum(self.iou) / len(self.iou)

    def summary(self) -> str:
        """One line for people."""
        return f"PSNR {self.mean_psnr:.1f} dB, silhouette IoU {self.mean_iou:.3f} over {len(self.psnr)} views"


def verify(path: Path, load: Callable[[Path], Mesh], render: Render) -> Verification:
    """Compare the asset in a file, front faces only as viewers show it, with the scene's own renders from eight sides.

    ValueError where the means fall below the floors: it says whether the shape or the texture was lost.
    """
    result = compare(load(path), render)
    if result.mean_iou < LEAST_IOU:
        raise ValueError(f"{path.name} lost the scene's shape ({result.summary()}; at least {LEAST_IOU} was asked for): "
                         "the surface step failed; a finer export.resolution may hold what is missing")  # fmt: skip
    if result.mean_psnr < LEAST_PSNR:
        raise ValueError(f"{path.name} lost the scene's colours ({result.summary()}; at least {LEAST_PSNR} dB was asked "
                         "for) though its shape is right: the texture step failed; try a larger export.texture")  # fmt: skip
    return result


def compare(mesh: Mesh, render: Render) -> Verification:
    """Scene and mesh side by side, from eight sides, four a little above and four a little below."""
    cameras = orbit([45.0 * i for i in range(8)], [20.0, -10.0] * 4, size=SIZE)
    shown = render_views(render, cameras)
    again = render_mesh(mesh, cameras, torch.full((8, 3), GREY), cull_back=True)
    psnr = -10 * torch.log10((shown.rgb - again.rgb).square().flatten(1).mean(1).clamp(min=1e-10))
    a, b = shown.alpha.flatten(1) > 0.5, again.alpha.flatten(1) > 0.5
    iou = (a & b).sum(1) / (a | b).sum(1).clamp(min=1)
    return Verification(shown.rgb, again.rgb, psnr.tolist(), iou.tolist())
