"""From a scene to its surface: an isosurface of a density, or the fusion of many rendered views."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor
from torch.nn.functional import grid_sample

from dreamforge.cameras import Cameras, sphere
from dreamforge.contracts import Mesh, Views
from dreamforge.errors import UserError
from dreamforge.export.fusion import fuse

Render = Callable[[Cameras, Tensor], Views]

GREY = 0.5  # a background that neither hides dark things nor light ones
BATCH = 8  # views rendered at a time, to bound memory
FULL = 0.95  # share of the unit ball, or of the pixels, beyond which a scene is called full


@torch.no_grad()
def render_views(render: Render, cameras: Cameras) -> Views:
    """What a scene shows to many cameras on grey, without gradients, a few views at a time; on the CPU."""
    parts = []
    for start in range(0, len(cameras), BATCH):
        some = cameras[start : start + BATCH]
        shown = render(some, torch.full((len(some), 3), GREY))
        parts.append([image.detach().float().cpu() for image in (shown.rgb, shown.alpha, shown.depth)])
    return Views(*(torch.cat(images) for images in zip(*parts, strict=True)))


def mesh_from_density(density: np.ndarray, render: Render) -> Mesh:
    """The isosurface of a density `[R,R,R]`, indexed [x,y,z] over [-1,1]³, whose outline agrees best with the scene's.

    A pixel lies inside the outline of the surface at a threshold exactly where the density's maximum along its ray
    exceeds that threshold; so one sort of those maxima scores every threshold at once, by the IoU with the opaque
    pixels of the scene's own renders. UserError for an empty or a full scene.
    """
    cameras = sphere(12, 64)
    opaque = (render_views(render, cameras).alpha[:, 0] > 0.5).flatten()
    highest = _highest_on_rays(density, cameras).flatten()
    order = torch.argsort(highest, descending=True)
    hits = torch.cumsum(opaque[order].double(), 0)
    iou = hits / (torch.arange(1, len(order) + 1) + opaque.sum() - hits)
    best = int(iou.argmax())
    threshold = float(highest[order[best]])
    found = (
        f"the density spans {density.min():.4g} to {density.max():.4g}; thresholds from {highest.min():.4g} to "
        f"{highest.max():.4g} were tried, the best ({threshold:.4g}) agrees with the renders to an IoU of {iou[best]:.2f}"
    )
    if not opaque.any() or not density.max() > density.min():
        raise UserError(f"the scene is empty or even throughout: no view shows a shape ({found})")
    # the surface lies between this sample and the next lower one; halfway is the unbiased guess
    threshold = 0.5 * (threshold + float(highest[order[min(best + 1, len(order) - 1)]]))
    if _share_of_ball(density >= threshold) > FULL:
        raise UserError(f"the scene is full: it fills the unit sphere ({found})")
    return isosurface(density - threshold)


def mesh_from_views(render: Render, resolution: int) -> Mesh:
    """The surface that many views of a scene agree on, about `resolution` cells across the unit sphere.

    For scenes that have pictures but no density; see `dreamforge.export.fusion`. UserError for an empty or a full
    scene.
    """
    cameras = sphere(48, max(128, resolution * 3 // 2), lowest=-75.0, highest=85.0)
    views = render_views(render, cameras)
    opaque = views.alpha > 0.5
    found = f"opacity spans {views.alpha.min():.3g} to {views.alpha.max():.3g} over {len(cameras)} views"
    if not opaque.any():
        raise UserError(f"the scene is empty: no pixel is opaque in any view ({found})")
    if opaque.float().mean() > FULL:
        raise UserError(f"the scene is full: hardly any background shows in any view ({found})")
    distance = fuse(views, cameras, resolution)
    if distance.min() >= 0:
        raise UserError(f"the outlines have no volume in common: the scene is empty or all haze ({found})")
    return isosurface(-distance)


def _highest_on_rays(density: np.ndarray, cameras: Cameras) -> Tensor:
    """The density's maximum along the rays of the cameras, `[B,H,W]`, sampled twice a cell inside the cube."""
    volume = torch.from_numpy(np.ascontiguousarray(density, np.float32)).permute(2, 1, 0)[None, None]
    origins, directions = cameras.rays()
    steps = torch.arange(0, 2 * 3**0.5, 1.0 / density.shape[0]) - 3**0.5
    highest = torch.full(directions.shape[:3], float(density.min()))
    for view in range(len(cameras)):
        # the stretch of every ray around its point nearest to the origin
        middle = -(origins[view] * directions[view]).sum(-1)
        along = middle[..., None] + steps  # [H,W,S]
        at = origins[view][:, :, None] + along[..., None] * directions[view][:, :, None]
        values = grid_sample(volume, at[None], align_corners=True, padding_mode="zeros")[0, 0]
        highest[view] = torch.maximum(highest[view], values.amax(-1))
    return highest


def isosurface(inside: np.ndarray) -> Mesh:
    """The zero level of a function `[R,R,R]` over [-1,1]³ that is positive inside; closed at the cube's sides."""
    resolution = inside.shape[0]
    padded = np.pad(inside, 1, constant_values=inside.min())
    vertices, faces, _, _ = marching_cubes(padded, 0.0, gradient_direction="ascent", allow_degenerate=False)
    vertices = (vertices - 1) * (2 / (resolution - 1)) - 1
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def _share_of_ball(mask: np.ndarray) -> float:
    """Which share of the unit ball's samples a mask `[R,R,R]` covers."""
    axis = np.linspace(-1, 1, len(mask)) ** 2
    ball = axis[:, None, None] + axis[:, None] + axis < 1
    return float(mask[ball].mean())
