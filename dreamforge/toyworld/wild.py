"""Wild animals. All face +Z; +X is their left."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.animals import legs
from dreamforge.toyworld.figure import (
    BLACK, BLUSH, COLORS, CREAM, GRAY, INK, PINK, WHITE, Figure, Room, Tint, Wear, dark, eyes, light, mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import ball, limb, mirrored, moved

Rng = np.random.Generator



def elephant(rng: Rng, tint: Tint) -> Figure:
    skin = tint((0.60, 0.66, 0.75))
    inner, swing = mixed(skin, PINK, 0.6), rng.uniform(-0.08, 0.12)
    body = [
        ball((0, 0.78, -0.25), (0.52, 0.5, 0.62), skin),
        *legs(0.28, 0.1, -0.55, 0.5, 0.19, skin, light(skin, 0.35)),
        limb((0, 0.95, -0.82), (0, 0.6, -0.98), 0.07, 0.06, skin),
    ]
    head = [
        ball((0, 0, 0), (0.46, 0.45, 0.42), skin),
        limb((0, -0.1, 0.3), (0, -0.42, 0.5), 0.17, 0.14, skin),
        limb((0, -0.42, 0.5), (0, -0.56 + swing, 0.76), 0.14, 0.11, skin),
        *mirrored(
            [
                ball((0.56, 0.05, -0.1), (0.36, 0.4, 0.1), skin, tilt=(0, 25, 0)),
                ball((0.57, 0.03, -0.04), (0.26, 0.3, 0.08), inner, tilt=(0, 25, 0)),
                limb((0.19, -0.22, 0.3), (0.24, -0.36, 0.52), 0.07, 0.05, WHITE),
                ball((0.31, -0.1, 0.3), (0.08, 0.055, 0.05), BLUSH),
            ]
        ),
        *eyes(0.2, 0.09, 0.36, 0.075, skin),
    ]
    return Figure(
        body + moved(head, (0, 1.22, 0.38)),
        Wear((0, 1.61, 0.34), 0.28, eyes=(0, 1.31, 0.78), gaze=0.2, neck=(0, 0.95, 0.18), girth=0.47),
        seat=Room((0, 1.26, -0.3)),
    )


def lion(rng: Rng, tint: Tint) -> Figure:
    coat, curl = tint((0.95, 0.73, 0.36)), rng.uniform(0.9, 1.15)
    mane = (0.66, 0.34, 0.14) if tint.color != COLORS["brown"] else COLORS["orange"]
    pale = mixed(coat, CREAM, 0.65)
    tufts = [
        ball((0.5 * np.sin(a), 0.02 + 0.48 * np.cos(a), -0.08), (0.23, 0.23, 0.2), mane)
        for a in np.radians(np.arange(0, 360, 30))
    ]
    head = [
        ball((0, 0.02, -0.12), (0.56, 0.54, 0.3), mane),
        *tufts,
        ball((0, 0, 0.1), (0.44, 0.4, 0.36), coat),
        ball((0, -0.12, 0.42), (0.19, 0.14, 0.14), pale),
        ball((0, -0.04, 0.55), (0.085, 0.06, 0.05), INK),
        *mirrored(
            [
                ball((0.38, 0.42, 0.06), (0.15, 0.15, 0.09), coat),
                ball((0.38, 0.41, 0.13), (0.08, 0.08, 0.05), PINK),
                ball((0.3, -0.12, 0.36), (0.08, 0.055, 0.05), BLUSH),
            ]
        ),
        *eyes(0.17, 0.08, 0.42, 0.075, coat),
    ]
    parts = [
        limb((0, 0.62, -0.55), (0, 0.66, 0.25), 0.36, 0.36, coat),
        *legs(0.22, 0.3, -0.58, 0.5, 0.15, coat, pale),
        limb((0, 0.75, -0.85), (0.14, 1.15 * curl, -1.15), 0.08, 0.07, coat),
        ball((0.16, 1.24 * curl, -1.17), (0.14, 0.18, 0.14), mane),
        *moved(head, (0, 1.2, 0.42)),
    ]
    return Figure(
        parts, Wear((0, 1.78, 0.36), 0.3, eyes=(0, 1.28, 0.9), gaze=0.18, neck=(0, 0.74, 0.42), girth=0.36)
    )


def panda(rng: Rng, tint: Tint) -> Figure:
    coat, arm = tint(WHITE), rng.uniform(-0.1, 0.12)
    patch = BLACK if tint.color != COLORS["black"] else WHITE
    parts = [
        ball((0, 0.58, 0), (0.52, 0.56, 0.46), coat),
        ball((0, 0.88, 0), (0.47, 0.26, 0.4), patch),
        ball((0, 1.4, 0.04), (0.55, 0.47, 0.45), coat),
        ball((0, 1.27, 0.4), (0.17, 0.13, 0.13), coat),
        ball((0, 1.33, 0.51), (0.085, 0.06, 0.05), INK),
        ball((0, 0.34, -0.47), 0.14, coat),
        *mirrored(
            [
                limb((0.3, 0.2, 0.1), (0.42, 0.22, 0.54), 0.21, 0.2, patch),
                ball((0.43, 0.23, 0.7), (0.13, 0.14, 0.06), GRAY),
                limb((0.4, 0.88, 0.05), (0.62, 0.55 + arm, 0.3), 0.18, 0.16, patch),
                ball((0.41, 1.77, 0), (0.19, 0.19, 0.12), patch),
                ball((0.22, 1.43, 0.37), (0.14, 0.17, 0.09), patch, tilt=(0, 18, 30)),
                ball((0.2, 1.45, 0.45), (0.075, 0.085, 0.05), WHITE),
                ball((0.19, 1.45, 0.485), (0.05, 0.06, 0.03), INK),
                ball((0.35, 1.24, 0.34), (0.08, 0.055, 0.05), BLUSH),
            ]
        ),
    ]
    return Figure(
        parts, Wear((0, 1.82, 0.02), 0.28, eyes=(0, 1.45, 0.5), gaze=0.2, neck=(0, 1.02, 0.02), girth=0.4)
    )


def giraffe(rng: Rng, tint: Tint) -> Figure:
    coat, tall = tint((0.98, 0.79, 0.38)), rng.uniform(0.92, 1.08)
    mark = (0.62, 0.36, 0.17) if tint.color != COLORS["brown"] else CREAM
    up = 1.72 * tall
    spots = [ball((s * x, y, z), (0.07, 0.11, 0.11), mark) for x, y, z in (
        (0.31, 0.92, -0.4), (0.33, 0.82, -0.12), (0.31, 0.98, -0.1), (0.31, 0.9, 0.16),
    ) for s in (1, -1)]
    spots += [ball((s * 0.13, 1.05 + (up - 1.05) * t, 0.22 + 0.22 * t), (0.06, 0.1, 0.08), mark)
              for t, s in ((0.2, 1), (0.3, -1), (0.55, 1), (0.65, -1))]
    head = [
        ball((0, 0, 0), (0.28, 0.26, 0.27), coat),
        ball((0, -0.1, 0.26), (0.2, 0.16, 0.22), light(coat, 0.6)),
        *mirrored(
            [
                limb((0.12, 0.2, -0.04), (0.15, 0.42, -0.06), 0.045, 0.045, coat),
                ball((0.155, 0.46, -0.06), 0.075, mark),
                ball((0.36, 0.1, -0.06), (0.17, 0.08, 0.06), coat, tilt=(0, 0, 20)),
                ball((0.07, -0.06, 0.46), (0.025, 0.03, 0.02), mark),
                ball((0.2, -0.06, 0.24), (0.05, 0.04, 0.04), BLUSH),
            ]
        ),
        *eyes(0.17, 0.08, 0.21, 0.06, coat),
    ]
    parts = [
        ball((0, 0.86, -0.1), (0.34, 0.32, 0.5), coat),
        limb((0, 0.95, 0.22), (0, up, 0.44), 0.22, 0.15, coat),
        *[limb((0, 1.2 + 0.22 * i, 0.1 + 0.09 * i), (0, 1.3 + 0.22 * i, 0.13 + 0.09 * i), 0.08, 0.08, mark)
          for i in range(3)],
        *spots,
        *legs(0.2, 0.16, -0.36, 0.8, 0.11, coat, mark),
        limb((0, 0.95, -0.55), (0, 0.6, -0.72), 0.05, 0.045, coat),
        ball((0, 0.54, -0.73), (0.08, 0.12, 0.08), mark),
        *moved(head, (0, up + 0.12, 0.52)),
    ]
    return Figure(
        parts,
        Wear((0, up + 0.36, 0.5), 0.17, eyes=(0, up + 0.2, 0.76), gaze=0.17, neck=(0, up - 0.14, 0.42), girth=0.18),
    )


def octopus(rng: Rng, tint: Tint) -> Figure:
    skin, curl = tint((0.79, 0.45, 0.82)), rng.uniform(0.0, 0.16)
    arms = []
    for a in np.radians(np.arange(22.5, 360, 45)):
        x, z = np.sin(a), np.cos(a)
        arms.append(limb((0.3 * x, 0.5, 0.3 * z), (0.6 * x, 0.14, 0.6 * z), 0.21, 0.15, skin))
        arms.append(limb((0.6 * x, 0.14, 0.6 * z), (0.92 * x, 0.14 + curl, 0.92 * z), 0.15, 0.07, skin))
        arms.append(ball((0.72 * x, 0.05, 0.72 * z), (0.08, 0.05, 0.08), light(skin, 0.7)))
    parts = [
        ball((0, 1.1, -0.04), (0.58, 0.6, 0.54), skin),
        ball((0, 0.66, 0), (0.46, 0.34, 0.44), skin),
        *arms,
        ball((0, 0.8, 0.46), (0.07, 0.06, 0.05), dark(PINK, 0.45)),
        *[ball((x, y, z), s, light(skin, 0.35)) for x, y, z, s in (
            (0.2, 1.62, 0.12, 0.1), (0.05, 1.66, -0.12, 0.08), (-0.24, 1.58, -0.02, 0.09), (0.0, 1.4, -0.52, 0.1),
            (0.26, 1.25, -0.48, 0.08),
        )],
        *mirrored([ball((0.34, 0.82, 0.36), (0.09, 0.06, 0.05), BLUSH)]),
        *eyes(0.2, 0.98, 0.45, 0.1, skin, white=True),
    ]
    return Figure(
        parts, Wear((0, 1.66, -0.04), 0.3, eyes=(0, 0.99, 0.55), gaze=0.21, neck=(0, 0.66, 0), girth=0.46)
    )


WILD = {"elephant": elephant, "lion": lion, "panda": panda, "giraffe": giraffe, "octopus": octopus}
