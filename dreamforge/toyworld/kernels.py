"""The toy world's kernels: distance fields, patterns, light fixed in the world, and the ray caster.

Every primitive is met only inside its own box on the screen, against the nearest hit so far. A ray meets a convex
distance field by Newton's iteration, which climbs to the first root from outside and proves a miss when the field
stops falling. The light is Lambert's, in linear light and independent of the view, so score distillation can recover
the colours exactly: a soft key from the upper front left, a sky and a ground, and ambient occlusion read from a coarse
grid of distances baked once per instance.

All of it is in one file because Numba's disk cache watches only the file of the kernel that is called.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dreamforge.kernels.jit import inline, kernel, prange
from dreamforge.toyworld.primitives import Kind, Pattern

BALL, BOX, TUBE, LIMB, RING = (int(kind) for kind in Kind)
PLAIN, ABOVE, FRONT, GORES, BANDS = (int(pattern) for pattern in Pattern)
GRID = 20  # cells a side of the distance grid over [-1,1]^3

# A primitive is a row of a table `[N,33]`; these are its columns.
KIND = 0
PARAMS = 1  # 4 columns
EXTENT = 5  # 3: local half sizes
BOUND = 8  # local radius about the local origin
PATTERN = 9  # 2: pattern, amount
CENTER = 11  # 3, world
REACH = 14  # world radius about the centre
ALBEDO = 15  # 6: linear, first and second colour
MATRIX = 21  # 12: world to local, `[3,4]` row by row

_KEY = np.array([-0.42, 0.70, 0.58]) / np.linalg.norm([-0.42, 0.70, 0.58])
KEY_X, KEY_Y, KEY_Z = (float(v) for v in _KEY)
_STEPS = 1024  # of the sRGB encoding table
_TOLERANCE = 2e-4  # of the local distance, where a ray counts as on the surface
_ITERATIONS = 24


def srgb_to_linear(color: NDArray[np.floating]) -> NDArray[np.floating]:
    """The sRGB transfer function, any shape, in [0,1]."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def _encoding_table() -> NDArray[np.float64]:
    """Linear light to sRGB, tabulated over its square root, where it is nearly straight."""
    linear = np.linspace(0.0, 1.0, _STEPS + 1) ** 2
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


_TABLE = _encoding_table()


@inline
def _encode(linear):
    return _TABLE[int(math.sqrt(min(max(linear, 0.0), 1.0)) * _STEPS + 0.5)]


@inline
def field(row, x, y, z):
    """Signed distance of a local point to a primitive and its gradient (f, nx, ny, nz); convex except for RING."""
    kind, a, b, c, r = row[KIND], row[PARAMS], row[PARAMS + 1], row[PARAMS + 2], row[PARAMS + 3]
    if kind == BALL:
        size = math.sqrt(x * x + y * y + z * z) + 1e-12
        if a - y > size - 1.0:
            return a - y, 0.0, -1.0, 0.0
        return size - 1.0, x / size, y / size, z / size
    if kind == BOX:
        qx, qy, qz = abs(x) - (a - r), abs(y) - (b - r), abs(z) - (c - r)
        ux, uy, uz = max(qx, 0.0), max(qy, 0.0), max(qz, 0.0)
        size = math.sqrt(ux * ux + uy * uy + uz * uz)
        if size > 1e-12:
            return size - r, math.copysign(ux, x) / size, math.copysign(uy, y) / size, math.copysign(uz, z) / size
        if qx >= qy and qx >= qz:
            return qx - r, math.copysign(1.0, x), 0.0, 0.0
        if qy >= qz:
            return qy - r, 0.0, math.copysign(1.0, y), 0.0
        return qz - r, 0.0, 0.0, math.copysign(1.0, z)
    # The rest are solids of revolution: a profile in (s, y), s the distance from the axis.
    s = math.sqrt(x * x + z * z) + 1e-12
    if kind == TUBE:
        f, gs, gy = _tube(a, b, c, r, s, y)
    elif kind == LIMB:
        f, gs, gy = _limb(a, b, c, s, y)
    else:
        size = math.sqrt((s - a) * (s - a) + y * y) + 1e-12
        f, gs, gy = size - b, (s - a) / size, y / size
    return f, gs * x / s, gy, gs * z / s


@inline
def _tube(a, b, c, r, s, y):
    ex, ey = b - a, 2.0 * c
    length = math.sqrt(ex * ex + ey * ey)
    side = ((s - a) * ey - (y + c) * ex) / length
    cap = abs(y) - c
    if side <= 0.0 and cap <= 0.0:
        if side > cap:
            return side - r, ey / length, -ex / length
        return cap - r, 0.0, math.copysign(1.0, y)
    along = min(max(((s - a) * ex + (y + c) * ey) / (length * length), 0.0), 1.0)
    vs, vy = s - a - along * ex, y + c - along * ey
    if cap > 0.0:
        us = max(s - (b if y > 0.0 else a), 0.0)
        if us * us + cap * cap < vs * vs + vy * vy:
            vs, vy = us, math.copysign(cap, y)
    size = math.sqrt(vs * vs + vy * vy) + 1e-12
    return size - r, vs / size, vy / size


