"""The toy world's ray caster.

Every primitive is met only inside its own box on the screen, against the nearest hit so far. A ray meets a convex
distance field by Newton's iteration, which climbs to the first root from outside and proves a miss when the field
stops falling.
"""

from __future__ import annotations

import math

import numpy as np

from dreamforge.kernels.jit import inline, kernel, prange
from dreamforge.toyworld.light_kernels import TEXTURED, albedo, encode, shade
from dreamforge.toyworld.shape_kernels import (
    BALL, BOUND, CENTER, EXTENT, FINISH, KIND, PARAMS, PATTERN, PLAIN, RING, field, local, world_gradient,
)  # fmt: skip

_TOLERANCE = 2e-4  # of the local distance, where a ray counts as on the surface
_ITERATIONS = 24


@inline
def _climb(row, ox, oy, oz, dx, dy, dz, t, end):
    """Parameter of the first hit of the local ray o + t d between `t` and `end`, else `end`."""
    speed = math.sqrt(dx * dx + dy * dy + dz * dz)
    for _ in range(_ITERATIONS):
        if t >= end:
            return end
        f, nx, ny, nz = field(row, ox + t * dx, oy + t * dy, oz + t * dz)
        if f < _TOLERANCE:
            return t
        # Newton needs a convex field; around the hole of a ring only the distance itself is safe.
        fall = speed if row[KIND] == RING else -(nx * dx + ny * dy + nz * dz)
        if fall <= 0.0:
            return end
        t += f / fall
    return end


@inline
def _screen_box(row, ox, oy, oz, ax, ay, az, bx, by, bz, cx, cy, cz, width, height):
    """Sample columns x0:x1 and rows y0:y1 that the local bounding box of a primitive covers.

    A local point p is seen at (u, v) where p - o = t (a u + b v + c): Cramer's rule with cross products.
    """
    ux, uy, uz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    vx, vy, vz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    wx, wy, wz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    x0, x1, y0, y1 = 1e9, -1e9, 1e9, -1e9
    for corner in range(8):
        x = (row[EXTENT] if corner & 1 else -row[EXTENT]) - ox
        y = (row[EXTENT + 1] if corner & 2 else -row[EXTENT + 1]) - oy
        z = (row[EXTENT + 2] if corner & 4 else -row[EXTENT + 2]) - oz
        t = wx * x + wy * y + wz * z
        u, v = (ux * x + uy * y + uz * z) / t, (vx * x + vy * y + vz * z) / t
        x0, x1, y0, y1 = min(x0, u), max(x1, u), min(y0, v), max(y1, v)
    half_width, half_height = 0.5 * width, 0.5 * height
    return (
        int(min(max(x0 + half_width, 0.0), width)),
        int(min(max(x1 + half_width + 1.0, 0.0), width)),
        int(min(max(y0 + half_height, 0.0), height)),
        int(min(max(y1 + half_height + 1.0, 0.0), height)),
    )


@inline
def _draw(n, row, eye, frame, depth, nearest):
    """Draw primitive `n` into a depth buffer and a buffer of primitive numbers, one ray a sample.

    Rays are o + t (a u + b v + c) in the local frame. Those that meet the bounding ball are those where a quadratic
    in u, the position along a row, is positive; so each row is one span, and a plain ball needs no more than that.
    """
    height, width = depth.shape
    ox, oy, oz = local(row, eye[0], eye[1], eye[2], 1.0)
    ax, ay, az = local(row, frame[0, 0], frame[1, 0], frame[2, 0], 0.0)
    bx, by, bz = local(row, frame[0, 1], frame[1, 1], frame[2, 1], 0.0)
    cx, cy, cz = local(row, frame[0, 2], frame[1, 2], frame[2, 2], 0.0)
    outside = ox * ox + oy * oy + oz * oz - row[BOUND] * row[BOUND]
    aa, oa = ax * ax + ay * ay + az * az, ox * ax + oy * ay + oz * az
    q2 = oa * oa - aa * outside
    if q2 >= 0.0:
        return  # the camera is inside the ball
    x0, x1, y0, y1 = _screen_box(row, ox, oy, oz, ax, ay, az, bx, by, bz, cx, cy, cz, width, height)
    plain = row[KIND] == BALL and row[PARAMS] < -1.0
    for py in range(y0, y1):
        v = py + 0.5 - 0.5 * height
        ex, ey, ez = bx * v + cx, by * v + cy, bz * v + cz
        ee, ae, oe = ex * ex + ey * ey + ez * ez, ax * ex + ay * ey + az * ez, ox * ex + oy * ey + oz * ez
        q1, q0 = oa * oe - ae * outside, oe * oe - ee * outside
        disc = q1 * q1 - q2 * q0
        if disc <= 0.0:
            continue
        reach = math.sqrt(disc) / -q2
        middle = q1 / -q2 + 0.5 * width - 0.5
        for px in range(max(x0, math.ceil(middle - reach)), min(x1, math.floor(middle + reach) + 1)):
            u = px + 0.5 - 0.5 * width
            half = math.sqrt(max((q2 * u + 2.0 * q1) * u + q0, 0.0))
            scale = 1.0 / ((aa * u + 2.0 * ae) * u + ee)
            t, end = (-(oa * u + oe) - half) * scale, depth[py, px]
            if t >= end:
                continue
            if not plain:
                end = min(end, t + 2.0 * half * scale)
                t = _climb(row, ox, oy, oz, ax * u + ex, ay * u + ey, az * u + ez, t, end)
                if t >= end:
                    continue
            depth[py, px] = t
            nearest[py, px] = n


