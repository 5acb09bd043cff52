"""3D Gaussian splatting: Gaussians to pictures, and gradients back, for a batch of views in one call.

Each Gaussian is projected to an ellipse (EWA: the perspective map made affine at its centre), `DILATION` square
pixels are added to its covariance so that it never slips between pixel centres, its opacity is divided by how much
that enlarges its area (Mip-Splatting, arXiv 2311.16493: so that a scene looks the same at any image size), and the
ellipses are composited front to back by the depth of their centres. The rules that the torch reference and the
kernels share:

- alpha = min(opacity exp(-d/2), MAX_ALPHA), d the squared Mahalanobis distance of the pixel centre; below ALPHA_CUT
  a pixel is left alone;
- a pixel takes nothing more once its transmittance is below MIN_TRANSMITTANCE;
- Gaussians whose centre is nearer than NEAR are not drawn; in the affine map, directions are clamped to
  FRUSTUM_MARGIN times the field of view, where it is still a fair likeness.

Colours are one per Gaussian, or one per view and Gaussian: `harmonics.view_colors` makes those of spherical harmonics,
`facing_normals` in their place makes a picture of normals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.kernels import backend, check_finite

NEAR = 0.1
DILATION = 0.3
FRUSTUM_MARGIN = 1.3
MAX_ALPHA = 0.99
ALPHA_CUT = 1.0 / 255.0
MIN_TRANSMITTANCE = 1e-4


@dataclass
class SplatStatistics:
    """What the backward passes saw of each Gaussian; passed to `splat`, which adds to it in backward.

    gradient: `[N]` sum over views of the length of dL/d(position on the picture), in half image heights.
    seen: `[N]` number of views in which it was drawn. radius: `[N]` largest half extent on a picture, pixels.
    """

    gradient: Tensor
    seen: Tensor
    radius: Tensor

    @classmethod
    def zeros(cls, count: int, device: torch.device | str = "cpu") -> SplatStatistics:
        return cls(*torch.zeros(3, count, device=device).unbind())

    def add(self, gradient: Tensor, seen: Tensor, radius: Tensor) -> None:
        """Add the figures `[N]` of one backward pass."""
        self.gradient += gradient.nan_to_num(posinf=0.0, neginf=0.0)  # a step that is not finite leaves no trace
        self.seen += seen
        torch.maximum(self.radius, radius, out=self.radius)


def splat(
    means: Tensor,
    scales: Tensor,
    rotations: Tensor,
    opacities: Tensor,
    colors: Tensor,
    cameras: Cameras,
    background: Tensor,
    statistics: SplatStatistics | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Render N Gaussians to B views, differentiable in everything but the cameras.

    means `[N,3]` world positions; scales `[N,3]` standard deviations, positive; rotations `[N,4]` quaternions (wxyz,
    of any length but zero); opacities `[N]` in (0,1); colors `[N,3]`, or `[B,N,3]` a view; background `[B,3]`.
    Returns rgb `[B,3,H,W]` on the background, alpha `[B,1,H,W]`, and depth `[B,1,H,W]`: the sum of weight times
    distance along the viewing axis, not divided by alpha. Tensors other than float32 go to the torch reference.
    Raises ValueError for parameters or cameras that are not finite.
    """
    check_finite(
        "splat", means=means, scales=scales, rotations=rotations, opacities=opacities, colors=colors,
        cameras=cameras.c2w, fov=cameras.fov,
    )  # fmt: skip
    views, focals = picture_views(cameras, means)
    render = _implementation(means)
    size = (cameras.height, cameras.width)
    image = render(means, scales, rotations, opacities, colors, views, focals, size, statistics)
    rgb, alpha, depth = image.split([3, 1, 1], dim=1)
    return rgb + (1 - alpha) * background[:, :, None, None], alpha, depth


def picture_views(cameras: Cameras, like: Tensor) -> tuple[Tensor, Tensor]:
    """World to camera `[B,3,4]` with x right, y down, z forward as on the picture, and focal lengths `[B]`."""
    views = cameras.w2c[:, :3].to(like)
    views = torch.cat([views[:, :1], -views[:, 1:]], dim=1)
    return views, cameras.focal.to(like).contiguous()


