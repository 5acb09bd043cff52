"""Texture sampling on the CPU; see `dreamforge.kernels.raster.sample_texture`.

A pyramid is one array `[C,T]`, its levels one after another. Where each pixel reads is found once, for all channels
and for the way back; backward, a task adds up one channel of the texture.
"""
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dreamforge.kernels.jit import inline, kernel, prange
from dreamforge.kernels.raster_numba import edge_values

ZERO, QUARTER, HALF, ONE = np.float32(0.0), np.float32(0.25), np.float32(0.5), np.float32(1.0)
NEXT = np.uint64(1)


@kernel
def _texture_level(corners, pixels, depth, faces, face, high, wide, out):
    views, height, width = face.shape
    for task in prange(views * height):
        view, iy = task // height, task % height
        p = pixels[view]
        for ix in range(width):
            f = face[view, iy, ix]
            out[view, iy, ix] = 0.0
            if f < 0:
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            ea, eb, ec = edge_values(p, a, b, c, ix + 0.5, iy + 0.5)
            ia, ib, ic = 1.0 / depth[view, a], 1.0 / depth[view, b], 1.0 / depth[view, c]
            wa, wb, wc = ea * ia, eb * ib, ec * ic
            scale = 1.0 / (wa + wb + wc)
            u = (wa * corners[f, 0, 0] + wb * corners[f, 1, 0] + wc * corners[f, 2, 0]) * scale
            v = (wa * corners[f, 0, 1] + wb * corners[f, 1, 1] + wc * corners[f, 2, 1]) * scale
            ua, ub, uc = (corners[f, 0, 0] - u) * ia, (corners[f, 1, 0] - u) * ib, (corners[f, 2, 0] - u) * ic
            va, vb, vc = (corners[f, 0, 1] - v) * ia, (corners[f, 1, 1] - v) * ib, (corners[f, 2, 1] - v) * ic
            ax, bx, cx = p[b, 1] - p[c, 1], p[c, 1] - p[a, 1], p[a, 1] - p[b, 1]
            ay, by, cy = p[c, 0] - p[b, 0], p[a, 0] - p[c, 0], p[b, 0] - p[a, 0]
            along_x = ((ua * ax + ub * bx + uc * cx) * wide) ** 2 + ((va * ax + vb * bx + vc * cx) * high) ** 2
            along_y = ((ua * ay + ub * by + uc * cy) * wide) ** 2 + ((va * ay + vb * by + vc * cy) * high) ** 2
            longest = max(along_x, along_y) * scale * scale
            if longest > 1.0:
                out[view, iy, ix] = 0.5 * np.log2(longest)


def texture_level(
    corners: Tensor, pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, size: tuple[int, int]
) -> Tensor:
    """`[B,H,W]` of contiguous inputs."""
    out = torch.empty(face.shape)
    tensors = (corners, pixels.double(), depth.double(), faces, face)
    _texture_level(*(x.numpy() for x in tensors), *size, out.numpy())
    return out


@kernel
def _shrink(table, flat):
    """Fill the levels of the pyramids `[C,T]` after the first, each texel the mean of four."""
    for c in prange(flat.shape[0]):
        for number in range(1, table.shape[0]):
            above, wider = table[number - 1, 0], table[number - 1, 2]
            start, high, wide = table[number]
            for y in range(high):
                for x in range(wide):
                    i = above + 2 * y * wider + 2 * x
                    total = flat[c, i] + flat[c, i + 1] + flat[c, i + wider] + flat[c, i + wider + 1]
                    flat[c, start + y * wide + x] = QUARTER * total


@kernel
def _grow(table, flat):
    """The transpose of `_shrink`, in place: gradients of all levels to the first."""
    for c in prange(flat.shape[0]):
        for number in range(table.shape[0] - 1, 0, -1):
            above, wider = table[number - 1, 0], table[number - 1, 2]
            start, high, wide = table[number]
            for y in range(high):
                for x in range(wide):
                    g = QUARTER * flat[c, start + y * wide + x]
                    i = above + 2 * y * wider + 2 * x
                    flat[c, i] += g
                    flat[c, i + 1] += g
                    flat[c, i + wider] += g
                    flat[c, i + wider + 1] += g


