"""Kernels of the toy world's light and materials.

The light is independent of the view, so score distillation can recover the colours exactly and a mesh can hold them
at its vertices: a soft key, a sky and a ground (Lambert's law, in linear light), ambient occlusion read from a coarse
grid of distances baked once per instance, and for shiny and metal finishes reflections that depend on the normal
alone. Textures are solid: functions of the position in the instance, so that they run on from part to part.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dreamforge.kernels.jit import inline
from dreamforge.toyworld.primitives import Finish
from dreamforge.toyworld.shape_kernels import (
    ALBEDO, CENTER, COATED, FINISH, GRAIN, REACH, field, local, painted, world_gradient,
)  # fmt: skip

GRID = 20  # cells a side of the distance grid over [-1,1]^3
_FAR = 0.5  # all that occlusion asks for
_STEPS = 1024  # of the sRGB encoding table
_PLAIN, MATTE, SHINY, METAL, STRIPED, SPOTTED, CHECKERED, WOODEN, KNITTED, _ = (int(finish) for finish in Finish)
TEXTURED = STRIPED  # the first finish that changes from point to point

# A light is an array `[12]`, in linear light; these are its columns.
TOWARD = 0  # 3: unit vector toward the key light
KEY = 3  # 3: strength of the key light
GROUND = 6  # 3: ambient light everywhere
SKY = 9  # 3: what the sky adds from above


def srgb_to_linear(color: NDArray[np.floating]) -> NDArray[np.floating]:
    """The sRGB transfer function, any shape, in [0,1]."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def _encoding_table() -> NDArray[np.float64]:
    """Linear light to sRGB, tabulated over its square root, where it is nearly straight."""
    linear = np.linspace(0.0, 1.0, _STEPS + 1) ** 2
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


_TABLE = _encoding_table()


@inline
def encode(linear):
    return _TABLE[int(math.sqrt(min(max(linear, 0.0), 1.0)) * _STEPS + 0.5)]


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
def _cells(low, high):
    """The cells first:last of a side of the grid whose centres lie between two coordinates."""
    return max(int((low + 1.0) * 0.5 * GRID + 0.5), 0), min(int((high + 1.0) * 0.5 * GRID + 0.5), GRID)


@inline
def bake(table, grid):
    """Fill grid `[G,G,G]` over [-1,1]^3 with the distance to the nearest primitive (first order, in world units)."""
    grid[:] = _FAR
    for row in table:
        reach = row[REACH] + _FAR
        i0, i1 = _cells(row[CENTER] - reach, row[CENTER] + reach)
        j0, j1 = _cells(row[CENTER + 1] - reach, row[CENTER + 1] + reach)
        k0, k1 = _cells(row[CENTER + 2] - reach, row[CENTER + 2] + reach)
        for i in range(i0, i1):
            x = (i + 0.5) * 2.0 / GRID - 1.0
            for j in range(j0, j1):
                y = (j + 0.5) * 2.0 / GRID - 1.0
                for k in range(k0, k1):
                    z = (k + 0.5) * 2.0 / GRID - 1.0
                    ox, oy, oz = x - row[CENTER], y - row[CENTER + 1], z - row[CENTER + 2]
                    safe = grid[i, j, k] + row[REACH]
                    if safe < 0.0 or ox * ox + oy * oy + oz * oz > safe * safe:
                        continue
                    qx, qy, qz = local(row, x, y, z, 1.0)
                    f, gx, gy, gz = field(row, qx, qy, qz)
                    gx, gy, gz = world_gradient(row, gx, gy, gz)
                    grid[i, j, k] = min(grid[i, j, k], f / math.sqrt(gx * gx + gy * gy + gz * gz))


