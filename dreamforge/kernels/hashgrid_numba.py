"""The hash grid on the CPU. Points are shared out in fixed blocks and table gradients by level, so that no two threads
write to one place and the result does not depend on how many there are.

A block's table rows and weights are worked out first, in a loop that vectorises, into buffers that stay in the
first-level cache; what follows is left with reading and writing the table. For the compiler to vectorise, arrays are
flat (it guesses that a stride it cannot see is one) and indices unsigned (a signed one may be negative, and testing
for that costs the SIMD); sums of uint32 are taken back to uint32, since Numba makes them uint64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamforge.kernels.hashgrid import PRIME_Y, PRIME_Z
from dreamforge.kernels.jit import inline, kernel, prange

ZERO, ONE = np.float32(0), np.float32(1)  # plain numbers would turn the arithmetic around them to double precision
BLOCK = 128  # points worked on together
B1, B2, B3, B4, B5, B6, B7, B8, B9, B10 = [np.uint64(i * BLOCK) for i in range(1, 11)]
NEXT, THREE = np.uint32(1), np.uint64(3)


@inline
def _locate(points, first, count, resolution, entries, rows, places):
    """Where points `first` to `first + count` lie in a level.

    rows [8*BLOCK]: the table rows of each one's eight corners. places [11*BLOCK]: the corners' trilinear weights, then
    its place within its cell.
    """
    scale, last, side = np.float32(resolution), np.int32(resolution - 1), resolution + 1
    dense = side * side * side <= entries
    step_y, step_z = np.uint32(side if dense else PRIME_Y), np.uint32(side * side if dense else PRIME_Z)
    mask = np.uint32(entries - 1)
    for m in range(np.uint64(count)):
        n = THREE * (np.uint64(first) + m)
        x, y, z = points[n] * scale, points[n + np.uint64(1)] * scale, points[n + np.uint64(2)] * scale
        i = min(max(np.int32(x), np.int32(0)), last)
        j = min(max(np.int32(y), np.int32(0)), last)
        k = min(max(np.int32(z), np.int32(0)), last)
        x0, y0, z0 = np.uint32(i), np.uint32(np.uint32(j) * step_y), np.uint32(np.uint32(k) * step_z)
        x1, y1, z1 = np.uint32(x0 + NEXT), np.uint32(y0 + step_y), np.uint32(z0 + step_z)
        if dense:
            a, b, c, d = np.uint32(y0 + z0), np.uint32(y1 + z0), np.uint32(y0 + z1), np.uint32(y1 + z1)
            rows[m], rows[B1 + m], rows[B2 + m], rows[B3 + m] = x0 + a, x1 + a, x0 + b, x1 + b
            rows[B4 + m], rows[B5 + m], rows[B6 + m], rows[B7 + m] = x0 + c, x1 + c, x0 + d, x1 + d
        else:
            a, b, c, d = (y0 ^ z0) & mask, (y1 ^ z0) & mask, (y0 ^ z1) & mask, (y1 ^ z1) & mask
            x0, x1 = x0 & mask, x1 & mask
            rows[m], rows[B1 + m], rows[B2 + m], rows[B3 + m] = x0 ^ a, x1 ^ a, x0 ^ b, x1 ^ b
            rows[B4 + m], rows[B5 + m], rows[B6 + m], rows[B7 + m] = x0 ^ c, x1 ^ c, x0 ^ d, x1 ^ d
        u, v, w = x - np.float32(i), y - np.float32(j), z - np.float32(k)
        p, q, r, s, t = (ONE - v) * (ONE - w), v * (ONE - w), (ONE - v) * w, v * w, ONE - u
        places[m], places[B1 + m], places[B2 + m], places[B3 + m] = t * p, u * p, t * q, u * q
        places[B4 + m], places[B5 + m], places[B6 + m], places[B7 + m] = t * r, u * r, t * s, u * s
        places[B8 + m], places[B9 + m], places[B10 + m] = u, v, w


@inline
def _at(buffer, m):
    """The eight corners' entries of a point in a buffer of `_locate`."""
    low = buffer[m], buffer[B1 + m], buffer[B2 + m], buffer[B3 + m]
    return (*low, buffer[B4 + m], buffer[B5 + m], buffer[B6 + m], buffer[B7 + m])


@inline
def _buffers():
    return np.empty(8 * BLOCK, np.uint32), np.empty(11 * BLOCK, np.float32)


