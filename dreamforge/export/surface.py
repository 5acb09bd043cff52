"""From a scene to its surface: the fusion of many rendered views."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor

from dreamforge.cameras import Cameras, sphere
from dreamforge.contracts import Mesh, Views
from dreamforge.errors import UserError
from dreamforge.export.fusion import fuse

Render = Callable[[Cameras, Tensor], Views]

GREY = 0.5  # a background that neither hides dark things nor light ones
BATCH = 8  # views rendered at a time, to bound memory
FULL = 0.95  # share of the pixels beyond which a scene is called full


@torch.no_grad()
def render_views(render: Render, cameras: Cameras) -> Views:
    """What a scene shows to many cameras on grey, without gradients, a few views at a time; on the CPU."""
    parts = []
    for start in range(0, len(cameras), BATCH):
        some = cameras[start : start + BATCH]
        shown = render(some, torch.full((len(some), 3), GREY))
        parts.append([image.detach().float().cpu() for image in (shown.rgb, shown.alpha, shown.depth)])
    return Views(*(torch.cat(images) for images in zip(*parts, strict=True)))


def mesh_from_views(render: Render, resolution: int) -> Mesh:
    """The surface that many views of a scene agree on, about `resolution` cells across the unit sphere.

    It needs nothing but pictures, and closes the pits that a density has where no view can tell; see
    `dreamforge.export.fusion`. UserError for an empty or a full scene.
    """
    return isosurface(-distance_from_views(render, resolution))


def distance_from_views(render: Render, resolution: int) -> np.ndarray:
    """Signed distances `[R,R,R]` over [-1,1]³, positive outside, to the surface that `mesh_from_views` answers."""
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
    return distance


def isosurface(inside: np.ndarray) -> Mesh:
    """The zero level of a function `[R,R,R]` over [-1,1]³ that is positive inside; closed at the cube's sides."""
    resolution = inside.shape[0]
    padded = np.pad(inside, 1, constant_values=inside.min())
    vertices, faces, _, _ = marching_cubes(padded, 0.0, gradient_direction="ascent", allow_degenerate=False)
    vertices = (vertices - 1) * (2 / (resolution - 1)) - 1
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))
