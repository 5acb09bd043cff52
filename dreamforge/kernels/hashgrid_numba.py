"""The hash grid on the CPU. Points are shared out in fixed blocks and table gradients by level, so that no two threads
write to one place and the result does not depend on how many there are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamforge.kernels.hashgrid import PRIME_Y, PRIME_Z
from dreamforge.kernels.jit import inline, kernel, prange

ONE = np.float32(1)  # a plain 1 would turn the arithmetic around it to double precision
BLOCK = 512  # points whose positions stay in the first-level cache while the levels pass over them


@inline
def _cell(value, resolution):
    """The cell of a coordinate in [0,1], and where in that cell it lies."""
    scaled = value * np.float32(resolution)
    cell = min(max(int(scaled), 0), resolution - 1)
    return cell, scaled - np.float32(cell)


@inline
def _corners(x, y, z, resolution, entries):
    """The table rows of the eight corners around a point, and the point's place within its cell."""
    i, u = _cell(x, resolution)
    j, v = _cell(y, resolution)
    k, w = _cell(z, resolution)
    side = resolution + 1
    if side * side * side <= entries:
        a = i + side * (j + side * k)
        b, c, d = a + side, a + side * side, a + side * (side + 1)
        return (a, a + 1, b, b + 1, c, c + 1, d, d + 1), (u, v, w)
    y0, y1, z0, z1 = j * PRIME_Y, (j + 1) * PRIME_Y, k * PRIME_Z, (k + 1) * PRIME_Z
    a, b, c, d = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
    m, n = entries - 1, i + 1
    low = ((i ^ a) & m, (n ^ a) & m, (i ^ b) & m, (n ^ b) & m)
    return (*low, (i ^ c) & m, (n ^ c) & m, (i ^ d) & m, (n ^ d) & m), (u, v, w)


@inline
def _weights(u, v, w):
    """The trilinear weights of the eight corners."""
    a, b, c, d = (ONE - v) * (ONE - w), v * (ONE - w), (ONE - v) * w, v * w
    t = ONE - u
    return t * a, u * a, t * b, u * b, t * c, u * c, t * d, u * d


@functools.cache
def _kernels(features: int) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The three passes for a fixed number of features a level, so that the compiler keeps them in one register."""

    @kernel
    def forward_pass(points, table, resolutions, stride, out):
        count, levels, entries = points.shape[0], table.shape[0], table.shape[1]
        for block in prange((count + BLOCK - 1) // BLOCK):
            for level in range(levels):
                resolution, column = resolutions[level], level * stride
                for n in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
                    rows, place = _corners(points[n, 0], points[n, 1], points[n, 2], resolution, entries)
                    weights = _weights(*place)
                    for f in range(features):
                        total = np.float32(0)
                        for corner in range(8):
                            total += weights[corner] * table[level, rows[corner], f]
                        out[n, column + f] += total

    @kernel
    def table_pass(points, grad, resolutions, stride, out):
        count, levels, entries = points.shape[0], out.shape[0], out.shape[1]
        half = (levels + 1) // 2
        for task in prange(levels):
            # Even levels first, then odd: each thread gets coarse (cheap) and fine (dear) levels alike.
            level = 2 * task if task < half else 2 * (task - half) + 1
            resolution, column = resolutions[level], level * stride
            out[level] = 0
            for n in range(count):
                size = np.float32(0)
                for f in range(features):
                    size += abs(grad[n, column + f])
                if size == 0:  # samples behind a surface: most of them, once there is one
                    continue
                rows, place = _corners(points[n, 0], points[n, 1], points[n, 2], resolution, entries)
                weights = _weights(*place)
                for corner in range(8):
                    for f in range(features):
                        out[level, rows[corner], f] += weights[corner] * grad[n, column + f]

    @kernel
    def points_pass(points, table, grad, resolutions, stride, out):
        count, levels, entries = points.shape[0], table.shape[0], table.shape[1]
        for block in prange((count + BLOCK - 1) // BLOCK):
            for level in range(levels):
                resolution, column = resolutions[level], level * stride
                for n in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
                    rows, (u, v, w) = _corners(points[n, 0], points[n, 1], points[n, 2], resolution, entries)
                    for corner in range(8):
                        slope = np.float32(0)
                        for f in range(features):
                            slope += table[level, rows[corner], f] * grad[n, column + f]
                        slope *= np.float32(resolution)
                        i, j, k = corner & 1, corner >> 1 & 1, corner >> 2
                        a, b, c = (u if i else ONE - u), (v if j else ONE - v), (w if k else ONE - w)
                        out[n, 0] += slope * b * c * (ONE if i else -ONE)
                        out[n, 1] += slope * a * c * (ONE if j else -ONE)
                        out[n, 2] += slope * a * b * (ONE if k else -ONE)

    return forward_pass, table_pass, points_pass


def _levels(resolutions: tuple[int, ...], features: int, summed: bool) -> tuple[np.ndarray, int]:
    """The resolutions as an array, and how many columns apart the levels lie in the output."""
    return np.array(resolutions, dtype=np.int64), 0 if summed else features


def forward(points: Tensor, table: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """`[N, L*F]`, or `[N,F]` summed, of contiguous float32 points `[N,3]` and table `[L,T,F]`."""
    levels, _, features = table.shape
    out = torch.zeros(len(points), features if summed else levels * features)
    _kernels(features)[0](points.numpy(), table.numpy(), *_levels(resolutions, features, summed), out.numpy())
    return out


def backward_table(points: Tensor, table: Tensor, grad: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """The gradient `[L,T,F]` on the table, from the gradient on the features."""
    out = torch.empty_like(table)
    spacing = _levels(resolutions, table.shape[2], summed)
    _kernels(table.shape[2])[1](points.numpy(), grad.numpy(), *spacing, out.numpy())
    return out


def backward_points(points: Tensor, table: Tensor, grad: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """The gradient `[N,3]` on the points, from the gradient on the features."""
    out = torch.zeros_like(points)
    spacing = _levels(resolutions, table.shape[2], summed)
    _kernels(table.shape[2])[2](points.numpy(), table.numpy(), grad.numpy(), *spacing, out.numpy())
    return out
