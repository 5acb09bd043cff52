"""What a noun gives: its primitives, and where it can wear things."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dreamforge.toyworld.primitives import RGB, Coat, Finish, Point, Primitive, ball, mirrored

WHITE: RGB = (0.97, 0.96, 0.93)
CREAM: RGB = (0.98, 0.91, 0.78)
BLACK: RGB = (0.13, 0.12, 0.14)
INK: RGB = (0.10, 0.08, 0.09)
PINK: RGB = (0.96, 0.62, 0.66)
BLUSH: RGB = (0.98, 0.58, 0.55)
ORANGE: RGB = (0.97, 0.57, 0.13)
WOOD: RGB = (0.55, 0.36, 0.21)
GRAY: RGB = (0.62, 0.64, 0.67)
GLASS: RGB = (0.63, 0.85, 0.95)
GOLD: RGB = (0.98, 0.78, 0.22)
LEAF: RGB = (0.36, 0.68, 0.30)
LEAF_DARK: RGB = (0.30, 0.60, 0.28)
GRASS: RGB = (0.52, 0.77, 0.35)

COLORS: dict[str, RGB] = {
    "red": (0.88, 0.17, 0.16),
    "orange": (0.98, 0.55, 0.12),
    "yellow": (0.99, 0.82, 0.20),
    "green": (0.28, 0.69, 0.33),
    "teal": (0.13, 0.66, 0.66),
    "blue": (0.20, 0.45, 0.90),
    "purple": (0.56, 0.32, 0.82),
    "pink": (0.98, 0.58, 0.72),
    "brown": (0.52, 0.33, 0.20),
    "black": (0.16, 0.15, 0.18),
    "gray": (0.60, 0.62, 0.66),
    "white": (0.96, 0.95, 0.93),
    "lime": (0.70, 0.90, 0.16),
    "navy": (0.11, 0.15, 0.42),
    "magenta": (0.86, 0.10, 0.56),
    "beige": (0.85, 0.74, 0.56),
}

# What each finish is, and its own colour where it has one.
FINISHES: dict[str, tuple[Finish, RGB | None]] = {
    "matte": (Finish.MATTE, None),
    "shiny": (Finish.SHINY, None),
    "golden": (Finish.METAL, (1.0, 0.76, 0.25)),
    "silver": (Finish.METAL, (0.86, 0.88, 0.92)),
    "striped": (Finish.STRIPED, None),
    "spotted": (Finish.SPOTTED, None),
    "checkered": (Finish.CHECKERED, None),
    "wooden": (Finish.WOODEN, (0.76, 0.53, 0.31)),
    "knitted": (Finish.KNITTED, None),
    "stone": (Finish.STONE, (0.66, 0.65, 0.63)),
}


@dataclass(frozen=True)
class Tint:
    """Gives a noun its main colour: called with the natural one it answers with that, or with the `color` chosen."""

    color: RGB | None = None

    def __call__(self, natural: RGB) -> Coat:
        return Coat(self.color or natural)


@dataclass(frozen=True)
class Wear:
    """Where things are worn. A place that is None cannot be dressed.

    top: where a hat's brim lies, with `brim` the head's radius there. eyes: the middle between the eyes, on the face,
    with `gaze` their half distance. neck: the neck's centre, with `girth` its radius.
    """

    top: Point
    brim: float
    eyes: Point | None = None
    gaze: float = 0.0
    neck: Point | None = None
    girth: float = 0.0


@dataclass(frozen=True)
class Room:
    """Space on a noun or under it that another thing fits in: the middle of its floor, its half width, its height."""

    floor: Point
    half: float = math.inf
    height: float = math.inf


@dataclass(frozen=True)
class Figure:
    """A noun made flesh: its primitives, where it can wear things, and where others can be.

    seat: where another thing can stand on it. room: where another can be under it. None: nowhere.
    """

    parts: list[Primitive]
    wear: Wear
    seat: Room | None = None
    room: Room | None = None


Maker = Callable[[np.random.Generator, Tint], Figure]


def mixed(a: RGB, b: RGB, share: float) -> RGB:
    """`a` with a share of `b` in [0,1]; a coat as long as it is mostly `a`."""
    blend = (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2]))
    return Coat(blend) if isinstance(a, Coat) and share < 0.5 else blend


def dark(color: RGB, share: float = 0.3) -> RGB:
    return mixed(color, INK, share)


def light(color: RGB, share: float = 0.5) -> RGB:
    return mixed(color, WHITE, share)


def eyes(x: float, y: float, z: float, size: float, face: RGB, white: bool = False) -> list[Primitive]:
    """A pair of shiny eyes at +-x, half sunk in the face; in white eyeballs where `white` or where the face is dark."""
    pair = []
    if white or sum(face) < 1.1:
        pair.append(ball((x, y, z), (1.45 * size, 1.55 * size, 0.8 * size), WHITE))
        z += 0.45 * size
    pair.append(ball((x, y, z), (size, 1.15 * size, 0.7 * size), INK))
    glints = [ball((s * x - 0.3 * size, y + 0.42 * size, z + 0.52 * size), 0.34 * size, WHITE) for s in (1, -1)]
    return mirrored(pair) + glints