def _table(height: int, width: int, mipmap: bool) -> np.ndarray:
    """`[L,3]`: where each level starts, its height and width."""
    rows = [(0, height, width)]
    while mipmap and height % 2 == width % 2 == 0 and min(height, width) > 2:
        start = rows[-1][0] + height * width
        height, width = height // 2, width // 2
        rows.append((start, height, width))
    return np.array(rows, np.int64)


@inline
def _along(x, count):
    """The first of the two texels about x, and how far beyond it: in [0,1], or -1 or 2 where x is clamped."""
    if x <= ZERO:
        return 0, -ONE
    if x >= np.float32(count - 1):
        return count - 2, ONE + ONE
    left = min(int(x), count - 2)
    return left, x - np.float32(left)


@kernel
def _locate(uv, levels, table, texels, places):
    """For each level that a pixel reads (two, or one where there is but one): the first of its upper and of its lower
    two texels, `[2,L,B,H,W]`, and how far right and down of it the place lies and its weight, `[3,L,B,H,W]`."""
    views, _, height, width = uv.shape
    parts = texels.shape[1]
    for task in prange(views * height):
        view, y = task // height, task % height
        for x in range(width):
            first, mix = 0, ZERO
            if parts > 1:
                level = min(max(levels[view, y, x], ZERO), np.float32(table.shape[0] - 1))
                first = min(int(level), table.shape[0] - 2)
                mix = level - np.float32(first)
            for part in range(parts):
                start, high, wide = table[first + part]
                left, s = _along(uv[view, 0, y, x] * np.float32(wide) - HALF, wide)
                top, t = _along((ONE - uv[view, 1, y, x]) * np.float32(high) - HALF, high)
                texels[0, part, view, y, x] = start + top * wide + left
                texels[1, part, view, y, x] = start + (top + 1) * wide + left
                places[0, part, view, y, x], places[1, part, view, y, x] = s, t
                places[2, part, view, y, x] = mix if part else ONE - mix


@inline
def _clamped(s):
    return min(max(s, ZERO), ONE)


@inline
def _read_row(plane, upper, lower, right, down, weight, out):
    """Add a row's weighted colours to `out`."""
    for x in range(np.uint64(out.shape[0])):  # unsigned: a signed index may be negative, and testing for that is slow
        s, t, i, j = _clamped(right[x]), _clamped(down[x]), np.uint64(upper[x]), np.uint64(lower[x])
        a, b = plane[i], plane[j]
        a += s * (plane[i + NEXT] - a)
        b += s * (plane[j + NEXT] - b)
        out[x] += weight[x] * (a + t * (b - a))


@kernel
def _sample(flat, texels, places, out):
    views, channels, height = out.shape[:3]
    for task in prange(views * height):
        view, y = task // height, task % height
        for c in range(channels):
            out[view, c, y] = ZERO
            for part in range(texels.shape[1]):
                _read_row(
                    flat[c], texels[0, part, view, y], texels[1, part, view, y], places[0, part, view, y],
                    places[1, part, view, y], places[2, part, view, y], out[view, c, y],
                )  # fmt: skip


@inline
def _write(texels, places, grad, out):
    """Add the gradients of one view's pixels `[N]` to the texels they read."""
    for n in range(np.uint64(grad.shape[0])):
        g = grad[n]
        if g == ZERO:
            continue
        for part in range(np.uint64(texels.shape[1])):
            i, j = np.uint64(texels[0, part, n]), np.uint64(texels[1, part, n])
            s, t = _clamped(places[0, part, n]), _clamped(places[1, part, n])
            upper, lower = g * places[2, part, n] * (ONE - t), g * places[2, part, n] * t
            out[i] += upper * (ONE - s)
            out[i + NEXT] += upper * s
            out[j] += lower * (ONE - s)
            out[j + NEXT] += lower * s


