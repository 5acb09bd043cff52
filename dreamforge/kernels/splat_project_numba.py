"""The Numba projection of `splat`, forward and backward: Gaussians to ellipses on the picture and back.

Columns of `projected` [V*N,8], one row per view and Gaussian: pixel x and y; conic A, B, C (the inverse covariance
[[A, B], [B, C]] in pixels); log of the scaled opacity; depth; half height in pixels of the box that holds every
pixel where alpha reaches the cut.
"""

from __future__ import annotations

import math

import numpy as np

from dreamforge.kernels import splat
from dreamforge.kernels.jit import inline, kernel, prange

NEAR, DILATION = np.float32(splat.NEAR), np.float32(splat.DILATION)
FRUSTUM_MARGIN = np.float32(splat.FRUSTUM_MARGIN)
CUT, LOG_CUT = np.float32(splat.ALPHA_CUT), np.float32(math.log(splat.ALPHA_CUT))
ZERO, HALF, ONE, TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)

TILE = 8  # pixels; a row of a tile is one AVX vector
CHUNK = 256  # rows a thread takes at a time


@inline
def rotation_matrix(q, r):
    """Fill r [9] with the rotation of the unit quaternion q [4] (wxyz)."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    r[0] = ONE - TWO * (y * y + z * z)
    r[1] = TWO * (x * y - w * z)
    r[2] = TWO * (x * z + w * y)
    r[3] = TWO * (x * y + w * z)
    r[4] = ONE - TWO * (x * x + z * z)
    r[5] = TWO * (y * z - w * x)
    r[6] = TWO * (x * z - w * y)
    r[7] = TWO * (y * z + w * x)
    r[8] = ONE - TWO * (x * x + y * y)


@inline
def normalised(rotations, n, q):
    """Fill q [4] with the unit quaternion of Gaussian n; returns one over the norm."""
    norm = math.sqrt(rotations[n, 0] ** 2 + rotations[n, 1] ** 2 + rotations[n, 2] ** 2 + rotations[n, 3] ** 2)
    inverse = ONE / max(norm, np.float32(1e-12))
    for k in range(4):
        q[k] = rotations[n, k] * inverse
    return inverse


@inline
def footprint(view, focal, limit_x, limit_y, means, n, m, p, a):
    """The affine map of a Gaussian to the picture.

    view [3,4]: world to camera (x right, y down, z forward). m [9]: rotation times scales. Fills p [6], the Jacobian
    of the projection times the view rotation, and a [6] = p m. Returns x/z, y/z and z.
    """
    x = view[0, 0] * means[n, 0] + view[0, 1] * means[n, 1] + view[0, 2] * means[n, 2] + view[0, 3]
    y = view[1, 0] * means[n, 0] + view[1, 1] * means[n, 1] + view[1, 2] * means[n, 2] + view[1, 3]
    z = view[2, 0] * means[n, 0] + view[2, 1] * means[n, 1] + view[2, 2] * means[n, 2] + view[2, 3]
    u, v = x / z, y / z
    near_u = min(max(u, -limit_x), limit_x)
    near_v = min(max(v, -limit_y), limit_y)
    scale = focal / z
    for k in range(3):
        p[k] = scale * (view[0, k] - near_u * view[2, k])
        p[3 + k] = scale * (view[1, k] - near_v * view[2, k])
    for k in range(3):
        a[k] = p[0] * m[k] + p[1] * m[3 + k] + p[2] * m[6 + k]
        a[3 + k] = p[3] * m[k] + p[4] * m[3 + k] + p[5] * m[6 + k]
    return u, v, z


@inline
def squared_area(a):
    """det(A A^T) of A = a [6] as a squared cross product: no cancellation, however thin the Gaussian."""
    x, y, z = a[1] * a[5] - a[2] * a[4], a[2] * a[3] - a[0] * a[5], a[0] * a[4] - a[1] * a[3]
    return x * x + y * y + z * z


@inline
def project_range(first, last, means, scales, rotations, opacities, views, focals, height, width, projected, boxes):
    """Project rows `first` to `last`: see `project`."""
    q, r, m = np.empty(4, np.float32), np.empty(9, np.float32), np.empty(9, np.float32)
    p, a = np.empty(6, np.float32), np.empty(6, np.float32)
    count = means.shape[0]
    half_width, half_height = HALF * np.float32(width), HALF * np.float32(height)
    tiles_x, tiles_y = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    for row in range(first, last):
        v, n = row // count, row % count
        boxes[row, 0] = boxes[row, 1] = boxes[row, 2] = boxes[row, 3] = 0
        focal = focals[v]
        depth = (
            views[v, 2, 0] * means[n, 0] + views[v, 2, 1] * means[n, 1] + views[v, 2, 2] * means[n, 2] + views[v, 2, 3]
        )
        if depth <= NEAR or opacities[n] <= CUT:
            continue
        normalised(rotations, n, q)
        rotation_matrix(q, r)
        for k in range(9):
            m[k] = r[k] * scales[n, k % 3]
        limit_x, limit_y = FRUSTUM_MARGIN * half_width / focal, FRUSTUM_MARGIN * half_height / focal
        u, w, z = footprint(views[v], focal, limit_x, limit_y, means, n, m, p, a)
        xx = a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
        xy = a[0] * a[3] + a[1] * a[4] + a[2] * a[5]
        yy = a[3] * a[3] + a[4] * a[4] + a[5] * a[5]
        area = squared_area(a)
        inverse = ONE / (area + DILATION * (xx + yy) + DILATION * DILATION)
        reach = math.log(max(opacities[n] * math.sqrt(area * inverse), CUT)) - LOG_CUT
        if reach <= 0:
            continue
        x, y = half_width + focal * u, half_height + focal * w
        xx, yy = xx + DILATION, yy + DILATION
        reach_x, reach_y = math.sqrt(2 * reach * xx), math.sqrt(2 * reach * yy)
        if x + reach_x <= 0 or y + reach_y <= 0 or x - reach_x >= width or y - reach_y >= height:
            continue
        projected[row, 0] = x
        projected[row, 1] = y
        projected[row, 2] = yy * inverse
        projected[row, 3] = -xy * inverse
        projected[row, 4] = xx * inverse
        projected[row, 5] = reach + LOG_CUT
        projected[row, 6] = z
        projected[row, 7] = reach_y
        boxes[row, 0] = int(max(x - reach_x, ZERO)) // TILE
        boxes[row, 1] = min(int(min(x + reach_x, np.float32(width))) // TILE + 1, tiles_x)
        boxes[row, 2] = int(max(y - reach_y, ZERO)) // TILE
        boxes[row, 3] = min(int(min(y + reach_y, np.float32(height))) // TILE + 1, tiles_y)


@kernel
def project(means, scales, rotations, opacities, views, focals, height, width, projected, boxes):
    """Fill `projected` and `boxes` [V*N,4] (tiles x0, x1, y0, y1; empty where a Gaussian is not seen)."""
    rows = projected.shape[0]
    for chunk in prange((rows + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        project_range(
            first, min(first + CHUNK, rows),
            means, scales, rotations, opacities, views, focals, height, width, projected, boxes,
        )  # fmt: skip


@inline
def rotation_backward(q, inverse, d_r, d_rotation):
    """Fill d_rotation [4], the gradient of the raw quaternion, from d_r [9], that of its rotation matrix."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    d_w = TWO * (x * (d_r[7] - d_r[5]) + y * (d_r[2] - d_r[6]) + z * (d_r[3] - d_r[1]))
    d_x = TWO * (y * (d_r[1] + d_r[3]) + z * (d_r[2] + d_r[6]) + w * (d_r[7] - d_r[5]) - TWO * x * (d_r[4] + d_r[8]))
    d_y = TWO * (x * (d_r[1] + d_r[3]) + z * (d_r[5] + d_r[7]) + w * (d_r[2] - d_r[6]) - TWO * y * (d_r[0] + d_r[8]))
    d_z = TWO * (x * (d_r[2] + d_r[6]) + y * (d_r[5] + d_r[7]) + w * (d_r[3] - d_r[1]) - TWO * z * (d_r[0] + d_r[4]))
    along = d_w * w + d_x * x + d_y * y + d_z * z
    d_rotation[0] = inverse * (d_w - along * w)
    d_rotation[1] = inverse * (d_x - along * x)
    d_rotation[2] = inverse * (d_y - along * y)
    d_rotation[3] = inverse * (d_z - along * z)


