"""Ray marching through an occupancy grid, and emission-absorption compositing of what was met.

Samples of all rays are packed one after another; ray r owns `offsets[r]:offsets[r+1]`. Rays see the unit sphere only.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from dreamforge.kernels import backend, check_finite

STOP = 1e-3  # a ray ends where less than this much light gets through: a quarter of what 8 bits can show


@dataclass(frozen=True)
class Samples:
    """M samples of R rays. points: `[M,3]`. t: `[M]` distance along the unit direction. offsets: `[R+1]` int64.

    On CUDA M may be more than offsets[R], so that the host need not wait for that number; the rest belongs to no ray.
    """

    points: Tensor
    t: Tensor
    offsets: Tensor


def slot_count(step: float) -> int:
    """The most samples a ray can have: those along a diameter of the unit sphere."""
    return math.ceil(2 / step) + 1


def march(
    origins: Tensor,
    directions: Tensor,
    occupancy: Tensor,
    floor: Tensor,
    step: float,
    jitter: Tensor | None = None,
) -> Samples:
    """Samples every `step` along rays inside the unit sphere, where there is something to see; no gradients.

    origins, directions: `[R,3]`, directions of unit length. occupancy: `[G,G,G]` bool, the cells to sample, indexed
    [x,y,z] over [-1,1]^3. floor: `[G,G,G]` densities that the cells have at least: a ray ends where these alone let
    less than `STOP` of the light through, so that nothing is spent on what is hidden. jitter: `[R]` in [0,1), where
    in its step a ray's samples lie (the middle where None). Raises ValueError for rays or a floor that are not finite.
    """
    check_finite("march", origins=origins, directions=directions, floor=floor)
    origins, directions = origins.detach(), directions.detach()
    jitter = torch.full_like(origins[:, 0], 0.5) if jitter is None else jitter
    kernels = _kernels(origins)
    if kernels:
        rays, grids = (origins.contiguous(), directions.contiguous()), (occupancy.contiguous(), floor.contiguous())
        return Samples(*kernels.march(*rays, *grids, step, jitter.contiguous()))
    return march_reference(origins, directions, occupancy, floor, step, jitter)


def _kernels(tensor: Tensor) -> ModuleType | None:
    """The module, `volume_numba` or `volume_cuda`, that serves where a tensor is; None where only the reference does."""
    serves = backend(tensor.device, "volume") if tensor.dtype == torch.float32 else "torch"
    return None if serves == "torch" else importlib.import_module(f"dreamforge.kernels.volume_{serves}")


def march_reference(
    origins: Tensor, directions: Tensor, occupancy: Tensor, floor: Tensor, step: float, jitter: Tensor
) -> Samples:
    """`march` in plain torch: all rays at all steps, then the occupied ones."""
    size = occupancy.shape[0]
    along = (origins * directions).sum(-1)
    reach = (along**2 - (origins**2).sum(-1) + 1).clamp(min=0).sqrt()  # half the chord
    near, far = (-along - reach).clamp(min=0), -along + reach
    slots = torch.arange(slot_count(step), device=origins.device, dtype=origins.dtype)
    t = near[:, None] + (slots + jitter[:, None]) * step  # [R,S]
    points = origins[:, None] + t[..., None] * directions[:, None]
    x, y, z = ((points + 1) * (0.5 * size)).long().clamp(0, size - 1).unbind(-1)
    least = floor[x, y, z] * step
    lit = torch.exp(least - least.cumsum(-1)) >= STOP
    kept = (t < far[:, None]) & occupancy[x, y, z] & lit
    offsets = torch.nn.functional.pad(kept.sum(-1).cumsum(0), (1, 0))
    return Samples(points[kept], t[kept], offsets)


def composite(
    sigmas: Tensor, colors: Tensor, offsets: Tensor, t: Tensor, step: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colour `[R,C]`, opacity `[R]`, opacity-weighted depth `[R]` (sum of w t) and distortion `[R]` of packed samples.

    sigmas: `[M]` densities >= 0 per unit length. colors: `[M,C]`. Differentiable once in both; samples past the point
    where less than `STOP` of the light gets through count for nothing and receive a gradient of exactly zero.
    The distortion is Mip-NeRF 360's (arXiv 2111.12077), in world units: sum_ij w_i w_j |t_i - t_j| + sum_i w_i^2
    step / 3, which is small where the opacity of a ray lies in one place. It costs one pass, since t is sorted.
    Densities and colours are computed by the scene, so what is not finite shows in the loss, and is for the engine.
    """
    kernels = _kernels(sigmas)
    if kernels:
        return _Composite.apply(kernels, sigmas, colors, offsets, t, step)
    return composite_reference(sigmas, colors, offsets, t, step)


def composite_reference(
    sigmas: Tensor, colors: Tensor, offsets: Tensor, t: Tensor, step: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`composite` in plain torch, on rays padded to the longest."""
    counts = offsets.diff()
    longest = int(counts.max()) if len(counts) else 0
    kept = torch.arange(longest, device=sigmas.device) < counts[:, None]  # [R,S]
    padded = torch.zeros(kept.shape, dtype=sigmas.dtype, device=sigmas.device)
    optical, along = padded.masked_scatter(kept, sigmas * step), padded.masked_scatter(kept, t)
    light = torch.exp(optical - optical.cumsum(-1))
    weights = torch.where(light >= STOP, light * -torch.expm1(-optical), 0)
    ray = torch.arange(len(counts), device=sigmas.device).repeat_interleave(counts)
    color = colors.new_zeros(len(counts), colors.shape[1]).index_add(0, ray, weights[kept][:, None] * colors)
    alpha, depth = weights.sum(-1), (weights * along).sum(-1)
    place = along - along[:, :1]  # from the first sample on: smaller numbers lose fewer digits
    before, placed = weights.cumsum(-1) - weights, (weights * place).cumsum(-1) - weights * place
    distortion = (2 * weights * (place * before - placed) + weights**2 * (step / 3)).sum(-1)
    return color, alpha, depth, distortion


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, kernels: ModuleType, sigmas: Tensor, colors: Tensor, offsets: Tensor, t: Tensor, step: float):
        colors = colors.detach().float().contiguous()
        weights, *outputs = kernels.composite(sigmas.detach().contiguous(), colors, offsets, t, step)
        ctx.save_for_backward(colors, offsets, t, weights)
        ctx.kernels, ctx.step = kernels, step
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grads: Tensor):
        contiguous = [grad.contiguous() for grad in grads]
        to_sigmas, to_colors = ctx.kernels.composite_backward(*ctx.saved_tensors, ctx.step, *contiguous)
        return None, to_sigmas, to_colors, None, None, None