@inline
def _look(row, grid, light, eye, frame, u, v, t):
    """sRGB colour of a primitive where the ray through (u, v) meets it at t."""
    x = eye[0] + t * (frame[0, 0] * u + frame[0, 1] * v + frame[0, 2])
    y = eye[1] + t * (frame[1, 0] * u + frame[1, 1] * v + frame[1, 2])
    z = eye[2] + t * (frame[2, 0] * u + frame[2, 1] * v + frame[2, 2])
    qx, qy, qz = local(row, x, y, z, 1.0)
    _, gx, gy, gz = field(row, qx, qy, qz)
    nx, ny, nz = world_gradient(row, gx, gy, gz)
    size = math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx / size, ny / size, nz / size
    red, green, blue, finish = albedo(row, qx, qy, qz, x, y, z, nx, ny, nz)
    return shade(grid, light, finish, red, green, blue, x, y, z, nx, ny, nz)


@inline
def _resolve(out, depth, nearest, samples, table, grid, light, eye, frame):
    """Shade the samples and average them into the picture out `[4,H,W]`.

    A pixel that lies within one plain primitive is shaded once, at the mean of its samples: the light is smooth.
    """
    share = 1.0 / (samples * samples)
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            y0, x0 = row * samples, column * samples
            n = nearest[y0, x0]
            within, mean = n >= 0 and table[n, PATTERN] == PLAIN and table[n, FINISH] < TEXTURED, 0.0
            for py in range(y0, y0 + samples):
                for px in range(x0, x0 + samples):
                    within = within and nearest[py, px] == n
                    mean += depth[py, px] * share
            if within:
                v, u = y0 + 0.5 * (samples - depth.shape[0]), x0 + 0.5 * (samples - depth.shape[1])
                red, green, blue = _look(table[n], grid, light, eye, frame, u, v, mean)
                out[0, row, column], out[1, row, column], out[2, row, column] = red, green, blue
                out[3, row, column] = 1.0
                continue
            for py in range(y0, y0 + samples):
                for px in range(x0, x0 + samples):
                    n = nearest[py, px]
                    if n < 0:
                        continue
                    v, u = py + 0.5 * (1 - depth.shape[0]), px + 0.5 * (1 - depth.shape[1])
                    red, green, blue = _look(table[n], grid, light, eye, frame, u, v, depth[py, px])
                    out[0, row, column] += red * share
                    out[1, row, column] += green * share
                    out[2, row, column] += blue * share
                    out[3, row, column] += share


@inline
def _front_to_back(table, eye):
    """Primitive numbers sorted by distance from the eye (insertion: there are a few dozen)."""
    order, keys = np.empty(len(table), np.int32), np.empty(len(table))
    for n in range(len(table)):
        x, y, z = table[n, CENTER] - eye[0], table[n, CENTER + 1] - eye[1], table[n, CENTER + 2] - eye[2]
        key, at = x * x + y * y + z * z, n
        while at > 0 and keys[at - 1] > key:
            keys[at], order[at] = keys[at - 1], order[at - 1]
            at -= 1
        keys[at], order[at] = key, n
    return order


@inline
def _picture(table, grid, light, eye, frame, samples, out):
    """One instance to one camera; see `render_images`."""
    size = out.shape[1] * samples, out.shape[2] * samples
    depth, nearest = np.full(size, 1e9), np.full(size, -1, np.int32)
    for n in _front_to_back(table, eye):  # so that most of what is hidden is turned away by the depth buffer
        _draw(n, table[n], eye, frame, depth, nearest)
    _resolve(out, depth, nearest, samples, table, grid, light, eye, frame)


@kernel
def render_images(which, view, starts, table, grids, lights, origins, frames, samples, out):
    """Image i shows instance which[i], rows starts[which[i]] to starts[which[i] + 1] of the table, to camera view[i].

    lights `[P,12]`: image i is in light i. origins `[B,3]`; frames `[B,3,3]`: columns are image right and down, one
    sample long at depth 1, and forward. out `[P,4,H,W]`.
    """
    for image in prange(len(which)):
        k, b = which[image], view[image]
        _picture(table[starts[k] : starts[k + 1]], grids[k], lights[image], origins[b], frames[b], samples, out[image])


@inline
def color_points(table, grid, light, owners, points, normals, shaded, out):
    """sRGB out `[V,3]` of world points `[V,3]` with unit normals `[V,3]` on the primitives owners `[V]`."""
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        nx, ny, nz = normals[n, 0], normals[n, 1], normals[n, 2]
        row = table[owners[n]]
        qx, qy, qz = local(row, x, y, z, 1.0)
        red, green, blue, finish = albedo(row, qx, qy, qz, x, y, z, nx, ny, nz)
        if shaded:
            out[n, 0], out[n, 1], out[n, 2] = shade(grid, light, finish, red, green, blue, x, y, z, nx, ny, nz)
        else:
            out[n, 0], out[n, 1], out[n, 2] = encode(red), encode(green), encode(blue)