@functools.cache
def _kernels(features: int) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The three passes for a fixed number of features a level, so that the compiler keeps them in registers.

    Features and their gradients are `[N,W]` flat; those of a level begin at column `level * stride`.
    """
    size = np.uint64(features)

    @inline
    def gather(table, rows, places, count, out, start, width):
        """Add the features of a block's points to its rows of `out`."""
        for m in range(np.uint64(count)):
            row, weight, n = _at(rows, m), _at(places, m), np.uint64(start) + m * np.uint64(width)
            for f in range(size):
                total = ZERO
                for corner in range(8):
                    total += weight[corner] * table[size * np.uint64(row[corner]) + f]
                out[n + f] += total

    @inline
    def scatter(grad, rows, places, count, out, start, width):
        """The transpose of `gather`."""
        for m in range(np.uint64(count)):
            n, total = np.uint64(start) + m * np.uint64(width), ZERO
            for f in range(size):
                total += abs(grad[n + f])
            if total == ZERO:  # samples behind a surface: most of them, once there is one
                continue
            row, weight = _at(rows, m), _at(places, m)
            for f in range(size):
                g = grad[n + f]
                for corner in range(8):
                    out[size * np.uint64(row[corner]) + f] += weight[corner] * g

    @inline
    def slopes(table, grad, rows, count, start, width, out):
        """Each corner's features times the gradient, to out [8*BLOCK]."""
        for m in range(np.uint64(count)):
            row, n = _at(rows, m), np.uint64(start) + m * np.uint64(width)
            for corner in range(np.uint64(8)):
                total = ZERO
                for f in range(size):
                    total += table[size * np.uint64(row[corner]) + f] * grad[n + f]
                out[corner * np.uint64(BLOCK) + m] = total

    @kernel
    def forward_pass(points, table, resolutions, stride, width, out):
        count, entries = points.shape[0] // 3, table.shape[1] // features
        for block in prange((count + BLOCK - 1) // BLOCK):
            rows, places = _buffers()
            first = block * BLOCK
            many = min(count - first, BLOCK)
            for level in range(table.shape[0]):
                _locate(points, first, many, resolutions[level], entries, rows, places)
                gather(table[level], rows, places, many, out, first * width + level * stride, width)

    @kernel
    def table_pass(points, grad, resolutions, stride, width, out):
        count, levels, entries = points.shape[0] // 3, out.shape[0], out.shape[1] // features
        half = (levels + 1) // 2
        for task in prange(levels):
            # Even levels first, then odd: each thread gets coarse (cheap) and fine (dear) levels alike.
            level = 2 * task if task < half else 2 * (task - half) + 1
            rows, places = _buffers()
            out[level] = ZERO
            for first in range(0, count, BLOCK):
                many = min(count - first, BLOCK)
                _locate(points, first, many, resolutions[level], entries, rows, places)
                scatter(grad, rows, places, many, out[level], first * width + level * stride, width)

    @kernel
    def points_pass(points, table, grad, resolutions, stride, width, out):
        count, entries = points.shape[0] // 3, table.shape[1] // features
        for block in prange((count + BLOCK - 1) // BLOCK):
            rows, places = _buffers()
            along = np.empty(8 * BLOCK, np.float32)
            first = block * BLOCK
            many = min(count - first, BLOCK)
            for level in range(table.shape[0]):
                _locate(points, first, many, resolutions[level], entries, rows, places)
                slopes(table[level], grad, rows, many, first * width + level * stride, width, along)
                _add_slopes(along, places, many, np.float32(resolutions[level]), first, out)

    return forward_pass, table_pass, points_pass


@inline
def _add_slopes(along, places, count, resolution, first, out):
    """Add to a block's points [N*3] the trilinear weights' derivatives times what is `along` each corner."""
    for m in range(np.uint64(count)):
        a, b, c, d, e, f, g, h = _at(along, m)
        u, v, w = places[B8 + m], places[B9 + m], places[B10 + m]
        p, q, r, s, t = (ONE - v) * (ONE - w), v * (ONE - w), (ONE - v) * w, v * w, ONE - u
        n = THREE * (np.uint64(first) + m)
        out[n] += resolution * (p * (b - a) + q * (d - c) + r * (f - e) + s * (h - g))
        lower, upper = t * (c - a) + u * (d - b), t * (g - e) + u * (h - f)
        out[n + np.uint64(1)] += resolution * ((ONE - w) * lower + w * upper)
        left, right = t * (e - a) + u * (f - b), t * (g - c) + u * (h - d)
        out[n + np.uint64(2)] += resolution * ((ONE - v) * left + v * right)


def _layout(resolutions: tuple[int, ...], features: int, summed: bool) -> tuple[np.ndarray, int, int]:
    """The resolutions as an array; how many columns apart levels, and points, lie in the output."""
    return np.array(resolutions), *((0, features) if summed else (features, features * len(resolutions)))


def _flat(tensor: Tensor) -> np.ndarray:
    return tensor.view(-1).numpy()


def forward(points: Tensor, table: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """`[N, L*F]`, or `[N,F]` summed, of contiguous float32 points `[N,3]` and table `[L,T,F]`."""
    layout = _layout(resolutions, table.shape[2], summed)
    out = torch.zeros(len(points), layout[-1])
    _kernels(table.shape[2])[0](_flat(points), table.flatten(1).numpy(), *layout, _flat(out))
    return out


def backward_table(points: Tensor, table: Tensor, grad: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """The gradient `[L,T,F]` on the table, from the gradient on the features."""
    out, layout = torch.empty_like(table), _layout(resolutions, table.shape[2], summed)
    _kernels(table.shape[2])[1](_flat(points), _flat(grad), *layout, out.flatten(1).numpy())
    return out


def backward_points(points: Tensor, table: Tensor, grad: Tensor, resolutions: tuple[int, ...], summed: bool) -> Tensor:
    """The gradient `[N,3]` on the points, from the gradient on the features."""
    out, layout = torch.zeros_like(points), _layout(resolutions, table.shape[2], summed)
    _kernels(table.shape[2])[2](_flat(points), table.flatten(1).numpy(), _flat(grad), *layout, _flat(out))
    return out