def _implementation(means: Tensor) -> Callable[..., Tensor]:
    serves = backend(means.device, "splat") if means.dtype == torch.float32 else "torch"
    if serves == "cuda":
        from dreamforge.kernels.splat_cuda import Splat

        return Splat.apply
    return _Splat.apply if serves == "numba" else reference


class _Splat(torch.autograd.Function):
    """The Numba kernels as one differentiable operation; the image is `[B,5,H,W]`: rgb, alpha, depth."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        scales: Tensor,
        rotations: Tensor,
        opacities: Tensor,
        colors: Tensor,
        views: Tensor,
        focals: Tensor,
        size: tuple[int, int],
        statistics: SplatStatistics | None,
    ) -> Tensor:
        from dreamforge.kernels.splat_numba import bin_rows, rasterize
        from dreamforge.kernels.splat_project_numba import TILE, project

        height, width = size
        count, batch = len(means), len(views)
        tensors = [t.detach().contiguous() for t in (means, scales, rotations, opacities, colors, views, focals)]
        geometry = [t.numpy() for t in tensors]
        color_array = geometry.pop(4).reshape(-1, 3)
        tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
        projected = np.empty((batch * count, 8), np.float32)
        boxes = np.empty((batch * count, 4), np.int32)
        project(*geometry, height, width, projected, boxes)
        offsets = np.zeros(batch * count + 1, np.int32)
        np.cumsum((boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2]), out=offsets[1:])
        starts = np.zeros((batch, tiles_x * tiles_y + 1), np.int32)
        entries = np.empty((offsets[-1], 2), np.int32)
        bin_rows(projected.view(np.int32), boxes, offsets, tiles_x, starts, entries)
        image = torch.empty(batch, 5, height, width)
        stops = np.empty((batch, tiles_x * tiles_y), np.int32)
        rasterize(projected, color_array, starts, entries, tiles_x, image.numpy(), stops)
        ctx.save_for_backward(image, *tensors)
        ctx.plan = (projected, offsets, starts, entries, stops, tiles_x)
        ctx.statistics = statistics
        return image

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from dreamforge.kernels.splat_numba import rasterize_backward
        from dreamforge.kernels.splat_project_numba import project_backward

        image, *tensors = ctx.saved_tensors
        geometry = [t.numpy() for t in tensors]
        colors = geometry.pop(4).reshape(-1, 3)
        projected, offsets, starts, entries, stops, tiles_x = ctx.plan
        height, width = image.shape[2:]
        slots = np.zeros((len(entries), 10), np.float32)
        rasterize_backward(
            projected, colors, starts, entries, stops, tiles_x,
            image.numpy(), gradient.contiguous().numpy(), slots,
        )  # fmt: skip
        gradients = [torch.zeros_like(t) for t in tensors[:5]]
        figures = torch.zeros(len(tensors[0]), 3)
        outputs = [g.numpy() for g in gradients]
        outputs[4] = outputs[4].reshape(-1, 3)
        project_backward(*geometry, height, width, projected, offsets, slots, *outputs, figures.numpy())
        if ctx.statistics is not None:
            gradient_length, seen, radius = figures.unbind(1)
            ctx.statistics.add(gradient_length * (0.5 * height), seen, radius)
        return (*gradients, None, None, None, None)


def reference(
    means: Tensor,
    scales: Tensor,
    rotations: Tensor,
    opacities: Tensor,
    colors: Tensor,
    views: Tensor,
    focals: Tensor,
    size: tuple[int, int],
    statistics: SplatStatistics | None = None,
    rows: slice = slice(None),
) -> Tensor:
    """The same in plain torch, every Gaussian at every pixel: `[B,5,H,W]` (rgb, alpha, depth). Any dtype, any device.

    views `[B,3,4]`: world to camera with x right, y down, z forward. focals `[B]` and size (height, width) in pixels.
    rows: of the pictures, those to compute.
    """
    height, width = size
    half = 0.5 * torch.tensor([width, height], dtype=means.dtype, device=means.device)
    local = torch.einsum("bij,nj->bni", views[:, :, :3], means) + views[:, None, :, 3]
    depth = local[..., 2]  # [B,N]
    z = depth.clamp(min=NEAR)
    direction = local[..., :2] / z[..., None]
    center = half + focals[:, None, None] * direction  # [B,N,2]
    limit = FRUSTUM_MARGIN * (half / focals[:, None])[:, None]
    near = torch.minimum(torch.maximum(direction, -limit), limit)[..., None]
    affine = (focals[:, None] / z)[..., None, None] * (views[:, None, :2, :3] - near * views[:, None, 2:, :3])
    ellipse = affine @ (rotation_matrices(rotations) * scales[:, None, :])  # [B,N,2,3]
    # the squared area of the ellipse as a cross product: no cancellation, however thin the Gaussian
    area = torch.linalg.cross(ellipse[..., 0, :], ellipse[..., 1, :]).square().sum(-1)
    dilated = area + DILATION * ellipse.square().sum((-1, -2)) + DILATION**2
    opacity = opacities * (area / dilated).sqrt()  # [B,N]
    covariance = ellipse @ ellipse.transpose(-1, -2) + DILATION * torch.eye(2).to(means)

    reach = 2 * torch.log(opacity.detach() / ALPHA_CUT)  # squared Mahalanobis distance at which alpha is cut
    extent = (reach.clamp(min=0)[..., None] * torch.diagonal(covariance.detach(), dim1=-2, dim2=-1)).sqrt()
    outside = ((center + extent <= 0) | (center - extent >= 2 * half)).any(-1)
    drawn = (depth > NEAR) & (reach > 0) & ~outside
    if statistics is not None and center.requires_grad:

        def note(gradient: Tensor) -> None:
            length = gradient.norm(dim=-1).sum(0) * (0.5 * height)
            statistics.add(length, drawn.sum(0), (extent.amax(-1) * drawn).amax(0))

        center.register_hook(note)

    x = torch.arange(width).to(means) + 0.5
    y = torch.arange(height).to(means)[rows] + 0.5
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    images = []
    for b in range(len(views)):
        index = torch.argsort(depth[b], stable=True)
        index = index[drawn[b, index]]
        offset = pixels - center[b, index, None]  # [n,P,2]
        (xx, xy), (_, yy) = [row.unbind(-1) for row in covariance[b, index].unbind(-2)]
        conic = torch.stack([yy, -xy, xx], -1) / dilated[b, index, None]
        dx, dy = offset.unbind(-1)
        ca, cb, cc = conic[:, :, None].unbind(1)
        falloff = torch.exp(-0.5 * (ca * dx * dx + cc * dy * dy) - cb * dx * dy)
        alpha = (opacity[b, index, None] * falloff).clamp(max=MAX_ALPHA)
        alpha = alpha * (alpha >= ALPHA_CUT)
        before = torch.cumprod(torch.cat([torch.ones_like(alpha[:1]), 1 - alpha]), 0)[:-1]  # transmittance in front
        weight = alpha * before * (before >= MIN_TRANSMITTANCE)
        shown = colors if colors.dim() == 2 else colors[b]
        features = torch.cat([shown[index], torch.ones_like(z[b, index, None]), depth[b, index, None]], -1)
        images.append((features.T @ weight).reshape(5, len(y), width))
    return torch.stack(images)


def facing_normals(means: Tensor, scales: Tensor, rotations: Tensor, positions: Tensor) -> Tensor:
    """The unit normals `[B,N,3]` that N Gaussians show to B positions `[B,3]`: their shortest axes, facing them.

    Differentiable in the rotations. Splatted as colours on black, they make the opacity-weighted picture of normals.
    """
    shortest = scales.detach().argmin(-1)
    axes = rotation_matrices(rotations)[torch.arange(len(means), device=means.device), :, shortest]
    away = (axes * (means.detach() - positions[:, None].to(means))).sum(-1, keepdim=True) > 0
    return torch.where(away, -axes, axes)


def rotation_matrices(rotations: Tensor) -> Tensor:
    """Rotation matrices `[N,3,3]` of quaternions `[N,4]` (wxyz, of any length but zero)."""
    w, x, y, z = torch.nn.functional.normalize(rotations, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).reshape(-1, 3, 3)
