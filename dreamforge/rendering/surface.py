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

    @property
    def everywhere(self) -> bool:
        """Whether what lies beside the surface is painted with it: where the host would have to wait for how much does
        not."""
        return self.pixels.device.type != "cpu"

    def gather(self, image: Tensor) -> Tensor:
        """An image's `[B,C,H,W]` values where the surface is, `[N,C]`, or `everywhere`."""
        rows = image.movedim(1, -1)
        return rows.flatten(0, 2) if self.everywhere else rows[self.hit]

    def scatter(self, values: Tensor) -> Tensor:
        """The inverse, `[B,C,H,W]`; what there is beside the surface counts for nothing."""
        if self.everywhere:
            return values.view(*self.hit.shape, -1).movedim(-1, 1)
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
    """Which vertices and which faces of a mesh adjoin, for the penalties on its shape; the host waits for nothing.

    faces: `[F,3]` of `vertices` vertices. Faces whose corners are all one, which fill up a list, do not count, nor do
    vertices without faces.
    """

    def __init__(self, faces: Tensor, vertices: int) -> None:
        self.faces = faces.long()
        across = opposite_corners(self.faces, vertices)
        self.beyond = across // 3  # [F,3] the face beyond the edge opposite each corner, or -1
        self.ends = tuple(self.faces.roll(turn, dims=1).flatten() for turn in (-1, 1))  # of that edge: [3F]
        share = torch.where(across >= 0, 0.5, 1.0).flatten()  # an edge that two faces share is here twice
        self.share = (share * (self.ends[0] != self.ends[1]))[:, None]

    def laplacian(self, vertices: Tensor) -> Tensor:
        """Mean squared distance of vertices from the mean of their neighbours."""
        placed = torch.cat([vertices, torch.ones_like(vertices[:, :1])], dim=1)
        (a, b), total = self.ends, torch.zeros_like(placed)
        total = total.index_add(0, a, self.share * placed[b]).index_add(0, b, self.share * placed[a])
        joined = total[:, 3:] > 0
        off = torch.where(joined, total[:, :3] / torch.where(joined, total[:, 3:], 1) - vertices, 0)
        return off.square().sum() / joined.sum().clamp(min=1)

    def normal_consistency(self, vertices: Tensor) -> Tensor:
        """Mean of 1 - cosine of the angle between the normals of adjoining faces."""
        corner = vertices[self.faces]
        across = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        normal = functional.normalize(across, dim=1)
        pair = self.beyond > torch.arange(len(normal), device=normal.device)[:, None]  # each once
        bend = 1 - (normal[:, None] * normal[self.beyond.clamp(min=0)]).sum(2)
        return (bend * pair).sum() / pair.sum().clamp(min=1)
