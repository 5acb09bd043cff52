"""The hash grid on a GPU: the host's side of `cuda_ext/hashgrid.cu`. The same functions as `hashgrid_numba`."""

from __future__ import annotations

import ctypes
import functools

import torch
from torch import Tensor

from dreamforge.kernels.nvrtc import Program, blocks_for

MOST_LEVELS, THREADS = 16, 256


@functools.cache
def program(features: int, half: bool) -> Program:
    """The kernels for a number of features a level and a table of float16 or float32."""
    return Program.of("hashgrid.cu", FEATURES=features, HALF_TABLE=int(half))


def forward(points: Tensor, table: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """Float32 `[N, L*F]`, or `[N,F]` summed, of contiguous points `[N,3]` and table `[L,T,F]` (float32 or float16)."""
    levels, _, features = table.shape
    out = points.new_empty(len(points), features if summed else levels * features)
    _launch("forward", table, 1 if summed else levels, (points, table, out), resolutions, summed)
    return out


def backward_table(points: Tensor, table: Tensor, grad: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """The gradient `[L,T,F]` on the table, summed in float32, from the gradient on the features."""
    out = torch.zeros_like(table, dtype=torch.float32)
    _launch("backward_table", table, len(table), (points, grad, out), resolutions, summed)
    return out.to(table.dtype)


def backward_points(points: Tensor, table: Tensor, grad: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """The gradient `[N,3]` on the points, from the gradient on the features."""
    out = torch.empty_like(points)
    _launch("backward_points", table, 1, (points, table, grad, out), resolutions, summed)
    return out


def _launch(
    kernel: str, table: Tensor, height: int, tensors: tuple[Tensor, ...], resolutions: tuple[int, ...], summed: bool
) -> None:
    levels, entries, features = table.shape
    if levels > MOST_LEVELS or features not in (1, 2, 4, 8):
        known = f"up to {MOST_LEVELS} levels of 1, 2, 4 or 8 features"
        raise ValueError(f"a hash table on CUDA has {known}, not {levels} of {features}")
    sizes = ((ctypes.c_int * MOST_LEVELS)(*resolutions), len(tensors[0]), levels, entries, int(summed))
    grid = (blocks_for(len(tensors[0]), THREADS), height)
    program(features, table.dtype == torch.float16).launch(kernel, grid, THREADS, *tensors, *sizes)
