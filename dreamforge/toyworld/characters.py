"""Characters. All face +Z; +X is their left."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    BLUSH, COLORS, GOLD, GRAY, INK, ORANGE, PINK, RGB, WHITE, WOOD, Figure, Tint, Wear, dark, eyes, light,
)  # fmt: skip
from dreamforge.toyworld.primitives import Primitive, ball, box, limb, mirrored, ring, tube

Rng = np.random.Generator


def snowman(rng: Rng, tint: Tint) -> Figure:
    snow, lift = tint((0.97, 0.97, 0.98)), rng.uniform(0.0, 0.25)
    parts = [
        ball((0, 0.48, 0), (0.56, 0.52, 0.56), snow),
        ball((0, 1.14, 0), 0.42, snow),
        ball((0, 1.68, 0), 0.35, snow),
        *[ball((0, y, z), 0.06, INK) for y, z in ((1.28, 0.385), (1.08, 0.405), (0.7, 0.515))],
        tube((0, 1.66, 0.3), (0, 1.62, 0.72), 0.09, 0.03, ORANGE, 0.03),
        *[ball((x, y, z), 0.035, INK) for x, y, z in (
            (-0.13, 1.55, 0.31), (-0.045, 1.515, 0.31), (0.045, 1.515, 0.31), (0.13, 1.55, 0.31),
        )],
        *mirrored(
            [
                limb((0.34, 1.2, 0.05), (0.78, 1.3 + lift, 0.1), 0.05, 0.05, WOOD),
                limb((0.68, 1.275 + 0.8 * lift, 0.09), (0.78, 1.46 + lift, 0.1), 0.045, 0.045, WOOD),
                ball((0.22, 1.62, 0.255), (0.06, 0.045, 0.03), BLUSH),
            ]
        ),
        *eyes(0.13, 1.76, 0.31, 0.055, snow),
    ]
    return Figure(
        parts, Wear((0, 1.96, -0.01), 0.25, eyes=(0, 1.76, 0.35), gaze=0.14, neck=(0, 1.42, 0), girth=0.29)
    )


def robot(rng: Rng, tint: Tint) -> Figure:
    metal = tint((0.55, 0.68, 0.78))
    joint = GRAY if tint.color != COLORS["gray"] else (0.4, 0.42, 0.47)
    panel, arm = light(metal, 0.75), rng.uniform(0, 0.1)
    parts = [
        box((0, 0.82, 0), (0.44, 0.4, 0.34), metal, 0.12),
        box((0, 0.86, 0.3), (0.28, 0.22, 0.06), panel, 0.05),
        *[ball((x, 0.94, 0.37), (0.06, 0.06, 0.03), c) for x, c in (
            (-0.15, COLORS["red"]), (0, COLORS["yellow"]), (0.15, COLORS["green"]),
        )],
        box((0, 0.77, 0.36), (0.18, 0.035, 0.02), dark(metal, 0.4), 0.02),
        tube((0, 1.18, 0), (0, 1.32, 0), 0.15, 0.15, joint),
        box((0, 1.62, 0), (0.52, 0.38, 0.4), metal, 0.16),
        box((0, 1.62, 0.34), (0.42, 0.27, 0.09), (0.16, 0.2, 0.28), 0.08),
        box((0, 1.46, 0.42), (0.13, 0.03, 0.03), (0.55, 0.95, 0.98), 0.03),
        limb((0, 1.95, 0), (0, 2.16, 0), 0.05, 0.045, joint),
        ball((0, 2.2, 0), 0.11, COLORS["red"] if tint.color != COLORS["red"] else GOLD),
        *mirrored(
            [
                ball((0.19, 1.67, 0.42), (0.085, 0.11, 0.04), (0.55, 0.95, 0.98)),
                tube((0.48, 1.62, 0), (0.62, 1.62, 0), 0.15, 0.12, joint, 0.04),
                limb((0.5, 1.02, 0), (0.66, 0.72 + arm, 0.12), 0.13, 0.11, joint),
                ball((0.68, 0.62 + arm, 0.16), 0.16, metal),
                tube((0.21, 0.46, 0), (0.21, 0.15, 0), 0.13, 0.13, joint),
                box((0.23, 0.1, 0.07), (0.19, 0.1, 0.26), metal, 0.08),
            ]
        ),
    ]
    return Figure(
        parts, Wear((0, 1.98, 0), 0.3, eyes=(0, 1.67, 0.45), gaze=0.2, neck=(0, 1.24, 0), girth=0.3)
    )


def ghost(rng: Rng, tint: Tint) -> Figure:
    sheet, sway = tint((0.95, 0.95, 0.99)), rng.uniform(0, 40)
    hem: list[Primitive] = [
        ball((0.42 * np.sin(a), 0.2, 0.42 * np.cos(a)), (0.175, 0.24, 0.175), sheet)
        for a in np.radians(np.arange(0, 360, 45) + sway)
    ]
    parts = [
        limb((0, 0.68, 0), (0, 1.1, 0), 0.57, 0.55, sheet),
        tube((0, 0.2, 0), (0, 0.74, 0), 0.58, 0.56, sheet, 0.0),
        *hem,
        ball((0, 0.95, 0.545), (0.08, 0.1, 0.05), dark(PINK, 0.4)),
        *mirrored(
            [
                limb((0.48, 0.86, 0.1), (0.72, 0.98, 0.26), 0.15, 0.12, sheet),
                ball((0.33, 1.03, 0.445), (0.09, 0.06, 0.05), BLUSH),
            ]
        ),
        *eyes(0.18, 1.2, 0.49, 0.09, sheet),
    ]
    return Figure(
        parts, Wear((0, 1.6, 0), 0.32, eyes=(0, 1.2, 0.57), gaze=0.19, neck=(0, 0.76, 0), girth=0.53)
    )


SKIN: RGB = (0.99, 0.83, 0.70)


def astronaut(rng: Rng, tint: Tint) -> Figure:
    suit, arm = tint((0.93, 0.94, 0.97)), rng.uniform(-0.05, 0.3)
    trim = COLORS["orange"] if tint.color != COLORS["orange"] else COLORS["blue"]
    parts = [
        ball((0, 0.74, 0), (0.42, 0.46, 0.36), suit),
        box((0, 0.86, -0.38), (0.34, 0.42, 0.17), dark(suit, 0.22), 0.1),
        box((0, 0.76, 0.33), (0.2, 0.13, 0.06), GRAY, 0.04),
        *[ball((x, 0.76, 0.4), 0.045, COLORS[name]) for x, name in ((-0.11, "red"), (0, "yellow"), (0.11, "blue"))],
        ball((0, 1.45, 0), (0.56, 0.53, 0.5), suit),
        ring((0, 1.42, 0.34), 0.37, 0.075, trim, (84, 0, 0)),
        ball((0, 1.42, 0.24), (0.37, 0.36, 0.24), SKIN),
        ball((0, 1.62, 0.22), (0.3, 0.14, 0.2), (0.42, 0.27, 0.18)),
        ball((0, 1.34, 0.475), (0.05, 0.035, 0.03), PINK),
        *mirrored(
            [
                ball((0.2, 1.34, 0.42), (0.07, 0.05, 0.04), BLUSH),
                tube((0.53, 1.45, 0), (0.63, 1.45, 0), 0.16, 0.13, trim, 0.04),
                limb((0.36, 0.98, 0), (0.64, 0.66 + arm, 0.16), 0.16, 0.14, suit),
                ball((0.68, 0.6 + arm, 0.2), 0.16, trim),
                limb((0.2, 0.42, 0), (0.22, 0.18, 0.02), 0.2, 0.19, suit),
                ball((0.23, 0.09, 0.08), (0.2, 0.11, 0.28), trim),
            ]
        ),
        *eyes(0.14, 1.45, 0.45, 0.06, SKIN),
    ]
    return Figure(
        parts, Wear((0, 1.93, 0), 0.3, eyes=(0, 1.45, 0.52), gaze=0.15, neck=(0, 1.02, 0), girth=0.36)
    )


def wizard(rng: Rng, tint: Tint) -> Figure:
    robe, lean = tint((0.36, 0.28, 0.72)), rng.uniform(-0.12, 0.12)
    band = GOLD if tint.color != COLORS["yellow"] else COLORS["purple"]
    parts = [
        tube((0, 0, 0), (0, 1.1, 0), 0.62, 0.28, robe, 0.06),
        ring((0, 0.07, 0), 0.57, 0.065, band),
        ball((0, 1.28, 0), (0.36, 0.34, 0.33), SKIN),
        tube((0, 1.2, 0.2), (0, 0.55, 0.42), 0.29, 0.03, WHITE, 0.05, flat=0.6),
        ball((0, 1.28, 0.35), (0.085, 0.07, 0.07), BLUSH),
        tube((0, 1.47, 0), (0, 1.55, 0), 0.58, 0.55, robe, 0.04),
        tube((0, 1.5, 0), (lean, 2.3, -0.1), 0.37, 0.03, robe, 0.03),
        ring((0, 1.58, 0), 0.34, 0.055, band),
        *[ball((x + lean * 0.4, y, z), 0.06, band) for x, y, z in (
            (0, 1.78, 0.24), (0.2, 1.85, -0.02), (-0.2, 1.9, 0.0), (0.04, 2.02, 0.11), (0, 1.8, -0.3),
        )],
        limb((0.66, 0.02, 0.24), (0.7, 1.42, 0.24), 0.05, 0.05, WOOD),
        ball((0.7, 1.54, 0.24), 0.15, (0.45, 0.92, 0.98)),
        ring((0.7, 1.43, 0.24), 0.08, 0.04, band),
        *mirrored(
            [
                ball((0.13, 1.17, 0.33), (0.17, 0.075, 0.07), WHITE, tilt=(0, 0, -18)),
                ball((0.15, 1.46, 0.31), (0.1, 0.05, 0.06), WHITE),
                limb((0.28, 0.95, 0.02), (0.56, 0.72, 0.2), 0.14, 0.17, robe),
                ball((0.64, 0.68, 0.26), 0.11, SKIN),
            ]
        ),
        *eyes(0.13, 1.35, 0.29, 0.055, SKIN),
    ]
    return Figure(
        parts, Wear((0.8 * lean, 2.02, -0.06), 0.17, eyes=(0, 1.35, 0.36), gaze=0.14, neck=(0, 1.02, 0.02), girth=0.3)
    )


def knight(rng: Rng, tint: Tint) -> Figure:
    armor, lift = tint((0.68, 0.71, 0.77)), rng.uniform(0.0, 0.15)
    plume = COLORS["red"] if tint.color != COLORS["red"] else COLORS["blue"]
    shield = tube((-0.55, 0.72, 0.36), (-0.55, 0.72, 0.46), 0.36, 0.36, plume, 0.03)
    parts = [
        ball((0, 0.74, 0), (0.42, 0.44, 0.34), armor),
        ring((0, 0.56, 0), 0.38, 0.06, dark(armor, 0.4)),
        tube((0, 1.08, 0), (0, 1.6, 0), 0.43, 0.43, armor, 0.08),
        ball((0, 1.56, 0), (0.43, 0.34, 0.43), armor),
        box((0, 1.5, 0.33), (0.32, 0.09, 0.09), INK, 0.05),
        *mirrored([ball((0.14, 1.5, 0.42), (0.06, 0.065, 0.03), WHITE)]),
        ring((0, 1.62, 0), 0.42, 0.05, GOLD),
        box((0, 1.24, 0.42), (0.035, 0.16, 0.03), GOLD, 0.02),
        *mirrored([box((0.14, 1.24, 0.4), (0.02, 0.1, 0.03), INK, 0.02, tilt=(0, 18, 0))]),
        limb((0, 1.86, 0.1), (0, 2.05, -0.18), 0.09, 0.15, plume),
        limb((0, 2.05, -0.18), (0, 1.72, -0.55), 0.15, 0.06, plume),
        shield,
        ring((-0.55, 0.72, 0.44), 0.34, 0.05, GOLD, (90, 0, 0)),
        box((-0.55, 0.72, 0.46), (0.06, 0.26, 0.035), WHITE, 0.02),
        box((-0.55, 0.72, 0.46), (0.26, 0.06, 0.035), WHITE, 0.02),
        box((0.66, 1.1 + lift, 0.34), (0.06, 0.46, 0.03), (0.9, 0.92, 0.95), 0.03),
        box((0.66, 0.64 + lift, 0.34), (0.19, 0.05, 0.06), GOLD, 0.03),
        limb((0.66, 0.6 + lift, 0.34), (0.66, 0.42 + lift, 0.34), 0.05, 0.06, WOOD),
        limb((0.36, 0.95, 0), (0.62, 0.55 + lift, 0.24), 0.17, 0.14, armor),
        limb((-0.36, 0.95, 0), (-0.56, 0.68, 0.26), 0.17, 0.14, armor),
        ball((0.66, 0.52 + lift, 0.33), 0.13, dark(armor, 0.3)),
        *mirrored(
            [
                ball((0.4, 1.02, 0), (0.2, 0.16, 0.2), armor),
                limb((0.2, 0.42, 0), (0.21, 0.16, 0.02), 0.19, 0.17, armor),
                ball((0.22, 0.08, 0.1), (0.18, 0.1, 0.26), dark(armor, 0.3)),
            ]
        ),
    ]
    return Figure(
        parts, Wear((0, 1.86, 0), 0.28, eyes=(0, 1.5, 0.46), gaze=0.15, neck=(0, 1.06, 0), girth=0.4)
    )


def alien(rng: Rng, tint: Tint) -> Figure:
    skin, wave = tint((0.56, 0.84, 0.42)), rng.uniform(-0.1, 0.3)
    parts = [
        ball((0, 1.34, 0), (0.6, 0.46, 0.46), skin),
        ball((0, 1.1, 0.12), (0.3, 0.24, 0.28), skin),
        ball((0, 0.55, 0), (0.32, 0.44, 0.27), skin),
        ball((0, 0.5, 0.12), (0.22, 0.32, 0.19), light(skin, 0.55)),
        ball((0, 1.06, 0.39), (0.09, 0.035, 0.03), dark(skin, 0.6)),
        *mirrored(
            [
                ball((0.25, 1.32, 0.36), (0.17, 0.24, 0.1), INK, tilt=(0, 22, 24)),
                ball((0.2, 1.43, 0.46), (0.05, 0.06, 0.03), WHITE),
                ball((0.3, 1.25, 0.42), (0.03, 0.03, 0.03), WHITE),
                limb((0.2, 1.72, 0), (0.34, 2.02, 0.04), 0.045, 0.04, skin),
                ball((0.36, 2.08, 0.05), 0.11, COLORS["magenta"] if tint.color != COLORS["magenta"] else GOLD),
                limb((0.26, 0.82, 0), (0.58, 0.6 + wave, 0.16), 0.09, 0.08, skin),
                ball((0.62, 0.58 + wave, 0.19), 0.13, skin),
                limb((0.14, 0.26, 0), (0.18, 0.1, 0.04), 0.13, 0.11, skin),
                ball((0.2, 0.06, 0.12), (0.15, 0.08, 0.22), dark(skin, 0.15)),
            ]
        ),
    ]
    return Figure(
        parts, Wear((0, 1.76, -0.02), 0.27, eyes=(0, 1.34, 0.5), gaze=0.26, neck=(0, 0.93, 0), girth=0.22)
    )


def gingerbread_man(rng: Rng, tint: Tint) -> Figure:
    dough, lift = tint((0.78, 0.49, 0.24)), rng.uniform(-0.06, 0.16)
    icing = WHITE if tint.color not in (COLORS["white"], COLORS["beige"]) else COLORS["red"]
    parts = [
        tube((0, 1.42, -0.15), (0, 1.42, 0.15), 0.46, 0.46, dough, 0.1),
        limb((0, 0.58, 0), (0, 1.0, 0), 0.38, 0.3, dough, flat=0.42),
        *[ball((0, y, 0.17), (0.07, 0.07, 0.045), COLORS[name]) for y, name in (
            (1.0, "red"), (0.79, "green"), (0.58, "red"),
        )],
        *[ball((0.24 * np.sin(a), 1.42 - 0.24 * np.cos(a), 0.15), (0.045, 0.04, 0.03), icing)
          for a in np.radians(np.arange(-50, 51, 20))],
        *mirrored(
            [
                limb((0.16, 0.98, 0), (0.66, 1.02 + lift, 0), 0.2, 0.18, dough, flat=0.7),
                limb((0.17, 0.5, 0), (0.34, 0.16, 0), 0.23, 0.2, dough, flat=0.65),
                ring((0.6, 1.02 + 0.88 * lift, 0), 0.185, 0.04, icing, (0, 0, 90), (1, 1, 0.72)),
                ring((0.31, 0.22, 0), 0.21, 0.04, icing, (0, 0, 22), (1, 1, 0.66)),
                ball((0.27, 1.32, 0.14), (0.075, 0.055, 0.03), BLUSH),
            ]
        ),
        *eyes(0.16, 1.5, 0.15, 0.06, dough),
    ]
    return Figure(
        parts, Wear((0, 1.85, 0), 0.24, eyes=(0, 1.5, 0.2), gaze=0.16, neck=(0, 1.1, 0), girth=0.25)
    )


CHARACTERS = {
    "snowman": snowman, "robot": robot, "ghost": ghost, "astronaut": astronaut, "wizard": wizard, "knight": knight,
    "alien": alien, "gingerbread man": gingerbread_man,
}  # fmt: skip
