"""Coloured primitives: the clay of the toy world.

A noun is a short list of them. Each has a shape in its own local frame, a pose (rotation, position, scale per local
axis) and an sRGB colour, or two in a pattern. Lengths are in world units, angles in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RGB = tuple[float, float, float]
Point = Sequence[float]
Array = NDArray[np.float64]

FULL_BALL = -2.0  # a cut below the unit sphere: nothing is cut


class Kind(IntEnum):
    """Local shapes; `params` are listed with each."""

    BALL = 0  # unit sphere where y >= cut: (cut,)
    BOX = 1  # half sizes to the outside, edges rounded: (x, y, z, rounding)
    TUBE = 2  # truncated cone along y, before it is fattened by its rounding: (bottom, top, half height, rounding)
    LIMB = 3  # hull of two balls along y: (bottom radius, top radius, distance of the centres)
    RING = 4  # torus about y: (major, minor)


class Pattern(IntEnum):
    """Where the second colour goes; y and z are local, divided by the half extent."""

    PLAIN = 0
    ABOVE = 1  # y > amount
    FRONT = 2  # z > amount
    GORES = 3  # `amount` sectors about y, every other one
    BANDS = 4  # `amount` bands along y, every other one


class Finish(IntEnum):
    """What a coat is made of, the plain ones first; textures are solid, `grain` their size."""

    NONE = 0
    MATTE = 1
    SHINY = 2
    METAL = 3
    STRIPED = 4
    SPOTTED = 5
    CHECKERED = 6
    WOODEN = 7
    KNITTED = 8
    STONE = 9


class Coat(tuple[float, float, float]):
    """An sRGB colour that is the main one of a thing, or a shade of it: what a finish is put on."""


class Primitive(NamedTuple):
    """One shape. rotation `[3,3]`, position `[3]`, scale `[3]`: world = position + rotation @ (scale * local)."""

    kind: Kind
    params: tuple[float, float, float, float]
    position: Array
    rotation: Array
    scale: Array
    color: RGB
    second: RGB = (0.0, 0.0, 0.0)
    pattern: Pattern = Pattern.PLAIN
    amount: float = 0.0
    finish: Finish = Finish.NONE
    grain: float = 1.0

    def painted(self, pattern: Pattern, amount: float, second: RGB) -> Primitive:
        """The same shape with a second colour on part of it."""
        return self._replace(pattern=pattern, amount=amount, second=second)

    @property
    def to_world(self) -> Array:
        """`[3,3]` the linear part of local to world."""
        return self.rotation * self.scale

    @property
    def extent(self) -> tuple[float, float, float]:
        """Half extents of the local bounding box, which is centred on the local origin."""
        a, b, c, r = self.params
        match self.kind:
            case Kind.BALL:
                return 1.0, 1.0, 1.0
            case Kind.BOX:
                return a, b, c
            case Kind.TUBE:
                return max(a, b) + r, c + r, max(a, b) + r
            case Kind.LIMB:
                return max(a, b), 0.5 * (a + b + c), max(a, b)
            case Kind.RING:
                return a + b, b, a + b

    @property
    def bound(self) -> float:
        """Radius of the local bounding ball about the local origin."""
        x, y, z = self.extent
        match self.kind:
            case Kind.BALL:
                return 1.0
            case Kind.BOX:
                return math.sqrt(x * x + y * y + z * z)
            case Kind.TUBE:
                return math.hypot(x, y)
            case _:
                return max(x, y)


def turn(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Array:
    """`[3,3]` rotation: roll about Z, then pitch about X (+Y toward +Z), then yaw about Y (+Z toward +X)."""
    cx, sx = math.cos(math.radians(pitch)), math.sin(math.radians(pitch))
    cy, sy = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    cz, sz = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    return np.array(
        [
            [cy * cz + sy * sx * sz, sy * sx * cz - cy * sz, sy * cx],
            [cx * sz, cx * cz, -sx],
            [cy * sx * sz - sy * cz, sy * sz + cy * sx * cz, cy * cx],
        ]
    )


def _make(
    kind: Kind, params: Sequence[float], position: Point, rotation: Array, color: RGB, scale: Point = (1, 1, 1)
) -> Primitive:
    a, b, c, r = (*params, 0.0, 0.0, 0.0)[:4]
    return Primitive(kind, (a, b, c, r), np.array(position, float), rotation, np.array(scale, float), color)


def ball(
    center: Point, size: float | Point, color: RGB, tilt: Point = (0, 0, 0), cut: float = FULL_BALL
) -> Primitive:
    """A sphere or an ellipsoid of radius or half axes `size`; with `cut` in (-1,1) only what is above it."""
    scale = (size, size, size) if isinstance(size, (int, float)) else size
    return _make(Kind.BALL, (cut,), center, turn(*tilt), color, scale)


def box(center: Point, half: Point, color: RGB, rounding: float = 0.03, tilt: Point = (0, 0, 0)) -> Primitive:
    """A box of half sizes `half` with rounded edges."""
    return _make(Kind.BOX, (*half, min(rounding, *half)), center, turn(*tilt), color)


def tube(
    start: Point, end: Point, bottom: float, top: float, color: RGB, rounding: float = 0.02, flat: float = 1.0
) -> Primitive:
    """A cylinder or cone from `start` (radius `bottom`) to `end` (radius `top`) with rounded edges.

    `flat` scales its depth, the local axis nearest to world Z.
    """
    middle, frame, length = _between(start, end)
    half = 0.5 * length
    rounding = min(rounding, 0.99 * half, max(bottom, top))
    slope = (bottom - top) / length
    inset = 0.5 * (bottom + top) - rounding * math.sqrt(1.0 + slope * slope)
    run = slope * (half - rounding)
    params = (max(inset + run, 0.0), max(inset - run, 0.0), half - rounding, rounding)
    return _make(Kind.TUBE, params, middle, frame, color, (1, 1, flat))


def limb(start: Point, end: Point, bottom: float, top: float, color: RGB, flat: float = 1.0) -> Primitive:
    """The hull of a ball of radius `bottom` at `start` and one of radius `top` at `end`: legs, tails, ears.

    `flat` scales its depth, the local axis nearest to world Z.
    """
    middle, frame, length = _between(start, end)
    middle = middle + frame[:, 1] * 0.5 * (top - bottom)  # the local origin is the middle of the whole shape
    return _make(Kind.LIMB, (bottom, top, length), middle, frame, color, (1, 1, flat))


def ring(
    center: Point, major: float, minor: float, color: RGB, tilt: Point = (0, 0, 0), scale: Point = (1, 1, 1)
) -> Primitive:
    """A torus lying flat (its axis is Y before `tilt`)."""
    return _make(Kind.RING, (major, minor), center, turn(*tilt), color, scale)


def _between(start: Point, end: Point) -> tuple[Array, Array, float]:
    """Middle, frame (Y from start to end, Z as near as can be to world Z) and length of a segment."""
    a, b = np.array(start, float), np.array(end, float)
    length = math.dist(start, end)
    px, py, pz = (b - a) / length
    if abs(pz) < 0.9:  # x = y cross world Z, else world Y
        flat = math.hypot(px, py)
        ux, uy, uz = py / flat, -px / flat, 0.0
    else:
        flat = math.hypot(px, pz)
        ux, uy, uz = -pz / flat, 0.0, px / flat
    wx, wy, wz = uy * pz - uz * py, uz * px - ux * pz, ux * py - uy * px
    return 0.5 * (a + b), np.array([[ux, px, wx], [uy, py, wy], [uz, pz, wz]]), length


def mirrored(parts: Iterable[Primitive]) -> list[Primitive]:
    """The parts and their mirror images in X: ears, eyes, legs. Every local shape is its own mirror image."""
    both = []
    for p in parts:
        both += [p, p._replace(position=p.position * _FLIP, rotation=p.rotation * _FLIP[:, None] * _FLIP)]
    return both


_FLIP = np.array([-1.0, 1.0, 1.0])


def moved(
    parts: Iterable[Primitive], offset: Point = (0, 0, 0), tilt: Point = (0, 0, 0), scale: float = 1.0
) -> list[Primitive]:
    """The parts scaled and turned about the origin, then shifted."""
    rotation, shift = turn(*tilt), np.array(offset, float)
    return [
        p._replace(
            position=rotation @ p.position * scale + shift,
            rotation=rotation @ p.rotation,
            scale=p.scale * scale,
            grain=p.grain * scale,
        )
        for p in parts
    ]
