"""Proof that a written asset shows what its scene showed: read back, rendered again, compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.contracts import Views
from dreamforge.errors import UserError
from dreamforge.export.surface import Render, render_views

# Means over the views. Sound exports of fitted splats have an IoU of .98, 33 to 37 dB and 0.01 to 0.03 in depth.
LEAST_IOU, LEAST_PSNR, MOST_DEPTH_ERROR = 0.85, 22.0, 0.15
SIZE = 192


@dataclass(frozen=True)
class Verification:
    """Scene and asset from the same N views on grey.

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
        """dB, over the views."""
        return sum(self.psnr) / len(self.psnr)

    @property
    def mean_iou(self) -> float:
        """In [0,1], over the views."""
        return sum(self.iou) / len(self.iou)

    @property
    def mean_depth_error(self) -> float:
        """In units of the scene, over the views."""
        return sum(self.depth_error) / len(self.depth_error)

    def summary(self) -> str:
        """One line for people."""
        figures = f"PSNR {self.mean_psnr:.1f} dB, silhouette IoU {self.mean_iou:.3f}, depth within {self.mean_depth_error:.3f}"
        return f"{figures} over {len(self.psnr)} views"


def verify(name: str, asset: Render, scene: Views, made: Render, colors: bool = True) -> Verification:
    """Compare what a file shows with the scene's own pictures from `eight_sides`.

    made: shows what was written, as it was in memory; asked only where the file fails, to tell which step lost it.
    UserError where the means fall below the floors: it names the step in which the shape or, where `colors` count, the
    colours were lost.
    """
    result = compare(asset, scene)
    lost = _lost(result, colors)
    if lost is None:
        return result
    if _lost(compare(made, scene), colors) is None:
        raise UserError(
            f"{name} lost the scene's {lost} in the writing step: {result.summary()}, while what was written still had "
            "it; try another format"
        )
    if lost == "shape":
        raise UserError(
            f"{name} lost the scene's shape in the surface step: {result.summary()}, where an IoU of at least "
            f"{LEAST_IOU} and a depth within {MOST_DEPTH_ERROR} are asked for; a finer export.resolution may hold it"
        )
    raise UserError(
        f"{name} lost the scene's colours in the texture step: {result.summary()}, where at least "
        f"{LEAST_PSNR} dB are asked for; a larger export.texture may hold them"
    )


def _lost(result: Verification, colors: bool) -> str | None:
    """What of the scene an asset does not show, if anything."""
    if result.mean_iou < LEAST_IOU or result.mean_depth_error > MOST_DEPTH_ERROR:
        return "shape"
    return "colours" if colors and result.mean_psnr < LEAST_PSNR else None


def eight_sides(render: Render) -> Views:
    """Pictures from eight sides, four a little above and four a little below."""
    return render_views(render, orbit([45.0 * i for i in range(8)], [20.0, -10.0] * 4, size=SIZE))


def compare(asset: Render, scene: Views) -> Verification:
    """An asset beside pictures of its scene from `eight_sides`."""
    shown, again = scene, eight_sides(asset)
    psnr = -10 * torch.log10((shown.rgb - again.rgb).square().flatten(1).mean(1).clamp(min=1e-10))
    a, b = shown.alpha.flatten(1) > 0.5, again.alpha.flatten(1) > 0.5
    union = (a | b).sum(1)
    iou = torch.where(union > 0, (a & b).sum(1) / union.clamp(min=1), 1)
    apart = torch.where(a & b, (shown.depth - again.depth).abs().flatten(1), torch.nan)
    depth_error = torch.where(union > 0, apart.nanmedian(dim=1).values.nan_to_num(nan=torch.inf), 0)  # open from behind
    return Verification(shown.rgb, again.rgb, psnr.tolist(), iou.tolist(), depth_error.tolist())