@kernel
def _to_texture(texels, places, grad, out):
    """texels, places: those of `_locate` as `[.,L,B,N]`; grad `[B,C,N]`."""
    for c in prange(out.shape[0]):
        for view in range(grad.shape[0]):
            _write(texels[:, :, view], places[:, :, view], grad[view, c], out[c])


@kernel
def _to_uv(flat, texels, places, table, levels, grad, out):
    views, channels, height, width = grad.shape
    for task in prange(views * height):
        view, y = task // height, task % height
        for x in range(width):
            to_u = to_v = ZERO
            for part in range(texels.shape[1]):
                i, j = np.uint64(texels[0, part, view, y, x]), np.uint64(texels[1, part, view, y, x])
                s, t, weight = places[0, part, view, y, x], places[1, part, view, y, x], places[2, part, view, y, x]
                free_x, free_y = (s >= ZERO) & (s <= ONE), (t >= ZERO) & (t <= ONE)
                s, t = _clamped(s), _clamped(t)
                du = dv = ZERO
                for c in range(channels):
                    a, b, d, e = flat[c, i], flat[c, i + NEXT], flat[c, j], flat[c, j + NEXT]
                    du += grad[view, c, y, x] * (b - a + t * (e - d - b + a))
                    dv += grad[view, c, y, x] * (d - a + s * (e - d - b + a))
                number = part
                if texels.shape[1] > 1:
                    number += min(int(max(levels[view, y, x], ZERO)), table.shape[0] - 2)
                to_u += weight * du * np.float32(table[number, 2]) if free_x else ZERO
                to_v -= weight * dv * np.float32(table[number, 1]) if free_y else ZERO
            out[view, 0, y, x], out[view, 1, y, x] = to_u, to_v


def sample(texture: Tensor, uv: Tensor, level: Tensor | None) -> tuple[Tensor, tuple[np.ndarray, ...]]:
    """`[B,C,H,W]` of contiguous inputs, and what `sample_backward` needs."""
    channels, high, wide = texture.shape
    views, _, height, width = uv.shape
    table = _table(high, wide, level is not None)
    flat = texture.reshape(channels, -1).numpy()
    parts = min(2, len(table))
    if parts > 1:
        start, last_high, last_wide = table[-1]
        pyramid = np.empty((channels, start + last_high * last_wide), np.float32)
        pyramid[:, : flat.shape[1]] = flat
        _shrink(table, pyramid)
        flat = pyramid
    texels = np.empty((2, parts, views, height, width), np.uint32)
    places = np.empty((3, parts, views, height, width), np.float32)
    levels = np.empty((0, 0, 0), np.float32) if level is None else level.numpy()
    _locate(uv.numpy(), levels, table, texels, places)
    out = torch.empty(views, channels, height, width)
    _sample(flat, texels, places, out.numpy())
    return out, (flat, texels, places, table, levels)


def sample_backward(
    plan: tuple[np.ndarray, ...], grad: Tensor, of_texture: bool, of_uv: bool
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients asked for, on the texture and on uv."""
    flat, texels, places, table, levels = plan
    to_texture = to_uv = None
    if of_texture:
        out = np.zeros_like(flat)
        pixels = (*texels.shape[:3], -1)
        _to_texture(texels.reshape(pixels), places.reshape(3, *pixels[1:]), grad.flatten(2).numpy(), out)
        _grow(table, out)
        _, high, wide = table[0]
        to_texture = torch.from_numpy(out[:, : high * wide]).reshape(-1, high, wide)
    if of_uv:
        to_uv = torch.empty(len(grad), 2, *grad.shape[2:])
        _to_uv(flat, texels, places, table, levels, grad.numpy(), to_uv.numpy())
    return to_texture, to_uv
