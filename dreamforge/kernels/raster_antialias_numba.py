"""Silhouette antialiasing on the CPU; see `dreamforge.kernels.raster.antialias`.

Pairs of neighbours that a silhouette runs between are few: they are found once, row by row, then blended in order, a
task a channel of a view.
"""
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dreamforge.kernels import raster_reference
from dreamforge.kernels.jit import exact, exact_kernel, kernel, prange
from dreamforge.kernels.raster_numba import edge_values, signed_area

MOST_FACES = raster_reference.MOST_FACES


@exact
def _sorted_by(keys, order, count):
    """`order` sorted by the keys in [0, count) it points at; stable."""
    starts = np.zeros(count + 1, np.int64)
    for i in order:
        starts[keys[i] + 1] += 1
    for k in range(count):
        starts[k + 1] += starts[k]
    out = np.empty_like(order)
    for i in order:
        out[starts[keys[i]]] = i
        starts[keys[i]] += 1
    return out


@exact
def _opposite_corners(faces, count):
    """`[F,3]`: beyond the edge opposite corner k of face f, the corner 3 f' + k' of the other face that is not on it;
    -1 where not exactly two faces share the edge."""
    edges = 3 * faces.shape[0]  # each named by the corner it lies opposite, 3 f + k
    low, high = np.empty(edges, np.int32), np.empty(edges, np.int32)
    for e in range(edges):
        a, b = faces[e // 3, (e + 1) % 3], faces[e // 3, (e + 2) % 3]
        low[e], high[e] = min(a, b), max(a, b)
    order = _sorted_by(low, _sorted_by(high, np.arange(edges), count), count)
    across = np.full(faces.shape, -1, np.int32)
    first = 0
    for last in range(1, edges + 1):
        if last < edges and low[order[last]] == low[order[first]] and high[order[last]] == high[order[first]]:
            continue
        if last - first == 2:
            d, e = order[first], order[first + 1]
            across[d // 3, d % 3], across[e // 3, e % 3] = e, d
        first = last
    return across


@exact
def _outline(pixels, depth, faces, across, f, x, y, step, axis):
    """The silhouette edge that is met first on the way from (x, y), inside face f, to the pixel `step` along the axis:
    its face, its number there, and the share of the way; face -1 where there is none."""
    for _ in range(MOST_FACES):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        edges = edge_values(pixels, a, b, c, x, y)
        sign = 1.0 if signed_area(pixels, a, b, c) > 0 else -1.0
        found, share = -1, np.inf
        for k in range(3):
            i, j = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
            slope = step * (pixels[j, 1] - pixels[i, 1] if axis == 0 else pixels[i, 0] - pixels[j, 0]) * sign
            if slope > 0.0 and edges[k] * sign - slope < 0.0 and edges[k] * sign / slope < share:
                found, share = k, edges[k] * sign / slope
        if found < 0:
            return -1, 0, share
        i, j, beyond = faces[f, (found + 1) % 3], faces[f, (found + 2) % 3], across[f, found]
        if beyond >= 0:
            o = faces[beyond // 3, beyond % 3]
            if depth[o] > 0.0 and signed_area(pixels, i, j, o) * sign < 0.0:  # the surface goes on
                f = beyond // 3
                continue
        upright = abs(pixels[j, 1] - pixels[i, 1]) >= abs(pixels[j, 0] - pixels[i, 0])
        return (f if upright == (axis == 0) else -1), found, share
    return -1, 0, np.inf


@exact_kernel
def _find_pairs(pixels, depth, faces, across, face, distance, codes, shares):
    """codes `[B,2,H,W]` of each pixel's pair with its right and its lower neighbour: -1 where no silhouette runs between
    them, else twice the corner that it lies opposite, plus 1 where the nearer face is the neighbour's. shares: of the
    way from the nearer."""
    views, height, width = face.shape
    for task in prange(views * height):
        view, y = task // height, task % height
        for axis in range(2):
            for x in range(width):
                x2, y2 = x + 1 - axis, y + axis
                codes[view, axis, y, x] = -1
                if x2 == width or y2 == height or face[view, y, x] == face[view, y2, x2]:
                    continue
                f, g = face[view, y, x], face[view, y2, x2]
                if f >= 0 and g >= 0 and (across[g, 0] // 3 == f or across[g, 1] // 3 == f or across[g, 2] // 3 == f):
                    continue
                other = g >= 0 and (f < 0 or distance[view, y2, x2] < distance[view, y, x])
                if other:
                    f, x0, y0, step = g, x2 + 0.5, y2 + 0.5, -1.0
                else:
                    x0, y0, step = x + 0.5, y + 0.5, 1.0
                f, edge, share = _outline(pixels[view], depth[view], faces, across, f, x0, y0, step, axis)
                if f >= 0:
                    codes[view, axis, y, x] = 2 * (3 * f + edge) + other
                    shares[view, axis, y, x] = share


def find_pairs(
    pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, distance: Tensor
) -> tuple[Tensor, Tensor]:
    """Pairs that a silhouette runs between: `[P,5]` int32 (view, nearer pixel, other pixel, axis, corner opposite the
    edge), in order of view, and shares `[P]` of the way."""
    views, height, width = face.shape
    f = faces.numpy()
    across = _opposite_corners(f, pixels.shape[1])
    codes, shares = np.empty((views, 2, height, width), np.int32), np.empty((views, 2, height, width))
    surface = (pixels.numpy(), depth.contiguous().numpy(), f, across)
    _find_pairs(*surface, face.numpy(), distance.contiguous().numpy(), codes, shares)
    found = np.flatnonzero(codes.reshape(-1) >= 0)
    view, axis, here = found // (2 * height * width), found // (height * width) % 2, found % (height * width)
    there = here + np.where(axis == 0, 1, width)
    code = codes.reshape(-1)[found]
    near, far = np.where(code & 1, there, here), np.where(code & 1, here, there)
    pairs = np.stack([view, near, far, axis, code >> 1], axis=-1)
    return torch.from_numpy(pairs.astype(np.int32)), torch.from_numpy(shares.reshape(-1)[found])


@kernel
def _blend(image, pairs, shares, firsts, out):
    views, channels = image.shape[:2]
    for task in prange(views * channels):
        view, k = task // channels, task % channels
        colors, o = image[view, k], out[view, k]
        for i in range(firsts[view], firsts[view + 1]):
            near, far, share = pairs[i, 1], pairs[i, 2], shares[i]
            change = (share - 0.5) * (colors[near] - colors[far])
            o[far if share > 0.5 else near] += change


def blend(image: Tensor, pairs: Tensor, shares: Tensor) -> Tensor:
    """`image` `[B,C,H,W]` with its pairs blended."""
    out = image.clone()
    _blend(image.flatten(2).numpy(), pairs.numpy(), shares.numpy(), _firsts(pairs, len(image)), out.flatten(2).numpy())
    return out


def _firsts(pairs: Tensor, views: int) -> np.ndarray:
    return np.searchsorted(pairs[:, 0].numpy(), np.arange(views + 1))


@kernel
def _to_image(grad, pairs, shares, firsts, out):
    views, channels = grad.shape[:2]
    for task in prange(views * channels):
        view, k = task // channels, task % channels
        g, o = grad[view, k], out[view, k]
        for i in range(firsts[view], firsts[view + 1]):
            near, far, share = pairs[i, 1], pairs[i, 2], shares[i]
            change = (share - 0.5) * g[far if share > 0.5 else near]
            o[near] += change
            o[far] -= change


@kernel
def _to_pixels(image, grad, pixels, faces, pairs, shares, firsts, width, out):
    views, channels = grad.shape[:2]
    for view in prange(views):
        p = pixels[view]
        for i in range(firsts[view], firsts[view + 1]):
            near, far, axis, share = pairs[i, 1], pairs[i, 2], pairs[i, 3], shares[i]
            target = far if share > 0.5 else near
            slope = 0.0
            for k in range(channels):
                slope += grad[view, k, target] * (image[view, k, near] - image[view, k, far])
            f, edge = pairs[i, 4] // 3, pairs[i, 4] % 3
            a, b = faces[f, (edge + 1) % 3], faces[f, (edge + 2) % 3]
            x, y = near % width + 0.5, near // width + 0.5
            step = 1.0 if far > near else -1.0
            across = step * share  # how far from the centre the edge passes, along the axis
            if axis == 0:
                slope /= step * (p[b, 1] - p[a, 1])
                out[view, a, 0] += slope * (p[b, 1] - y)
                out[view, a, 1] -= slope * (p[b, 0] - x - across)
                out[view, b, 0] -= slope * (p[a, 1] - y)
                out[view, b, 1] += slope * (p[a, 0] - x - across)
            else:
                slope /= step * (p[a, 0] - p[b, 0])
                out[view, a, 0] += slope * (p[b, 1] - y - across)
                out[view, a, 1] -= slope * (p[b, 0] - x)
                out[view, b, 0] -= slope * (p[a, 1] - y - across)
                out[view, b, 1] += slope * (p[a, 0] - x)


def blend_backward(
    image: Tensor, pixels: Tensor, faces: Tensor, pairs: Tensor, shares: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients on the image and on pixels `[B,V,2]`."""
    views, _, _, width = image.shape
    to_image, to_pixels = grad.clone(), np.zeros(pixels.shape)
    flat, seen, table = grad.flatten(2).numpy(), image.flatten(2).numpy(), (pairs.numpy(), shares.numpy())
    firsts = _firsts(pairs, views)
    _to_image(flat, *table, firsts, to_image.flatten(2).numpy())
    _to_pixels(seen, flat, pixels.numpy(), faces.numpy(), *table, firsts, width, to_pixels)
    return to_image, torch.from_numpy(to_pixels).float()
