"""Mesh rasterization on the CPU: a z-buffer, parallel over bands of rows, each pixel written by one thread only."""

from __future__ import annotations

import numpy as np

from dreamforge.kernels.jit import inline, kernel, prange

BAND = 32  # rows a task draws: enough tasks for many cores, few enough that skipping foreign faces costs little


@inline
def _draw(px, z, faces, listed, top, bottom, width, cull_back, out_face, out_bary, nearest):  # noqa: ANN001, ANN202
    """Draw the listed faces into rows `[top, bottom)` of one view, nearest first kept."""
    for f in listed:
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, bx, by, cx, cy = px[a, 0], px[a, 1], px[b, 0], px[b, 1], px[c, 0], px[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        # y grows downward, so a triangle that is counter-clockwise to the eye has a negative area here
        if area == 0.0 or (cull_back and area > 0.0):
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        y0 = max(top, int(np.ceil(min(ay, by, cy) - 0.5)))
        y1 = min(bottom - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        if x0 > x1 or y0 > y1:
            continue
        scale = 1.0 / area
        ia, ib, ic = 1.0 / z[a], 1.0 / z[b], 1.0 / z[c]
        for iy in range(y0, y1 + 1):
            y = iy + 0.5
            for ix in range(x0, x1 + 1):
                x = ix + 0.5
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * scale
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * scale
                wc = 1.0 - wa - wb
                if wa < 0.0 or wb < 0.0 or wc < 0.0:
                    continue
                wa, wb, wc = wa * ia, wb * ib, wc * ic
                inverse = wa + wb + wc
                if inverse > nearest[iy - top, ix]:
                    nearest[iy - top, ix] = inverse
                    out_face[iy, ix] = f
                    out_bary[iy, ix, 0] = wa / inverse
                    out_bary[iy, ix, 1] = wb / inverse
                    out_bary[iy, ix, 2] = wc / inverse


@kernel
def _rasterize(pixels, depth, faces, height, width, cull_back, face, barycentric, distance):  # noqa: ANN001, ANN202
    views, bands = pixels.shape[0], (height + BAND - 1) // BAND
    for task in prange(views * bands):
        view, top = task // bands, (task % bands) * BAND
        bottom = min(height, top + BAND)
        px, z = pixels[view], depth[view]
        listed = np.empty(faces.shape[0], np.int32)
        count = 0
        for f in range(faces.shape[0]):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            if z[a] <= 0.0 or z[b] <= 0.0 or z[c] <= 0.0:
                continue
            ya, yb, yc = px[a, 1], px[b, 1], px[c, 1]
            if max(ya, yb, yc) >= top and min(ya, yb, yc) <= bottom:
                listed[count] = f
                count += 1
        nearest = np.zeros((bottom - top, width))  # inverse depth: what is linear on the screen, in full precision
        _draw(px, z, faces, listed[:count], top, bottom, width, cull_back, face[view], barycentric[view], nearest)
        for y in range(top, bottom):
            for x in range(width):
                if face[view, y, x] >= 0:
                    distance[view, y, x] = 1.0 / nearest[y - top, x]


def rasterize(
    pixels: np.ndarray, depth: np.ndarray, faces: np.ndarray, height: int, width: int, cull_back: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See `dreamforge.kernels.raster.rasterize`."""
    shape = (len(pixels), height, width)
    face = np.full(shape, -1, np.int32)
    barycentric = np.zeros((*shape, 3), np.float32)
    distance = np.zeros(shape, np.float32)
    _rasterize(pixels, depth, faces, height, width, cull_back, face, barycentric, distance)
    return face, barycentric, distance


@kernel
def _interpolate(attributes, faces, face, barycentric, samples, out):  # noqa: ANN001, ANN202
    views, channels, height, width = out.shape
    share = np.float32(1.0 / samples**2)
    for task in prange(views * height):
        view, row = task // height, task % height
        for y in range(row * samples, (row + 1) * samples):
            for x in range(width * samples):
                f = face[view, y, x]
                if f < 0:
                    continue
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                wa = barycentric[view, y, x, 0] * share
                wb = barycentric[view, y, x, 1] * share
                wc = barycentric[view, y, x, 2] * share
                for k in range(channels):
                    out[view, k, row, x // samples] += wa * attributes[a, k] + wb * attributes[b, k] + wc * attributes[c, k]


def interpolate(
    attributes: np.ndarray, faces: np.ndarray, face: np.ndarray, barycentric: np.ndarray, samples: int
) -> np.ndarray:
    """See `dreamforge.kernels.raster.interpolate`."""
    views, height, width = face.shape
    out = np.zeros((views, attributes.shape[1], height // samples, width // samples), np.float32)
    _interpolate(attributes, faces, face, barycentric, samples, out)
    return out
