"""Proof that a written asset shows what its scene showed: read back, rendered again, compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export.surface import GREY, Render, render_views
from dreamforge.rendering.raster import render_mesh

# Means over the views. Sound exports of fitted splats have an IoU of .98, 33 to 37 dB and 0.01 to 0.03 in depth.
LEAST_IOU, LEAST_PSNR, MOST_DEPTH_ERROR = 0.85, 22.0, 0.15
SIZE = 192


@dataclass(frozen=True)
class Verification:
    """Scene and asset from the same N views on grey, front faces of the asset only.

    scene, asset: pictures `[N,3,H,W]`. Per view: psnr in dB, iou of the silhouettes, and depth_error, the median
    difference in depth where both are opaque, which gives away a mesh turned inside out.
    """

    scene: Tensor
    asset: Tensor
    psnr: list[float]
    iou: list[float]
    depth_error: list[float]

    @property
    def mean_psnr(self) -> float:
        return sum(self.psnr) / len(self.psnr)

    @property
    def mean_iou(self) -> float:
        return sum(self.iou) / len(self.iou)

    @property
    def mean_depth_error(self) -> float:
        return sum(self.depth_error) / len(self.depth_error)

    def summary(self) -> str:
        """One line for people."""
        figures = f"PSNR {self.mean_psnr:.1f} dB, silhouette IoU {self.mean_iou:.3f}, depth within {self.mean_depth_error:.3f}"
        return f"{figures} over {len(self.psnr)} views"


def verify(path: Path, load: Callable[[Path], Mesh], render: Render) -> Verification:
    """Compare the asset in a file, front faces only as viewers show it, with the scene's own renders from eight sides.

    UserError where the means fall below the floors: it says whether the shape or the texture was lost.
    """
    result = compare(load(path), render)
    if result.mean_iou < LEAST_IOU or result.mean_depth_error > MOST_DEPTH_ERROR:
        raise UserError(
            f"{path.name} lost the scene's shape in the surface step: {result.summary()}, where an IoU of at least "
            f"{LEAST_IOU} and a depth within {MOST_DEPTH_ERROR} are asked for; a finer export.resolution may hold it"
        )
    if result.mean_psnr < LEAST_PSNR:
        raise UserError(
            f"{path.name} lost the scene's colours in the texture step: {result.summary()}, where at least "
            f"{LEAST_PSNR} dB are asked for; a larger export.texture may hold them"
        )
    return result


def compare(mesh: Mesh, render: Render) -> Verification:
    """Scene and mesh side by side, from eight sides, four a little above and four a little below."""
    cameras = orbit([45.0 * i for i in range(8)], [20.0, -10.0] * 4, size=SIZE)
    shown = render_views(render, cameras)
    again = render_mesh(mesh, cameras, torch.full((8, 3), GREY), cull_back=True)
    psnr = -10 * torch.log10((shown.rgb - again.rgb).square().flatten(1).mean(1).clamp(min=1e-10))
    a, b = shown.alpha.flatten(1) > 0.5, again.alpha.flatten(1) > 0.5
    iou = (a & b).sum(1) / (a | b).sum(1).clamp(min=1)
    apart = torch.where(a & b, (shown.depth - again.depth).abs().flatten(1), torch.nan)
    depth_error = apart.nanmedian(dim=1).values.nan_to_num(nan=torch.inf)
    return Verification(shown.rgb, again.rgb, psnr.tolist(), iou.tolist(), depth_error.tolist())