@inline
def row_backward(g, conic, view, focal, limit_x, limit_y, means, n, m, p, a, d_a, d_m, d_mean):
    """Add to d_m [9] and d_mean [3] what one view gives, from g [10], the sums of its slot gradients.

    Returns the length of the gradient of the pixel position.
    """
    u, v, z = footprint(view, focal, limit_x, limit_y, means, n, m, p, a)
    ca, cb, cc = conic[2], conic[3], conic[4]
    g_x, g_y = ca * g[1] + cb * g[2], cb * g[1] + cc * g[2]
    # d covariance = -conic (d conic) conic
    d_ca, d_cb, d_cc = -HALF * g[3], -g[4], -HALF * g[5]
    d_xx = -(ca * ca * d_ca + ca * cb * d_cb + cb * cb * d_cc)
    d_xy = -(TWO * ca * cb * d_ca + (ca * cc + cb * cb) * d_cb + TWO * cb * cc * d_cc)
    d_yy = -(cb * cb * d_ca + cb * cc * d_cb + cc * cc * d_cc)
    # Opacity was scaled by sqrt(area / dilated); its gradient is written without differences of like terms. The cut on
    # opacity keeps the area from vanishing.
    xx = a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
    xy = a[0] * a[3] + a[1] * a[4] + a[2] * a[5]
    yy = a[3] * a[3] + a[4] * a[4] + a[5] * a[5]
    area = squared_area(a)
    common = HALF * DILATION * g[0] / (area * (area + DILATION * (xx + yy) + DILATION * DILATION))
    d_xx += common * (yy * (yy + DILATION) + xy * xy)
    d_xy -= TWO * common * xy * (xx + yy + DILATION)
    d_yy += common * (xx * (xx + DILATION) + xy * xy)
    for k in range(3):
        d_a[k] = TWO * d_xx * a[k] + d_xy * a[3 + k]
        d_a[3 + k] = TWO * d_yy * a[3 + k] + d_xy * a[k]
    d_u, d_v, d_log_scale = ZERO, ZERO, ZERO
    scale = focal / z
    for j in range(3):
        d_p0 = d_p1 = ZERO
        for k in range(3):
            d_p0 += d_a[k] * m[3 * j + k]
            d_p1 += d_a[3 + k] * m[3 * j + k]
            d_m[3 * j + k] += p[j] * d_a[k] + p[3 + j] * d_a[3 + k]
        d_u -= scale * d_p0 * view[2, j]
        d_v -= scale * d_p1 * view[2, j]
        d_log_scale += d_p0 * p[j] + d_p1 * p[3 + j]
    d_u = focal * g_x + (d_u if abs(u) < limit_x else ZERO)
    d_v = focal * g_y + (d_v if abs(v) < limit_y else ZERO)
    d_x, d_y, d_z = d_u / z, d_v / z, g[9] - (d_u * u + d_v * v + d_log_scale) / z
    for k in range(3):
        d_mean[k] += view[0, k] * d_x + view[1, k] * d_y + view[2, k] * d_z
    return math.sqrt(g_x * g_x + g_y * g_y)


