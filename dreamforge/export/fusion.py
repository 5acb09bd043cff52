"""The volume that many views agree on, as a signed distance: outlines carve, depths carve what outlines cannot.

Numba only: in array operations the temporaries of millions of samples times dozens of views cost ten times as much.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from dreamforge.cameras import Cameras
from dreamforge.contracts import Views
from dreamforge.kernels.jit import kernel, prange

BAND = 4.0  # cells on either side of the surface in which distances are kept
SMOOTH = 0.7  # cells: the width of the Gaussian over the fused distances
GRAZING = 0.2  # cosine of incidence below which a view's depth tells nothing


def fuse(views: Views, cameras: Cameras, resolution: int) -> np.ndarray:
    """Signed distances `[R,R,R]` over [-1,1]³ (positive outside, cut at a few cells) to the surface that views show.

    The distance to the visual hull is the greatest of those to the cones of the outlines, to a fraction of a pixel.
    Hollows are beyond it: there each view that sees the surface near a point, or sees past it, gives its distance
    along the ray times the cosine of incidence; points farther than the band behind a surface are hidden from that
    view. The mean of the middle half of these counts, since the mean depth of splats is noisy where colours are
    flat; it is also too deep by about a Gaussian's thickness, which the outlines give away and which is taken off.
    The greater of both distances is the answer.
    """
    alpha, depth = views.alpha[:, 0].numpy(), views.depth[:, 0].numpy()
    outlines = np.stack([_outline_distance(a) for a in alpha])
    focal = cameras.focal.numpy()[:, None, None]
    seen = np.where(alpha > 0.5, depth, np.nan)
    slope = np.hypot(*np.gradient(seen, axis=(1, 2))) * focal / seen
    facing = np.nan_to_num(1 / np.sqrt(1 + slope**2), nan=0.0).astype(np.float32)  # 0 along outlines: not used
    cell = 2 / (resolution - 1)
    hull, fused = _distances(
        cameras.w2c[:, :3].contiguous().numpy(), cameras.focal.numpy(), outlines, depth, facing, resolution,
        BAND * cell, GRAZING,
    )  # fmt: skip
    # the surface touches its hull nearly everywhere on convex parts: what depth says there is its bias
    at_hull = (np.abs(hull) < 0.5 * cell) & (np.abs(fused) < 0.5 * BAND * cell)
    bias = np.median(fused[at_hull] - hull[at_hull]) if at_hull.any() else 0.0
    return np.maximum(hull, gaussian_filter(fused - bias, SMOOTH))


def _outline_distance(alpha: np.ndarray) -> np.ndarray:
    """Signed distance in pixels to where alpha `[H,W]` crosses one half, positive outside."""
    inside = alpha > 0.5
    if not inside.any():
        return np.full(alpha.shape, float(sum(alpha.shape)), np.float32)
    distance = np.where(inside, 0.5 - distance_transform_edt(inside), distance_transform_edt(~inside) - 0.5)
    # next to the outline, alpha itself says where between the pixel centres it runs
    slope = np.hypot(*np.gradient(alpha))
    fine = np.clip((0.5 - alpha) / np.maximum(slope, 1e-3), -1.0, 1.0)
    return np.where(np.abs(distance) < 1.0, fine, distance).astype(np.float32)


@kernel
def _distances(w2c, focal, outlines, depth, facing, resolution, band, grazing):  # noqa: ANN001, ANN202
    views, height, width = outlines.shape
    cell = 2.0 / (resolution - 1)
    hull = np.full((resolution, resolution, resolution), band, np.float32)
    fused = np.full((resolution, resolution, resolution), band, np.float32)
    for row in prange(resolution * resolution):
        ix, iy = row // resolution, row % resolution
        x, y = ix * cell - 1.0, iy * cell - 1.0
        offsets = np.empty(views, np.float32)
        for iz in range(resolution):
            z = iz * cell - 1.0
            worst = -band
            for v in range(views):
                m = w2c[v]
                far = -(m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
                scale = focal[v] / far
                px = 0.5 * width - 0.5 + (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * scale
                py = 0.5 * height - 0.5 - (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * scale
                px, py = min(max(px, 0.0), width - 1.001), min(max(py, 0.0), height - 1.001)
                left, top = int(px), int(py)
                u, w = px - left, py - top
                upper = outlines[v, top, left] * (1 - u) + outlines[v, top, left + 1] * u
                lower = outlines[v, top + 1, left] * (1 - u) + outlines[v, top + 1, left + 1] * u
                worst = max(worst, (upper * (1 - w) + lower * w) / scale)
                if worst >= band:
                    break
            if worst >= band:
                continue
            count = 0
            for v in range(views):
                m = w2c[v]
                far = -(m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
                scale = focal[v] / far
                column = int(0.5 * width + (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * scale)
                line = int(0.5 * height - (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * scale)
                if column < 0 or line < 0 or column >= width or line >= height:
                    continue
                cosine = facing[v, line, column]
                offset = min(band, (depth[v, line, column] - far) * cosine)
                if cosine < grazing or offset <= -band:
                    continue
                place = count  # kept in ascending order
                while place > 0 and offsets[place - 1] > offset:
                    offsets[place] = offsets[place - 1]
                    place -= 1
                offsets[place] = offset
                count += 1
            hull[ix, iy, iz] = worst
            fused[ix, iy, iz] = worst
            if count > 2:
                skipped = count // 4
                fused[ix, iy, iz] = offsets[skipped : count - skipped].mean()
    return hull, fused