@inline
def _limb(a, b, c, s, y):
    low = -0.5 * (c + b - a)
    k = (a - b) / c
    w = math.sqrt(max(1.0 - k * k, 0.0))
    along = (y - low) * w - s * k  # along the slanted side, from where the lower ball meets it
    if along <= 0.0:
        size = math.sqrt(s * s + (y - low) * (y - low)) + 1e-12
        return size - a, s / size, (y - low) / size
    if along >= c * w:
        size = math.sqrt(s * s + (y - low - c) * (y - low - c)) + 1e-12
        return size - b, s / size, (y - low - c) / size
    return s * w + (y - low) * k - a, w, k


@inline
def painted(row, x, y, z):
    """Column of the colour at a local point: the first, or the second where the pattern says so."""
    second = _patterned(row[PATTERN], row[PATTERN + 1], x, y / row[EXTENT + 1], z / row[EXTENT + 2])
    return ALBEDO + 3 if second else ALBEDO


@inline
def _patterned(pattern, amount, x, y, z):
    if pattern == PLAIN:
        return False
    if pattern == ABOVE:
        return y > amount
    if pattern == FRONT:
        return z > amount
    if pattern == GORES:
        turns = math.atan2(x, z) / (2.0 * math.pi) + 1.0 + 0.5 / amount
        return int(turns * amount) % 2 == 1
    return int((0.5 * y + 0.5) * amount) % 2 == 1


@inline
def _distance(grid, x, y, z):
    """The baked distance at a world point (trilinear; clamped to the grid)."""
    fx = min(max((x + 1.0) * 0.5 * GRID - 0.5, 0.0), GRID - 1.001)
    fy = min(max((y + 1.0) * 0.5 * GRID - 0.5, 0.0), GRID - 1.001)
    fz = min(max((z + 1.0) * 0.5 * GRID - 0.5, 0.0), GRID - 1.001)
    i, j, k = int(fx), int(fy), int(fz)
    fx, fy, fz = fx - i, fy - j, fz - k
    low = (grid[i, j, k] * (1 - fz) + grid[i, j, k + 1] * fz) * (1 - fy)
    low += (grid[i, j + 1, k] * (1 - fz) + grid[i, j + 1, k + 1] * fz) * fy
    high = (grid[i + 1, j, k] * (1 - fz) + grid[i + 1, j, k + 1] * fz) * (1 - fy)
    high += (grid[i + 1, j + 1, k] * (1 - fz) + grid[i + 1, j + 1, k + 1] * fz) * fy
    return low * (1 - fx) + high * fx


@inline
def shade(grid, red, green, blue, x, y, z, nx, ny, nz):
    """sRGB colour of a world point with unit normal n and linear albedo."""
    near = _distance(grid, x + 0.08 * nx, y + 0.08 * ny, z + 0.08 * nz) / 0.08
    far = _distance(grid, x + 0.22 * nx, y + 0.22 * ny, z + 0.22 * nz) / 0.22
    open_ = min(max(0.15 + 0.40 * near + 0.50 * far, 0.2), 1.0)
    sky = 0.5 + 0.5 * ny
    lambert = nx * KEY_X + ny * KEY_Y + nz * KEY_Z
    key = max((lambert + 0.45) / 1.45, 0.0)
    key *= 0.56 * key * (0.35 + 0.65 * open_)
    return (
        _encode(red * (open_ * (0.46 + 0.22 * sky) + 1.03 * key)),
        _encode(green * (open_ * (0.45 + 0.24 * sky) + 1.00 * key)),
        _encode(blue * (open_ * (0.45 + 0.26 * sky) + 0.97 * key)),
    )


@inline
def local(row, x, y, z, w):
    """A world point (w = 1) or direction (w = 0) in a primitive's local frame."""
    return (
        row[MATRIX] * x + row[MATRIX + 1] * y + row[MATRIX + 2] * z + row[MATRIX + 3] * w,
        row[MATRIX + 4] * x + row[MATRIX + 5] * y + row[MATRIX + 6] * z + row[MATRIX + 7] * w,
        row[MATRIX + 8] * x + row[MATRIX + 9] * y + row[MATRIX + 10] * z + row[MATRIX + 11] * w,
    )


@inline
def world_gradient(row, x, y, z):
    """A local gradient in world axes (not of unit length where the primitive is scaled)."""
    return (
        row[MATRIX] * x + row[MATRIX + 4] * y + row[MATRIX + 8] * z,
        row[MATRIX + 1] * x + row[MATRIX + 5] * y + row[MATRIX + 9] * z,
        row[MATRIX + 2] * x + row[MATRIX + 6] * y + row[MATRIX + 10] * z,
    )