@inline
def project_backward_range(
    first, last, means, scales, rotations, opacities, views, focals, height, width,
    projected, offsets, slots, d_means, d_scales, d_rotations, d_opacities, d_colors, statistics,
):  # fmt: skip
    """Gaussians `first` to `last` of `project_backward`."""
    count = means.shape[0]
    q, r, m = np.empty(4, np.float32), np.empty(9, np.float32), np.empty(9, np.float32)
    p, a, d_a, d_m = np.empty(6, np.float32), np.empty(6, np.float32), np.empty(6, np.float32), np.empty(9, np.float32)
    g = np.empty(10, np.float32)
    half_width, half_height = HALF * np.float32(width), HALF * np.float32(height)
    for n in range(first, last):
        inverse = normalised(rotations, n, q)
        rotation_matrix(q, r)
        for k in range(9):
            m[k] = r[k] * scales[n, k % 3]
        d_m[:] = ZERO
        for v in range(views.shape[0]):
            row = v * count + n
            if offsets[row + 1] == offsets[row]:
                continue
            g[:] = ZERO
            for slot in range(offsets[row], offsets[row + 1]):
                for k in range(10):
                    g[k] += slots[slot, k]
            limit_x, limit_y = FRUSTUM_MARGIN * half_width / focals[v], FRUSTUM_MARGIN * half_height / focals[v]
            statistics[n, 0] += row_backward(
                g, projected[row], views[v], focals[v], limit_x, limit_y, means, n, m, p, a, d_a, d_m, d_means[n]
            )
            statistics[n, 1] += ONE
            # the box is sqrt(C / A) times as wide as high
            wide = math.sqrt(max(projected[row, 4] / projected[row, 2], ONE))
            statistics[n, 2] = max(statistics[n, 2], wide * projected[row, 7])
            d_opacities[n] += g[0] / opacities[n]
            color = row % d_colors.shape[0]  # colours are one per Gaussian, or one per row
            for k in range(3):
                d_colors[color, k] += g[6 + k]
        for k in range(3):
            d_scales[n, k] = d_m[k] * r[k] + d_m[3 + k] * r[3 + k] + d_m[6 + k] * r[6 + k]
        for k in range(9):
            d_m[k] *= scales[n, k % 3]
        rotation_backward(q, inverse, d_m, d_rotations[n])


@kernel
def project_backward(
    means, scales, rotations, opacities, views, focals, height, width,
    projected, offsets, slots, d_means, d_scales, d_rotations, d_opacities, d_colors, statistics,
):  # fmt: skip
    """Add up each Gaussian's slots and carry them back to its parameters (gradients zeroed by the caller).

    statistics [N,3]: sum over views of the pixel position's gradient length, number of views it is seen in, and
    largest half extent in pixels; see `splat.SplatStatistics`.
    """
    count = means.shape[0]
    for chunk in prange((count + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        project_backward_range(
            first, min(first + CHUNK, count), means, scales, rotations, opacities, views, focals, height, width,
            projected, offsets, slots, d_means, d_scales, d_rotations, d_opacities, d_colors, statistics,
        )  # fmt: skip
