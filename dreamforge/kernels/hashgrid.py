"""Multiresolution hash grid (Instant-NGP, arXiv 2201.05989): features of points, trilinear within each level.

A level whose (resolution + 1)^3 vertices fit its table is indexed densely, a finer one through a spatial hash.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

from dreamforge.kernels import backend, check_finite

PRIME_Y, PRIME_Z = 2654435761, 805459861
FAST_TABLES = {"numba": (torch.float32,), "cuda": (torch.float32, torch.float16)}
"""What a table can be of for the fast paths, others are converted; points and features are float32 there."""


def hash_encode(points: Tensor, table: Tensor, resolutions: Sequence[int], summed: bool = False) -> Tensor:
    """Features `[N, L*F]` of points `[N,3]` in [0,1], differentiable once in the points and the table.

    table: `[L,T,F]`, T a power of two. One in half precision is interpolated, and its gradient added up, in the
    precision of the points. resolutions: the cells a side of each of the L levels.
    summed: add the levels up instead of concatenating them, `[N,F]`; the same value as summing afterwards, with a
    fraction of the memory traffic. Results do not depend on the number of threads. Raises ValueError for points or a
    table that are not finite, or do not fit.
    """
    if table.shape[1] & (table.shape[1] - 1):
        raise ValueError(f"a hash table needs a power of two of entries, not {table.shape[1]}")
    if len(resolutions) != table.shape[0]:
        raise ValueError(f"{len(resolutions)} resolutions for a table of {table.shape[0]} levels")
    check_finite("hash_encode", points=points, table=table)
    serves = backend(table.device, "hashgrid")
    if points.dtype == torch.float32 and serves in FAST_TABLES:
        kernels = importlib.import_module(f"dreamforge.kernels.hashgrid_{serves}")
        table = table if table.dtype in FAST_TABLES[serves] else table.float()
        return _Encode.apply(kernels, points, table, tuple(resolutions), summed)
    return reference(points, table, resolutions, summed)


def reference(points: Tensor, table: Tensor, resolutions: Sequence[int], summed: bool = False) -> Tensor:
    """`hash_encode` in plain torch."""
    table, entries = table.to(torch.promote_types(table.dtype, points.dtype)), table.shape[1]
    corners = torch.tensor([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)], device=points.device)
    levels = []
    for level, resolution in enumerate(resolutions):
        scaled = points * resolution
        cell = scaled.detach().floor().clamp(0, resolution - 1)
        fraction = (scaled - cell)[:, None]
        x, y, z = (cell.long()[:, None] + corners).unbind(-1)  # each [N,8]
        if (resolution + 1) ** 3 <= entries:
            index = x + (resolution + 1) * (y + (resolution + 1) * z)
        else:
            index = (x ^ y * PRIME_Y ^ z * PRIME_Z) & (entries - 1)
        weight = torch.where(corners.bool(), fraction, 1 - fraction).prod(-1)
        levels.append((weight[..., None] * table[level][index]).sum(1))
    return torch.stack(levels).sum(0) if summed else torch.cat(levels, dim=-1)


class _Encode(torch.autograd.Function):
    """The passes of one of the modules `hashgrid_numba` and `hashgrid_cuda` as a differentiable operation."""

    @staticmethod
    def forward(
        ctx, kernels: ModuleType, points: Tensor, table: Tensor, resolutions: tuple[int, ...], summed: bool
    ) -> Tensor:
        points, table = points.detach().contiguous(), table.detach().contiguous()
        ctx.save_for_backward(points, table)
        ctx.kernels, ctx.options = kernels, (resolutions, summed)
        return kernels.forward(points, table, resolutions, summed)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        arguments = (*ctx.saved_tensors, grad.contiguous(), *ctx.options)
        to_points = ctx.kernels.backward_points(*arguments) if ctx.needs_input_grad[1] else None
        to_table = ctx.kernels.backward_table(*arguments) if ctx.needs_input_grad[2] else None
        return None, to_points, to_table, None, None
