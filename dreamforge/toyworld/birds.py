"""Birds, sea animals and a dinosaur. All face +Z; +X is their left."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    BLUSH, COLORS, CREAM, GOLD, ORANGE, WHITE, Figure, Tint, Wear, dark, eyes, light, mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import ball, limb, mirrored, tube

Rng = np.random.Generator


def duck(rng: Rng, tint: Tint) -> Figure:
    coat = tint(COLORS["yellow"])
    tail = rng.uniform(0.95, 1.15)
    bill = ORANGE if tint.color != COLORS["orange"] else COLORS["yellow"]
    parts = [
        ball((0, 0.5, -0.05), (0.5, 0.42, 0.62), coat),
        limb((0, 0.6, -0.45), (0, 0.88 * tail, -0.82), 0.26, 0.07, coat),
        ball((0, 1.14, 0.34), (0.42, 0.4, 0.4), coat),
        limb((0, 0.6, 0.25), (0, 0.9, 0.32), 0.32, 0.3, coat),
        ball((0, 1.07, 0.76), (0.2, 0.07, 0.24), bill, tilt=(-8, 0, 0)),
        ball((0, 1.0, 0.72), (0.16, 0.05, 0.18), dark(bill, 0.18), tilt=(8, 0, 0)),
        *mirrored(
            [
                ball((0.47, 0.58, -0.12), (0.13, 0.25, 0.4), dark(coat, 0.1), tilt=(14, 0, -8)),
                ball((0.3, 1.05, 0.62), (0.08, 0.055, 0.05), BLUSH),
                limb((0.2, 0.2, 0.02), (0.22, 0.06, 0.06), 0.08, 0.07, bill),
                ball((0.22, 0.04, 0.16), (0.17, 0.06, 0.22), bill),
            ]
        ),
        ball((0, 1.56, 0.28), (0.07, 0.12, 0.07), coat, tilt=(-25, 0, 0)),
        *eyes(0.2, 1.24, 0.66, 0.08, coat),
    ]
    return Figure(
        parts, Wear((0, 1.48, 0.32), 0.26, eyes=(0, 1.24, 0.74), gaze=0.19, neck=(0, 0.83, 0.31), girth=0.33)
    )


def penguin(rng: Rng, tint: Tint) -> Figure:
    coat = tint((0.22, 0.25, 0.33))
    wing = rng.uniform(10, 32)
    parts = [
        ball((0, 0.75, 0), (0.52, 0.72, 0.48), coat),
        ball((0, 0.68, 0.15), (0.42, 0.6, 0.38), WHITE),
        ball((0, 1.4, 0.03), (0.45, 0.42, 0.41), coat),
        *mirrored(
            [
                ball((0.16, 1.38, 0.22), (0.22, 0.26, 0.24), WHITE),
                ball((0.57, 0.8, 0), (0.09, 0.4, 0.2), coat, tilt=(0, 0, wing)),
                ball((0.22, 0.06, 0.28), (0.19, 0.08, 0.26), ORANGE),
                ball((0.29, 1.27, 0.39), (0.08, 0.055, 0.04), BLUSH),
            ]
        ),
        tube((0, 1.32, 0.36), (0, 1.29, 0.64), 0.12, 0.03, ORANGE, 0.03),
        limb((0, 0.25, -0.35), (0, 0.12, -0.58), 0.16, 0.08, coat),
        *eyes(0.17, 1.43, 0.43, 0.07, WHITE),
    ]
    return Figure(
        parts, Wear((0, 1.75, 0.02), 0.27, eyes=(0, 1.43, 0.49), gaze=0.18, neck=(0, 1.1, 0.02), girth=0.4)
    )


def owl(rng: Rng, tint: Tint) -> Figure:
    coat = tint((0.62, 0.43, 0.28))
    pale, wing = mixed(coat, CREAM, 0.7), rng.uniform(6, 18)
    parts = [
        ball((0, 0.66, 0), (0.54, 0.64, 0.48), coat),
        ball((0, 0.54, 0.2), (0.38, 0.45, 0.33), pale),
        *[ball((x, y, z), (0.08, 0.06, 0.04), mixed(coat, CREAM, 0.2)) for x, y, z in (
            (0, 0.7, 0.52), (0.17, 0.62, 0.49), (-0.17, 0.62, 0.49),
            (0, 0.5, 0.53), (0.15, 0.4, 0.47), (-0.15, 0.4, 0.47),
        )],
        ball((0, 1.28, 0.04), (0.55, 0.42, 0.44), coat),
        *mirrored(
            [
                ball((0.22, 1.3, 0.33), (0.25, 0.25, 0.15), pale),
                tube((0.34, 1.5, 0.06), (0.5, 1.85, 0.06), 0.2, 0.03, coat, 0.04, flat=0.6),
                ball((0.53, 0.68, -0.04), (0.12, 0.44, 0.32), dark(coat, 0.18), tilt=(0, 0, wing)),
                ball((0.18, 0.05, 0.28), (0.14, 0.08, 0.18), ORANGE),
            ]
        ),
        tube((0, 1.24, 0.42), (0, 1.12, 0.56), 0.1, 0.02, ORANGE, 0.03),
        limb((0, 0.3, -0.3), (0, 0.1, -0.52), 0.2, 0.14, dark(coat, 0.18)),
        *eyes(0.21, 1.31, 0.42, 0.1, pale, white=True),
    ]
    return Figure(
        parts, Wear((0, 1.64, 0.02), 0.27, eyes=(0, 1.31, 0.53), gaze=0.21, neck=(0, 0.98, 0.02), girth=0.44)
    )


def fish(rng: Rng, tint: Tint) -> Figure:
    coat = tint(COLORS["orange"])
    fin, plump = mixed(coat, GOLD, 0.55), rng.uniform(0.92, 1.08)
    parts = [
        ball((0, 0, 0.05), (0.4 * plump, 0.52, 0.72), coat),
        *[ball((0, 0, z), (w * plump, h, 0.085), WHITE) for z, w, h in ((0.26, 0.41, 0.53), (-0.28, 0.38, 0.485))],
        limb((0, 0.05, -0.6), (0, 0.42, -1.0), 0.14, 0.2, fin),
        limb((0, -0.05, -0.6), (0, -0.42, -1.0), 0.14, 0.2, fin),
        limb((0, 0.42, 0.14), (0, 0.62, -0.3), 0.16, 0.1, fin),
        limb((0, -0.42, 0.05), (0, -0.62, -0.2), 0.1, 0.08, fin),
        *mirrored(
            [
                ball((0.46, -0.12, 0.05), (0.08, 0.16, 0.26), fin, tilt=(0, -35, 0)),
                ball((0.25, -0.07, 0.62), (0.06, 0.05, 0.05), BLUSH),
            ]
        ),
        ball((0, -0.12, 0.74), (0.13, 0.08, 0.07), light(coat, 0.45)),
        *eyes(0.22, 0.13, 0.6, 0.1, coat, white=True),
    ]
    return Figure(parts, Wear((0, 0.5, 0.24), 0.24, eyes=(0, 0.13, 0.76), gaze=0.24))


def whale(rng: Rng, tint: Tint) -> Figure:
    coat = tint((0.33, 0.56, 0.86))
    spout, lift = (0.72, 0.9, 0.99), rng.uniform(0.9, 1.1)
    parts = [
        ball((0, 0.5, 0.1), (0.62, 0.52, 0.78), coat),
        ball((0, 0.36, 0.16), (0.59, 0.42, 0.74), light(coat, 0.78)),
        limb((0, 0.5, -0.4), (0, 0.78 * lift, -0.98), 0.36, 0.12, coat),
        *mirrored(
            [
                ball((0.24, 0.88 * lift, -1.1), (0.28, 0.09, 0.19), coat, tilt=(-20, 25, 15)),
                ball((0.68, 0.26, 0.1), (0.28, 0.08, 0.2), coat, tilt=(0, 25, -28)),
                ball((0.44, 0.42, 0.66), (0.09, 0.06, 0.06), BLUSH),
                limb((0.05, 1.22, 0.02), (0.2, 1.36, 0.02), 0.08, 0.11, spout),
            ]
        ),
        limb((0, 1.0, 0.02), (0, 1.2, 0.02), 0.08, 0.08, spout),
        *eyes(0.34, 0.56, 0.745, 0.075, coat),
    ]
    return Figure(parts, Wear((0, 0.93, 0.5), 0.25, eyes=(0, 0.56, 0.83), gaze=0.32))


def dinosaur(rng: Rng, tint: Tint) -> Figure:
    skin = tint((0.36, 0.72, 0.55))
    belly, spike, tail = mixed(skin, CREAM, 0.75), mixed(skin, ORANGE, 0.75), rng.uniform(0.9, 1.15)
    parts = [
        limb((0, 0.55, -0.1), (0, 1.0, 0.08), 0.47, 0.3, skin),
        ball((0, 0.58, 0.17), (0.33, 0.42, 0.3), belly),
        limb((0, 0.5, -0.35), (0, 0.22, -1.0 * tail), 0.3, 0.08, skin),
        ball((0, 1.4, 0.14), (0.46, 0.4, 0.42), skin),
        ball((0, 1.28, 0.42), (0.33, 0.24, 0.28), skin),
        *[
            tube((0, y, z), (0, y + dy, z + dz), 0.15, 0.02, spike, 0.04)
            for y, z, dy, dz in (
                (1.7, -0.02, 0.2, -0.12), (1.4, -0.22, 0.12, -0.22), (1.02, -0.26, 0.1, -0.24),
                (0.74, -0.5, 0.14, -0.2), (0.46, -0.74, 0.18, -0.1),
            )
        ],
        *mirrored(
            [
                limb((0.28, 0.4, 0.02), (0.3, 0.16, 0.08), 0.21, 0.17, skin),
                ball((0.3, 0.07, 0.22), (0.18, 0.09, 0.24), skin),
                limb((0.32, 0.9, 0.2), (0.36, 0.76, 0.44), 0.11, 0.1, skin),
                ball((0.1, 1.36, 0.67), (0.03, 0.035, 0.03), dark(skin, 0.5)),
                ball((0.34, 1.22, 0.5), (0.08, 0.055, 0.05), BLUSH),
            ]
        ),
        *eyes(0.22, 1.5, 0.48, 0.08, skin),
    ]
    return Figure(
        parts, Wear((0, 1.73, 0.16), 0.27, eyes=(0, 1.49, 0.58), gaze=0.21, neck=(0, 1.08, 0.1), girth=0.29)
    )


BIRDS = {"duck": duck, "penguin": penguin, "owl": owl, "fish": fish, "whale": whale, "dinosaur": dinosaur}
