"""Colours of surface points, gathered from the pictures that see them."""

from __future__ import annotations

import numpy as np

from dreamforge.cameras import Cameras
from dreamforge.kernels.jit import kernel, prange

SHARPNESS = 4  # power of the cosine of incidence: high enough that the few most frontal views decide
GRAZING = 0.15  # cosine of incidence below which a picture shows too little of a point


def project_colors(
    positions: np.ndarray, normals: np.ndarray, cameras: Cameras, colors: np.ndarray, trust: np.ndarray, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours `[N,3]` and total weights `[N]` of points `[N,3]` with unit normals, over the V pictures.

    colors `[V,H,W,3]`; trust `[V,H,W]` in [0,1]; depth `[V,H,W]` of the nearest surface, which hides what lies behind
    it. A picture counts by trust times a power of the cosine of incidence. The weight of an unseen point is 0.
    """
    c2w, w2c = cameras.c2w.numpy(), cameras.w2c[:, :3].contiguous().numpy()
    footprint = 1 / cameras.focal.numpy()  # of a pixel, at unit distance
    out = np.zeros((len(positions), 3), np.float32)
    weight = np.zeros(len(positions), np.float32)
    eyes = np.ascontiguousarray(c2w[:, :3, 3])
    _project(positions, normals, w2c, eyes, footprint, colors, trust, depth, SHARPNESS, GRAZING, out, weight)
    return out, weight


@kernel
def _project(positions, normals, w2c, eyes, footprint, colors, trust, depth, sharpness, grazing, out, weight):  # noqa: ANN001, ANN202
    views, height, width = trust.shape
    for n in prange(positions.shape[0]):
        x, y, z = positions[n, 0], positions[n, 1], positions[n, 2]
        red, green, blue, total = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for v in range(views):
            ex, ey, ez = eyes[v, 0] - x, eyes[v, 1] - y, eyes[v, 2] - z
            cosine = ex * normals[n, 0] + ey * normals[n, 1] + ez * normals[n, 2]
            if cosine <= 0:
                continue
            cosine /= np.sqrt(ex * ex + ey * ey + ez * ez)
            if cosine < grazing:
                continue
            m = w2c[v]
            far = -(m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
            scale = 1 / (footprint[v] * far)
            px = 0.5 * width + (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * scale
            py = 0.5 * height - (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * scale
            if px < 1 or py < 1 or px >= width - 1 or py >= height - 1:
                continue
            # a pixel's depth is that of its centre: allow for the slope of the surface across it
            if far - depth[v, int(py), int(px)] > 2 * footprint[v] * far / cosine:
                continue
            px, py = px - 0.5, py - 0.5
            left, top = int(px), int(py)
            u, w = px - left, py - top
            worth = np.float32(1)
            for _ in range(sharpness):
                worth *= cosine
            for j in range(2):
                for i in range(2):
                    share = (u if i else 1 - u) * (w if j else 1 - w)
                    share *= worth * trust[v, top + j, left + i]
                    red += share * colors[v, top + j, left + i, 0]
                    green += share * colors[v, top + j, left + i, 1]
                    blue += share * colors[v, top + j, left + i, 2]
                    total += share
        if total > 0:
            out[n, 0], out[n, 1], out[n, 2] = red / total, green / total, blue / total
            weight[n] = total
