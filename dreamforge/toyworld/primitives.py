"""Coloured primitives: the clay of the toy world.

A noun is a short list of them. Each has a shape in its own local frame, a pose (rotation, position, scale per local
axis) and an sRGB colour, or two in a pattern. Lengths are in world units, angles in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

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


@dataclass(frozen=True)
class Primitive:
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
        return replace(self, pattern=pattern, amount=amount, second=second)

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

    def support(self, directions: Array) -> Array:
        """How far the shape reaches along unit `directions` `[M,3]` from the world origin, `[M]`."""
        local = directions @ self.to_world
        size = np.linalg.norm(local, axis=1)
        across, along = np.hypot(local[:, 0], local[:, 2]), local[:, 1]
        a, b, c, r = self.params
        match self.kind:
            case Kind.BALL:
                rim = a * along + math.sqrt(max(0.0, 1.0 - a * a)) * across
                reach = np.where(along < a * size, rim, size)
            case Kind.BOX:
                reach = np.abs(local) @ np.array([a - r, b - r, c - r]) + r * size
            case Kind.TUBE:
                reach = np.maximum(a * across - c * along, b * across + c * along) + r * size
            case Kind.LIMB:
                low = -0.5 * (c + b - a)
                reach = np.maximum(low * along + a * size, (low + c) * along + b * size)
            case Kind.RING:
                reach = a * across + b * size
        return directions @ self.position + reach


def turn(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Array:
    """`[3,3]` rotation: roll about Z, then pitch about X (+Y toward +Z), then yaw about Y (+Z toward +X)."""
    (cx, sx), (cy, sy), (cz, sz) = [(math.cos(a), math.sin(a)) for a in np.radians([pitch, yaw, roll])]
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return ry @ rx @ rz


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
    length = float(np.linalg.norm(b - a))
    y = (b - a) / length
    z = np.array([0.0, 0.0, 1.0]) if abs(y[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = np.cross(y, z)
    x /= np.linalg.norm(x)
    return 0.5 * (a + b), np.stack([x, y, np.cross(x, y)], axis=1), length


def mirrored(parts: Iterable[Primitive]) -> list[Primitive]:
    """The parts and their mirror images in X: ears, eyes, legs. Every local shape is its own mirror image."""
    flip = np.array([-1.0, 1.0, 1.0])
    both = []
    for p in parts:
        image = replace(p, position=p.position * flip, rotation=flip[:, None] * p.rotation * flip)
        both += [p, image]
    return both


def moved(
    parts: Iterable[Primitive], offset: Point = (0, 0, 0), tilt: Point = (0, 0, 0), scale: float = 1.0
) -> list[Primitive]:
    """The parts scaled and turned about the origin, then shifted."""
    rotation, shift = turn(*tilt), np.array(offset, float)
    return [
        replace(
            p,
            position=rotation @ p.position * scale + shift,
            rotation=rotation @ p.rotation,
            scale=p.scale * scale,
            grain=p.grain * scale,
        )
        for p in parts
    ]
