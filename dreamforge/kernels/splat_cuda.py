"""Gaussian splatting on a GPU: the host's side of `cuda_ext/splat_project.cu` and `cuda_ext/splat.cu`.

Rows (a Gaussian in a view) are sorted by depth; entries (a row in a tile) are listed in that order and sorted, stably,
by tile. Two short keys, of 32 bits over rows and 16 over entries, are cheaper to sort than one of 64 over entries.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dreamforge.kernels import splat
from dreamforge.kernels.capacity import Capacity
from dreamforge.kernels.nvrtc import Program, blocks_for

TILE, THREADS = 16, 256
PROJECT = Program.of(
    "splat_project.cu", TILE=TILE, NEAR=splat.NEAR, DILATION=splat.DILATION, FRUSTUM_MARGIN=splat.FRUSTUM_MARGIN,
    ALPHA_CUT=splat.ALPHA_CUT, LOG_CUT=math.log(splat.ALPHA_CUT),
)  # fmt: skip


RASTERIZE = Program.of(
    "splat.cu", TILE=TILE, MAX_ALPHA=splat.MAX_ALPHA, LOG_CUT=math.log(splat.ALPHA_CUT),
    MIN_TRANSMITTANCE=splat.MIN_TRANSMITTANCE,
)  # fmt: skip
LIST = {torch.int16: Program.of("splat_tiles.cu", KEY="short"), torch.int32: Program.of("splat_tiles.cu", KEY="int")}


@functools.cache
def capacity(device: torch.device, views: int, height: int, width: int) -> Capacity:
    """The room for entries that pictures of this size have needed."""
    return Capacity()


class Plan(NamedTuple):
    """What backward needs of forward."""

    projected: Tensor
    tile_counts: Tensor
    rows: Tensor
    starts: Tensor
    stops: Tensor


def forward(geometry: list[Tensor], colors: Tensor, size: tuple[int, int], exact: bool) -> tuple[Tensor, Plan]:
    """The image `[V,5,H,W]`: red, green, blue, alpha, depth.

    geometry: contiguous means `[N,3]`, scales `[N,3]`, rotations `[N,4]`, opacities `[N]`, views `[V,3,4]` and focals
    `[V]`. colors: `[N,3]`, or `[V,N,3]`.
    exact: wait for the number of entries, rather than make room for about as many as the last time.
    """
    means, views = geometry[0], geometry[4]
    (height, width), count, batch = size, len(means), len(views)
    image = means.new_zeros(batch, 5, height, width)
    rows = batch * count
    integers = functools.partial(torch.empty, dtype=torch.int32, device=means.device)
    projected, depths = means.new_empty(rows, 8), means.new_empty(rows)
    boxes, tile_counts = integers(rows, 4), integers(rows)
    if rows == 0:
        return image, Plan(projected, tile_counts, integers(0), integers(0), integers(0))
    tensors = (*geometry, projected, boxes, tile_counts, depths)
    PROJECT.launch("project", blocks_for(rows, THREADS), THREADS, *tensors, count, batch, height, width)
    listed, starts = _entries(depths, boxes, tile_counts, (batch, height, width), exact)
    plan = Plan(projected, tile_counts, listed, starts, integers(len(starts) - 1))
    tensors = (projected, colors, listed, starts, image, plan.stops)
    numbers = (colors.numel() // 3, height, width, -(-width // TILE))
    RASTERIZE.launch("rasterize", *_shape(batch, height, width), *tensors, *numbers)
    return image, plan


def _entries(
    depths: Tensor, boxes: Tensor, tile_counts: Tensor, size: tuple[int, int, int], exact: bool
) -> tuple[Tensor, Tensor]:
    """The rows of every tile by depth, one tile after another, and where each tile's begin `[V*T+1]`."""
    (tiles, batch), _ = _shape(*size)
    keys, device = tiles * batch, depths.device
    order = torch.argsort(depths, stable=True)
    ends = torch.cumsum(tile_counts[order], 0, dtype=torch.int32)
    room = capacity(device, *size).room(ends[-1], exact)
    dtype = torch.int16 if keys < 1 << 15 else torch.int32
    tile, rows = torch.empty(room, dtype=dtype, device=device), torch.empty(room, dtype=torch.int32, device=device)
    counts = (len(order), room, len(order) // batch, -(-size[2] // TILE), tiles, keys)
    LIST[dtype].launch("list_entries", blocks_for(room, THREADS), THREADS, order, ends, boxes, tile, rows, *counts)
    tile, index = torch.sort(tile, stable=True)
    starts = torch.searchsorted(tile, torch.arange(keys + 1, dtype=dtype, device=device), out_int32=True)
    return rows[index], starts


def _shape(batch: int, height: int, width: int) -> tuple[tuple[int, int], int]:
    """The rasterizer's grid, a block a tile and view, and the threads of a block."""
    return (-(-width // TILE) * -(-height // TILE), batch), THREADS


def backward(
    geometry: list[Tensor], colors: Tensor, image: Tensor, gradient: Tensor, plan: Plan
) -> tuple[list[Tensor], Tensor]:
    """Gradients of means, scales, rotations, opacities and colors, and the figures `[N,3]` of `SplatStatistics`."""
    (batch, _, height, width), count, shown = image.shape, len(geometry[0]), colors.numel() // 3
    means, scales, rotations, opacities, *_ = geometry
    gradients = [torch.empty_like(x) for x in (means, scales, rotations, opacities, colors)]
    figures, row_gradients = means.new_empty(count, 3), means.new_zeros(batch * count, 10)
    if len(plan.rows):
        tensors = (plan.projected, colors, plan.rows, plan.starts, plan.stops, image, gradient, row_gradients)
        numbers = (shown, height, width, -(-width // TILE))
        RASTERIZE.launch("rasterize_backward", *_shape(batch, height, width), *tensors, *numbers)
    tensors = (*geometry, plan.projected, plan.tile_counts, row_gradients, *gradients, figures)
    numbers = (count, shown, batch, height, width)
    PROJECT.launch("project_backward", blocks_for(count, THREADS), THREADS, *tensors, *numbers)
    return gradients, figures


class Splat(torch.autograd.Function):
    """The kernels as one differentiable operation; arguments and answer are those of `splat.reference`."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *tensors, size, statistics = arguments
        means, scales, rotations, opacities, colors, views, focals = (x.detach().float().contiguous() for x in tensors)
        geometry = [means, scales, rotations, opacities, views, focals]
        image, plan = forward(geometry, colors, size, exact=not any(ctx.needs_input_grad))
        ctx.save_for_backward(image, colors, *geometry)
        ctx.plan, ctx.statistics = plan, statistics
        return image

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, colors, *geometry = ctx.saved_tensors
        gradients, figures = backward(geometry, colors, image, gradient.contiguous(), ctx.plan)
        if ctx.statistics is not None:
            length, seen, radius = figures.unbind(1)
            ctx.statistics.add(length * (0.5 * image.shape[2]), seen, radius)
        return (*gradients, None, None, None, None)