@inline
def _ramp(low, high, x):
    """0 below `low`, 1 above `high`, smooth between."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@inline
def _random(i, j, k):
    """A number in [0,1) that depends on a cell of space alone."""
    value = math.sin(i * 127.1 + j * 311.7 + k * 74.7) * 43758.5453
    return value - math.floor(value)


@inline
def _facing(x, y, z, nx, ny, nz):
    """The point on the coordinate plane that the normal faces most, so that flat patterns go round corners."""
    if abs(ny) > abs(nx) and abs(ny) > abs(nz):
        return x, z
    return (z, y) if abs(nx) > abs(nz) else (x, y)


@inline
def _second(finish, x, y, z, nx, ny, nz):
    """Whether a point lies on the second colour of a finish in two colours."""
    if finish == STRIPED:
        return (3.2 * y + 1.4 * z + 64.0) % 1.0 < 0.5
    if finish == CHECKERED:
        return (math.floor(3.4 * x) + math.floor(3.4 * y + 0.3) + math.floor(3.4 * z + 0.3)) % 2 == 0
    u, v = _facing(x, y, z, nx, ny, nz)
    row = math.floor(4.0 * v)
    across, along = (4.0 * u + 0.5 * (row % 2)) % 1.0 - 0.5, 4.0 * v - row - 0.5
    return across * across + along * along < 0.1


@inline
def _cobble(x, y, z):
    """Brightness of stones with dark joints: nearest and second nearest of jittered points (Worley's cells)."""
    first, second, tone = 9.0, 9.0, 0.0
    bx, by, bz = math.floor(x), math.floor(y), math.floor(z)
    for i in range(-1, 2):
        for j in range(-1, 2):
            for k in range(-1, 2):
                cx, cy, cz = bx + i, by + j, bz + k
                dx = cx + 0.5 + 0.7 * (_random(cx, cy, cz) - 0.5) - x
                dy = cy + 0.5 + 0.7 * (_random(cy, cz, cx) - 0.5) - y
                dz = cz + 0.5 + 0.7 * (_random(cz, cx, cy) - 0.5) - z
                away = math.sqrt(dx * dx + dy * dy + dz * dz)
                if away < first:
                    first, second, tone = away, first, _random(cx + cy, cy - cz, cz)
                elif away < second:
                    second = away
    return (0.62 + 0.5 * tone) * (0.3 + 0.7 * _ramp(0.03, 0.16, second - first))


@inline
def _grain(finish, x, y, z, nx, ny, nz):
    """Brightness of a finish in one colour: growth rings, stitches or stones."""
    if finish == WOODEN:
        wave = 0.35 * math.sin(4.0 * y + 1.0) + 0.25 * math.sin(7.0 * z + 3.0 * y)
        radius = math.sqrt((x + 0.7) * (x + 0.7) + (z - 0.9) * (z - 0.9))
        return 1.05 - 0.6 * _ramp(0.35, 1.0, (9.0 * radius + 0.6 * wave) % 1.0)
    if finish == KNITTED:
        u, v = _facing(x, y, z, nx, ny, nz)
        stitch = abs((6.5 * u + 64.0) % 1.0 - 0.5)  # 0 at a stitch's middle, 0.5 between stitches
        row = abs((8.0 * v - 1.1 * stitch + 64.0) % 1.0 - 0.5)
        return 0.5 + 0.6 * _ramp(0.0, 0.5, row) - 0.7 * max(stitch - 0.4, 0.0)
    return _cobble(4.2 * x, 4.2 * y, 4.2 * z)


@inline
def albedo(row, qx, qy, qz, x, y, z, nx, ny, nz):
    """Linear colour and finish (red, green, blue, finish) of a primitive at a point, local q and world x, y, z.

    n is the unit normal there.
    """
    c = painted(row, qx, qy, qz)
    red, green, blue, finish = row[c], row[c + 1], row[c + 2], int(row[FINISH])
    if finish == _PLAIN or (int(row[COATED]) & (1 if c == ALBEDO else 2)) == 0:
        return red, green, blue, _PLAIN
    if finish < TEXTURED:
        return red, green, blue, finish
    x, y, z = x / row[GRAIN], y / row[GRAIN], z / row[GRAIN]
    if finish >= WOODEN:
        share = _grain(finish, x, y, z, nx, ny, nz)
        return red * share, green * share, blue * share, finish
    if _second(finish, x, y, z, nx, ny, nz):
        if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.42:
            return 0.1 * red, 0.1 * green, 0.1 * blue, finish
        return 0.90, 0.88, 0.84, finish
    return red, green, blue, finish


@inline
def _glint(nx, ny, nz, sharp):
    """Reflections of three softboxes around the object, in [0,1], by the normal alone."""
    front = -0.44 * nx + 0.68 * ny + 0.59 * nz
    right, left = 0.80 * nx + 0.55 * ny - 0.24 * nz, -0.50 * nx + 0.55 * ny - 0.67 * nz
    return max(_ramp(sharp, sharp + 0.06, front), 0.7 * _ramp(sharp, sharp + 0.06, max(right, left)))


@inline
def _mirror(nx, ny, nz):
    """Brightness of a studio seen in metal with that normal: bright above, a dark horizon, a glow from the floor."""
    if ny > 0.0:
        turn = math.atan2(nx, nz)
        return 0.40 + 0.60 * _ramp(0.05, 0.5, ny + 0.16 * math.cos(3.0 * turn + 1.2)) - 0.22 * _ramp(0.75, 1.0, ny)
    return 0.40 - 0.14 * _ramp(0.0, 0.25, -ny) + 0.34 * _ramp(0.25, 0.8, -ny)


@inline
def _polished(finish, open_, red, green, blue, lit_red, lit_green, lit_blue, nx, ny, nz):
    """sRGB colour of a chalky, a glossy or a metal surface: linear albedo, the light that falls on it, unit normal."""
    shine = 0.0
    if finish == MATTE:  # powder scatters light back evenly
        red, green, blue = 0.8 * red + 0.12, 0.8 * green + 0.12, 0.8 * blue + 0.12
        lit_red, lit_green, lit_blue = 0.5 * lit_red + 0.33, 0.5 * lit_green + 0.33, 0.5 * lit_blue + 0.33
    elif finish == SHINY:
        shine = 0.85 * open_ * _glint(nx, ny, nz, 0.88)
    else:
        shine = 0.9 * open_ * _glint(nx, ny, nz, 0.95)
        mirror = 1.25 * _mirror(nx, ny, nz) * (0.4 + 0.6 * open_)
        lit_red, lit_green = mirror * (0.4 + 0.6 * lit_red), mirror * (0.4 + 0.6 * lit_green)
        lit_blue = mirror * (0.4 + 0.6 * lit_blue)
    return (
        encode(red * lit_red + shine * (1.0 - red * lit_red)),
        encode(green * lit_green + shine * (1.0 - green * lit_green)),
        encode(blue * lit_blue + shine * (1.0 - blue * lit_blue)),
    )


@inline
def shade(grid, light, finish, red, green, blue, x, y, z, nx, ny, nz):
    """sRGB colour of a world point with unit normal n, linear albedo and a finish."""
    near = _distance(grid, x + 0.08 * nx, y + 0.08 * ny, z + 0.08 * nz) / 0.08
    far = _distance(grid, x + 0.22 * nx, y + 0.22 * ny, z + 0.22 * nz) / 0.22
    open_ = min(max(0.15 + 0.40 * near + 0.50 * far, 0.2), 1.0)
    sky = 0.5 + 0.5 * ny
    lambert = nx * light[TOWARD] + ny * light[TOWARD + 1] + nz * light[TOWARD + 2]
    key = max((lambert + 0.45) / 1.45, 0.0)
    key *= key * (0.35 + 0.65 * open_)
    lit_red = open_ * (light[GROUND] + light[SKY] * sky) + light[KEY] * key
    lit_green = open_ * (light[GROUND + 1] + light[SKY + 1] * sky) + light[KEY + 1] * key
    lit_blue = open_ * (light[GROUND + 2] + light[SKY + 2] * sky) + light[KEY + 2] * key
    if finish == _PLAIN or finish >= TEXTURED:
        return encode(red * lit_red), encode(green * lit_green), encode(blue * lit_blue)
    return _polished(finish, open_, red, green, blue, lit_red, lit_green, lit_blue, nx, ny, nz)