@inline
def bake(table, grid):
    """Fill grid `[G,G,G]` over [-1,1]^3 with the distance to the nearest primitive (first order, in world units)."""
    for i in range(GRID):
        x = (i + 0.5) * 2.0 / GRID - 1.0
        for j in range(GRID):
            y = (j + 0.5) * 2.0 / GRID - 1.0
            for k in range(GRID):
                z = (k + 0.5) * 2.0 / GRID - 1.0
                nearest = 0.5  # all that occlusion asks for
                for row in table:
                    ox, oy, oz = x - row[CENTER], y - row[CENTER + 1], z - row[CENTER + 2]
                    safe = nearest + row[REACH]
                    if safe > 0.0 and ox * ox + oy * oy + oz * oz > safe * safe:
                        continue
                    qx, qy, qz = local(row, x, y, z, 1.0)
                    f, gx, gy, gz = field(row, qx, qy, qz)
                    gx, gy, gz = world_gradient(row, gx, gy, gz)
                    nearest = min(nearest, f / math.sqrt(gx * gx + gy * gy + gz * gz))
                grid[i, j, k] = nearest


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
def _look(row, grid, eye, frame, u, v, t):
    """sRGB colour of a primitive where the ray through (u, v) meets it at t."""
    x = eye[0] + t * (frame[0, 0] * u + frame[0, 1] * v + frame[0, 2])
    y = eye[1] + t * (frame[1, 0] * u + frame[1, 1] * v + frame[1, 2])
    z = eye[2] + t * (frame[2, 0] * u + frame[2, 1] * v + frame[2, 2])
    qx, qy, qz = local(row, x, y, z, 1.0)
    _, gx, gy, gz = field(row, qx, qy, qz)
    nx, ny, nz = world_gradient(row, gx, gy, gz)
    size = math.sqrt(nx * nx + ny * ny + nz * nz)
    c = painted(row, qx, qy, qz)
    return shade(grid, row[c], row[c + 1], row[c + 2], x, y, z, nx / size, ny / size, nz / size)


@inline
def _resolve(out, depth, nearest, samples, table, grid, eye, frame):
    """Shade the samples and average them into the picture out `[4,H,W]`.

    A pixel that lies within one plain primitive is shaded once, at the mean of its samples: the light is smooth.
    """
    share = 1.0 / (samples * samples)
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            y0, x0 = row * samples, column * samples
            n = nearest[y0, x0]
            within, mean = n >= 0 and table[n, PATTERN] == PLAIN, 0.0
            for py in range(y0, y0 + samples):
                for px in range(x0, x0 + samples):
                    within = within and nearest[py, px] == n
                    mean += depth[py, px] * share
            if within:
                v, u = y0 + 0.5 * (samples - depth.shape[0]), x0 + 0.5 * (samples - depth.shape[1])
                red, green, blue = _look(table[n], grid, eye, frame, u, v, mean)
                out[0, row, column], out[1, row, column], out[2, row, column] = red, green, blue
                out[3, row, column] = 1.0
                continue
            for py in range(y0, y0 + samples):
                for px in range(x0, x0 + samples):
                    n = nearest[py, px]
                    if n < 0:
                        continue
                    v, u = py + 0.5 * (1 - depth.shape[0]), px + 0.5 * (1 - depth.shape[1])
                    red, green, blue = _look(table[n], grid, eye, frame, u, v, depth[py, px])
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
def _picture(table, grid, eye, frame, samples, out):
    """One instance to one camera; see `render_images`."""
    size = out.shape[1] * samples, out.shape[2] * samples
    depth, nearest = np.full(size, 1e9), np.full(size, -1, np.int32)
    for n in _front_to_back(table, eye):  # so that most of what is hidden is turned away by the depth buffer
        _draw(n, table[n], eye, frame, depth, nearest)
    _resolve(out, depth, nearest, samples, table, grid, eye, frame)


@kernel
def render_images(which, view, starts, table, grids, origins, frames, samples, out):
    """Image i shows instance which[i], rows starts[which[i]] to starts[which[i] + 1] of the table, to camera view[i].

    origins `[B,3]`; frames `[B,3,3]`: columns are image right and down, one sample long at depth 1, and forward.
    out `[P,4,H,W]`.
    """
    for image in prange(len(which)):
        k, b = which[image], view[image]
        _picture(table[starts[k] : starts[k + 1]], grids[k], origins[b], frames[b], samples, out[image])


@inline
def color_points(table, grid, owners, points, normals, shaded, out):
    """sRGB out `[V,3]` of world points `[V,3]` with unit normals `[V,3]` on the primitives owners `[V]`."""
    for n in range(len(points)):
        row = table[owners[n]]
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        qx, qy, qz = local(row, x, y, z, 1.0)
        c = painted(row, qx, qy, qz)
        if shaded:
            out[n, 0], out[n, 1], out[n, 2] = shade(
                grid, row[c], row[c + 1], row[c + 2], x, y, z, normals[n, 0], normals[n, 1], normals[n, 2]
            )
        else:
            out[n, 0], out[n, 1], out[n, 2] = _encode(row[c]), _encode(row[c + 1]), _encode(row[c + 2])
