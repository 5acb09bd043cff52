"""Pictures of a surface that is being learned, differentiable in its vertices, and what keeps it a surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dreamforge.cameras import Cameras
from dreamforge.contracts import Views
from dreamforge.kernels.raster import Fragments, antialias, interpolate, rasterize
from dreamforge.kernels.raster_reference import opposite_corners


@dataclass
class Seen:
    """A surface in B pictures, for whoever paints it: what `rasterize` was given and answered, and for each pixel
    position and unit normal `[B,3,H,W]`, world space, the normal toward the camera."""

    pixels: Tensor
    depth: Tensor
    faces: Tensor
    fragments: Fragments
    position: Tensor
    normal: Tensor

    @property
    def hit(self) -> Tensor:
        """`[B,H,W]` where the surface is."""
        return self.fragments.face >= 0

    def gather(self, image: Tensor) -> Tensor:
        """An image's `[B,C,H,W]` values where the surface is, `[N,C]`."""
        return image.movedim(1, -1)[self.hit]

    def scatter(self, values: Tensor) -> Tensor:
        """The inverse, `[B,C,H,W]`, 0 where there is no surface."""
        image = values.new_zeros(*self.hit.shape, values.shape[1])
        return image.index_put((self.hit,), values).movedim(-1, 1)


def render_surface(
    vertices: Tensor,
    faces: Tensor,
    cameras: Cameras,
    background: Tensor,
    paint: Callable[[Seen], Tensor],
    supersample: int = 1,
) -> Views:
    """Views of a mesh (vertices `[V,3]`, faces `[F,3]`) on plain backgrounds `[B,3]`, with antialiased outlines.

    paint: sRGB colours `[B,3,H,W]` of what is seen. Faces that touch must share vertices.
    """
    height, width = cameras.height * supersample, cameras.width * supersample
    pixels, depth = cameras.resized(height, width).project(vertices)
    fragments = rasterize(pixels, depth, faces, height, width)
    carried = interpolate(torch.cat([vertices, vertex_normals(vertices, faces)], dim=1), faces, fragments)
    position, normal = carried[:, :3], functional.normalize(carried[:, 3:], dim=1)
    away = ((position - cameras.position[:, :, None, None]) * normal).sum(1, keepdim=True) > 0
    seen = Seen(pixels, depth, faces, fragments, position, torch.where(away, -normal, normal))
    hit = seen.hit[:, None].to(vertices)
    image = torch.cat([paint(seen) * hit, hit, fragments.depth[:, None], seen.normal * hit], dim=1)
    image = antialias(image, fragments, pixels, depth, faces)
    if supersample > 1:
        image = functional.avg_pool2d(image, supersample)
    rgb, alpha, distance, normal = image.split([3, 1, 1, 3], dim=1)
    return Views(rgb + (1 - alpha) * background[:, :, None, None], alpha, distance / alpha.clamp(min=1e-6), normal)


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """`[V,3]` unit normals, each face's weighted by its area; 0 where faces cancel."""
    corner = vertices[faces.long()]
    across = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = torch.zeros_like(vertices).index_add(0, faces.long().flatten(), across.repeat_interleave(3, dim=0))
    return functional.normalize(total, dim=1)


class Neighbours:
    """Which vertices and which faces of a mesh adjoin, for the penalties on its shape."""

    def __init__(self, faces: Tensor) -> None:
        faces = faces.long()
        a, b, count = faces.flatten(), faces.roll(-1, dims=1).flatten(), int(faces.max()) + 1 if len(faces) else 1
        key = (a.minimum(b) * count + a.maximum(b)).unique()
        self.edges = torch.stack([key // count, key % count], dim=1)  # [E,2]
        across = opposite_corners(faces) if len(faces) else faces
        f, k = ((across >= 0) & (across // 3 > torch.arange(len(faces), device=faces.device)[:, None])).nonzero(as_tuple=True)
        self.pairs = torch.stack([f, across[f, k] // 3], dim=1)  # [P,2]
        self.faces = faces

    def laplacian(self, vertices: Tensor) -> Tensor:
        """Mean squared distance of vertices from the mean of their neighbours."""
        a, b = self.edges.unbind(1)
        total = torch.zeros_like(vertices).index_add(0, a, vertices[b]).index_add(0, b, vertices[a])
        ones = torch.ones_like(vertices[:, :1])
        count = torch.zeros_like(ones).index_add(0, a, ones[a]).index_add(0, b, ones[b])
        return ((total / count.clamp(min=1) - vertices) * (count > 0)).square().sum(1).mean()

    def normal_consistency(self, vertices: Tensor) -> Tensor:
        """Mean of 1 - cosine of the angle between the normals of adjoining faces."""
        corner = vertices[self.faces]
        across = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        normal = functional.normalize(across, dim=1)
        a, b = self.pairs.unbind(1)
        return (1 - (normal[a] * normal[b]).sum(1)).sum() / max(1, len(a))
