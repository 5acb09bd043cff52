"""Kernels of the toy world's shapes: a primitive as a row of numbers, its distance field and its pattern."""

from __future__ import annotations

import math

import numpy as np

from dreamforge.kernels.jit import inline
from dreamforge.toyworld.primitives import Kind, Pattern

BALL, BOX, TUBE, LIMB, RING = (int(kind) for kind in Kind)
PLAIN, ABOVE, FRONT, GORES, BANDS = (int(pattern) for pattern in Pattern)

# A primitive is a row of a table `[N,36]`; these are its columns.
KIND = 0
PARAMS = 1  # 4 columns
EXTENT = 5  # 3: local half sizes
BOUND = 8  # local radius about the local origin
PATTERN = 9  # 2: pattern, amount
CENTER = 11  # 3, world
REACH = 14  # world radius about the centre
ALBEDO = 15  # 6: linear, first and second colour
FINISH = 21  # what the coat is made of
COATED = 22  # which colours are the coat: 1 the first, 2 the second, 3 both
GRAIN = 23  # size of the finish's texture
MATRIX = 24  # 12: world to local, `[3,4]` row by row


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
def farthest(shapes, poses, directions):
    """How far N shapes together reach along unit directions `[M,3]` from the world origin, `[M]`.

    shapes `[N,5]`: kind and params; poses `[N,3,4]`: local to world.
    """
    out = np.full(len(directions), -1e9)
    for n in range(len(shapes)):
        kind, a, b, c, r = shapes[n]
        pose = poses[n]
        rim = math.sqrt(max(0.0, 1.0 - a * a))
        for m in range(len(directions)):
            dx, dy, dz = directions[m]
            x = dx * pose[0, 0] + dy * pose[1, 0] + dz * pose[2, 0]
            y = dx * pose[0, 1] + dy * pose[1, 1] + dz * pose[2, 1]
            z = dx * pose[0, 2] + dy * pose[1, 2] + dz * pose[2, 2]
            size, across = math.sqrt(x * x + y * y + z * z), math.sqrt(x * x + z * z)
            if kind == BALL:
                reach = a * y + rim * across if y < a * size else size
            elif kind == BOX:
                reach = abs(x) * (a - r) + abs(y) * (b - r) + abs(z) * (c - r) + r * size
            elif kind == TUBE:
                reach = max(a * across - c * y, b * across + c * y) + r * size
            elif kind == LIMB:
                low = -0.5 * (c + b - a)
                reach = max(low * y + a * size, (low + c) * y + b * size)
            else:
                reach = a * across + b * size
            out[m] = max(out[m], reach + dx * pose[0, 3] + dy * pose[1, 3] + dz * pose[2, 3])
    return out
