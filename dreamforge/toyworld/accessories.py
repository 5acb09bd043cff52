"""What a figure can wear: short lists of primitives placed by its `Wear`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dreamforge.toyworld.figure import BLACK, COLORS, GOLD, INK, LEAF, RGB, WHITE, Wear, dark, light
from dreamforge.toyworld.primitives import Pattern, Primitive, ball, box, limb, mirrored, moved, ring, tube


def top_hat(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    band = COLORS["red"] if color != COLORS["red"] else BLACK
    parts = [
        tube((0, -0.06 * r, 0), (0, 0.14 * r, 0), 1.45 * r, 1.45 * r, color, 0.09 * r),
        tube((0, 0, 0), (0, 1.5 * r, 0), 0.88 * r, 0.98 * r, color, 0.1 * r),
        tube((0, 0.1 * r, 0), (0, 0.46 * r, 0), 0.97 * r, 0.98 * r, band, 0.04 * r),
    ]
    return moved(parts, wear.top, (-6, 0, 0))


def party_hat(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    parts = [
        tube((0, -0.1 * r, 0), (0, 1.9 * r, 0), 0.95 * r, 0.06 * r, color, 0.05 * r).painted(
            Pattern.BANDS, 6, light(color, 0.75)
        ),
        ball((0, 1.9 * r, 0), 0.27 * r, GOLD),
    ]
    return moved(parts, wear.top, (-6, 0, 0))


def crown(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    parts = [tube((0, -0.1 * r, 0), (0, 0.5 * r, 0), 0.98 * r, 1.05 * r, color, 0.06 * r)]
    for i in range(6):
        a = math.radians(60 * i)
        x, z = math.sin(a), math.cos(a)
        point = (r * x, 1.05 * r, r * z)
        parts.append(tube((0.9 * r * x, 0.35 * r, 0.9 * r * z), point, 0.3 * r, 0.05 * r, color, 0.04 * r))
        jewel = (COLORS["red"], COLORS["blue"])[i % 2]
        parts.append(ball((1.03 * r * x, 0.2 * r, 1.03 * r * z), 0.15 * r, jewel))
    return moved(parts, wear.top, (-6, 0, 0))


def beanie(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    parts = [
        ball((0, 0, 0), (1.12 * r, 1.1 * r, 1.12 * r), color, cut=0.0),
        ring((0, 0.06 * r, 0), 1.02 * r, 0.2 * r, light(color, 0.6)),
        ball((0, 1.15 * r, 0), 0.3 * r, light(color, 0.8)),
    ]
    return moved(parts, wear.top, (-8, 0, 0))


def sunglasses(wear: Wear, color: RGB) -> list[Primitive]:
    assert wear.eyes is not None
    x, size = wear.gaze, 0.8 * wear.gaze
    lens = mirrored(
        [
            box((x, 0, 0.05), (0.92 * size, 0.72 * size, 0.05), color, 0.05),
            ball((x - 0.3 * size, 0.28 * size, 0.1), (0.2 * size, 0.12 * size, 0.02), light(color, 0.75)),
            limb((x + 0.85 * size, 0.3 * size, 0.04), (x + 1.2 * size, 0.35 * size, -0.3), 0.05, 0.05, color),
        ]
    )
    bridge = limb((-0.5 * x, 0.32 * size, 0.05), (0.5 * x, 0.32 * size, 0.05), 0.05, 0.05, color)
    return moved([*lens, bridge], wear.eyes)


def scarf(wear: Wear, color: RGB) -> list[Primitive]:
    assert wear.neck is not None
    g, w = wear.girth, 0.26 * wear.girth + 0.03
    end = limb((0.42 * g, -0.1 * g, 0.98 * g), (0.52 * g, -1.05 * g, 1.1 * g), 0.8 * w, 0.95 * w, color, flat=0.55)
    parts = [
        ring((0, 0, 0), g, w, color),
        ball((0.4 * g, -0.05 * g, 1.0 * g), 1.05 * w, color),
        end.painted(Pattern.BANDS, 5, light(color, 0.7)),
    ]
    return moved(parts, wear.neck)


def bow_tie(wear: Wear, color: RGB) -> list[Primitive]:
    assert wear.neck is not None
    g = 0.25 + 0.35 * wear.girth
    parts = [
        *mirrored([tube((0.08 * g, 0, 0), (0.85 * g, 0, 0), 0.12 * g, 0.5 * g, color, 0.07 * g, flat=0.55)]),
        ball((0, 0, 0.03), (0.2 * g, 0.22 * g, 0.2 * g), dark(color, 0.25)),
    ]
    x, y, z = wear.neck
    return moved(parts, (x, y, z + wear.girth + 0.12 * g))


def cowboy_hat(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    parts = [
        ball((0, 0.06 * r, 0), (1.9 * r, 0.16 * r, 1.3 * r), color),
        *mirrored([ball((1.45 * r, 0.24 * r, 0), (0.42 * r, 0.13 * r, 0.9 * r), color, tilt=(0, 0, 38))]),
        limb((-0.22 * r, 0.4 * r, 0), (0.22 * r, 0.4 * r, 0), 0.75 * r, 0.75 * r, color),
        ring((0, 0.24 * r, 0), 0.86 * r, 0.12 * r, dark(color, 0.55), scale=(1.12, 1, 1)),
        *mirrored([ball((0.36 * r, 1.06 * r, 0), (0.3 * r, 0.2 * r, 0.6 * r), color)]),
    ]
    return moved(parts, wear.top, (-6, 0, 0))


def santa_hat(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    parts = [
        ring((0, 0.08 * r, 0), 0.95 * r, 0.27 * r, WHITE),
        tube((0, 0.05 * r, 0), (0.25 * r, 1.35 * r, 0), 1.0 * r, 0.4 * r, color, 0.05 * r),
        limb((0.25 * r, 1.3 * r, 0), (1.05 * r, 1.15 * r, 0.1 * r), 0.42 * r, 0.2 * r, color),
        ball((1.2 * r, 0.95 * r, 0.12 * r), 0.33 * r, WHITE),
    ]
    return moved(parts, wear.top, (-6, 0, 0))


def halo(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    return moved([ring((0, 0.95 * r, 0), 1.05 * r, 0.16 * r, color)], wear.top, (-8, 0, 0))


def flower_crown(wear: Wear, color: RGB) -> list[Primitive]:
    r = wear.brim
    parts = [ring((0, 0.05 * r, 0), 1.0 * r, 0.12 * r, LEAF)]
    for i, a in enumerate(np.radians(np.arange(0, 360, 45))):
        x, z = math.sin(a), math.cos(a)
        petal = (color, light(color, 0.6))[i % 2]
        parts.append(ball((1.05 * r * x, 0.12 * r, 1.05 * r * z), (0.4 * r, 0.36 * r, 0.4 * r), petal))
        parts.append(ball((1.25 * r * x, 0.22 * r, 1.25 * r * z), 0.17 * r, GOLD))
    return moved(parts, wear.top, (-6, 0, 0))


def cape(wear: Wear, color: RGB) -> list[Primitive]:
    assert wear.neck is not None
    g = wear.girth
    parts = [
        ring((0, 0.02 * g, 0), 1.02 * g, 0.16 * g + 0.02, color),
        tube((0, -1.55 * g, -1.45 * g), (0, 0.05 * g, -0.85 * g), 1.5 * g, 0.85 * g, color, 0.04, flat=0.22),
        ball((0, -0.02 * g, 1.06 * g), 0.2 * g + 0.02, GOLD),
    ]
    return moved(parts, wear.neck)


def medal(wear: Wear, color: RGB) -> list[Primitive]:
    assert wear.neck is not None
    g = wear.girth
    ribbon = mirrored([limb((0.5 * g, 0.1 * g, 0.92 * g), (0.06 * g, -0.45 * g, 1.34 * g), 0.11 * g, 0.11 * g, color)])
    parts = [
        ring((0, 0.05 * g, 0), g, 0.1 * g, color),
        *ribbon,
        tube((0, -0.68 * g, 1.2 * g), (0, -0.68 * g, 1.46 * g), 0.34 * g, 0.34 * g, GOLD, 0.04 * g),
        tube((0, -0.68 * g, 1.3 * g), (0, -0.68 * g, 1.5 * g), 0.2 * g, 0.2 * g, light(GOLD, 0.6), 0.03 * g),
    ]
    return moved(parts, wear.neck)


Place = Literal["top", "eyes", "neck"]


@dataclass(frozen=True)
class Accessory:
    """How to make one, where it is worn, its natural colour, and the word that puts it on."""

    make: Callable[[Wear, RGB], list[Primitive]]
    place: Place
    color: RGB
    preposition: str


ACCESSORIES: dict[str, Accessory] = {
    "top hat": Accessory(top_hat, "top", BLACK, "in"),
    "party hat": Accessory(party_hat, "top", COLORS["pink"], "wearing"),
    "crown": Accessory(crown, "top", GOLD, "wearing"),
    "beanie": Accessory(beanie, "top", COLORS["blue"], "wearing"),
    "sunglasses": Accessory(sunglasses, "eyes", INK, "wearing"),
    "scarf": Accessory(scarf, "neck", COLORS["red"], "wearing"),
    "bow tie": Accessory(bow_tie, "neck", COLORS["red"], "with"),
    "cowboy hat": Accessory(cowboy_hat, "top", COLORS["brown"], "in"),
    "santa hat": Accessory(santa_hat, "top", COLORS["red"], "in"),
    "halo": Accessory(halo, "top", GOLD, "with"),
    "flower crown": Accessory(flower_crown, "top", COLORS["pink"], "wearing"),
    "cape": Accessory(cape, "neck", COLORS["red"], "in"),
    "medal": Accessory(medal, "neck", COLORS["blue"], "with"),
}
