"""The animals. All face +Z; +X is their left."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    BLUSH, CREAM, GOLD, INK, PINK, RGB, WHITE, Figure, Room, Tint, Wear, dark, eyes, light, mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import Pattern, Primitive, ball, limb, mirrored, moved, ring, tube

Rng = np.random.Generator



def legs(x: float, front: float, back: float, height: float, size: float, color: RGB, paw: RGB) -> list[Primitive]:
    """Four short legs with paws from the ground up."""
    parts = []
    for z in (front, back):
        parts.append(limb((x, height, z), (x, size, z), 1.15 * size, size, color))
        parts.append(ball((x, 0.62 * size, z + 0.25 * size), (1.15 * size, 0.65 * size, 1.3 * size), paw))
    return mirrored(parts)


def corgi(rng: Rng, tint: Tint) -> Figure:
    coat = tint((0.88, 0.57, 0.27))
    long, ear = rng.uniform(0.92, 1.08), rng.uniform(0.95, 1.1)
    body = [
        limb((0, 0.6, -0.62 * long), (0, 0.64, 0.3), 0.4, 0.4, WHITE).painted(Pattern.FRONT, -0.25, coat),
        ball((0, 0.66, 0.42), (0.4, 0.43, 0.36), WHITE),
        *mirrored([ball((0.2, 0.88, 0.5), (0.2, 0.2, 0.2), WHITE)]),
        *mirrored([ball((0.15, 0.56, -0.84 * long), (0.24, 0.27, 0.24), WHITE)]),
        ball((0, 0.86, -0.98 * long), (0.15, 0.16, 0.15), coat),
        *legs(0.24, 0.38, -0.62 * long, 0.45, 0.155, WHITE, WHITE),
    ]
    head = [
        ball((0, 0, 0), (0.5, 0.43, 0.42), coat),
        *mirrored([ball((0.24, -0.16, 0.16), (0.25, 0.22, 0.24), WHITE)]),
        ball((0, -0.12, 0.38), (0.2, 0.17, 0.24), WHITE),
        ball((0, 0.16, 0.27), (0.085, 0.25, 0.17), WHITE, tilt=(-24, 0, 0)),
        ball((0, -0.02, 0.6), (0.1, 0.075, 0.07), INK),
        ball((0, -0.26, 0.46), (0.09, 0.05, 0.12), PINK, tilt=(35, 0, 0)),
        *eyes(0.2, 0.09, 0.36, 0.08, coat),
        *mirrored(
            [
                limb((0.3, 0.25, -0.04), (0.5, 0.72 * ear, -0.06), 0.22, 0.075, coat, flat=0.5),
                limb((0.31, 0.28, 0.03), (0.48, 0.63 * ear, 0.01), 0.145, 0.055, (0.98, 0.8, 0.72), flat=0.5),
            ]
        ),
    ]
    return Figure(
        body + moved(head, (0, 1.27, 0.5)),
        Wear((0, 1.65, 0.47), 0.3, eyes=(0, 1.36, 0.9), gaze=0.2, neck=(0, 0.92, 0.42), girth=0.39),
    )


def cat(rng: Rng, tint: Tint) -> Figure:
    coat = tint((0.97, 0.66, 0.32))
    stripe, curl = dark(coat, 0.22), rng.uniform(0.9, 1.15)
    body = [
        limb((0, 0.62, -0.5), (0, 0.66, 0.28), 0.36, 0.33, coat),
        ball((0, 0.62, 0.4), (0.25, 0.3, 0.22), light(coat, 0.7)),
        *[ring((0, 0.63, z), 0.31, 0.06, stripe, (90, 0, 0)) for z in (-0.5, -0.22)],
        *legs(0.2, 0.32, -0.52, 0.5, 0.13, coat, light(coat, 0.7)),
        limb((0, 0.75, -0.78), (0.12, 1.15 * curl, -1.12), 0.11, 0.1, coat),
        limb((0.12, 1.15 * curl, -1.12), (0.05, 1.5 * curl, -0.98), 0.1, 0.1, stripe),
    ]
    head = [
        ball((0, 0, 0), (0.5, 0.42, 0.4), coat),
        *mirrored([ball((0.1, -0.13, 0.33), (0.13, 0.1, 0.12), light(coat, 0.75))]),
        ball((0, -0.06, 0.43), (0.065, 0.05, 0.05), PINK),
        *mirrored([ball((0.34, -0.13, 0.24), (0.09, 0.06, 0.07), BLUSH)]),
        *eyes(0.2, 0.05, 0.345, 0.09, coat),
        *[ball((x, 0.33, 0.22), (0.045, 0.14, 0.1), stripe, tilt=(-40, 0, 0)) for x in (-0.12, 0, 0.12)],
        *mirrored(
            [
                tube((0.26, 0.24, 0), (0.38, 0.66, 0), 0.22, 0.03, coat, 0.04, flat=0.55),
                tube((0.27, 0.24, 0.08), (0.37, 0.57, 0.05), 0.14, 0.02, PINK, 0.03, flat=0.5),
            ]
        ),
    ]
    return Figure(
        body + moved(head, (0, 1.2, 0.42)),
        Wear((0, 1.57, 0.4), 0.26, eyes=(0, 1.25, 0.8), gaze=0.2, neck=(0, 0.87, 0.37), girth=0.3),
    )


def rabbit(rng: Rng, tint: Tint) -> Figure:
    coat = tint((0.95, 0.92, 0.9))
    ear = rng.uniform(0.9, 1.15)
    parts = [
        ball((0, 0.5, -0.08), (0.48, 0.5, 0.5), coat),
        ball((0, 0.48, 0.2), (0.33, 0.36, 0.25), light(coat, 0.6)),
        ball((0, 0.35, -0.58), 0.2, WHITE),
        *mirrored(
            [
                ball((0.3, 0.11, 0.28), (0.17, 0.12, 0.32), light(coat, 0.4)),
                limb((0.3, 0.72, 0.18), (0.2, 0.48, 0.42), 0.12, 0.12, coat),
            ]
        ),
        ball((0, 1.18, 0.06), (0.47, 0.42, 0.42), coat),
        *mirrored(
            [
                ball((0.1, 1.05, 0.42), (0.12, 0.1, 0.11), WHITE),
                ball((0.32, 1.06, 0.33), (0.09, 0.06, 0.06), BLUSH),
                limb((0.19, 1.5, 0), (0.28, 2.05 * ear, -0.08), 0.14, 0.13, coat, flat=0.6),
                limb((0.19, 1.5, 0.05), (0.28, 2.02 * ear, -0.03), 0.08, 0.08, PINK, flat=0.6),
            ]
        ),
        ball((0, 1.12, 0.5), (0.07, 0.055, 0.05), PINK),
        *eyes(0.19, 1.23, 0.41, 0.085, coat),
    ]
    return Figure(
        parts, Wear((0, 1.56, 0.04), 0.2, eyes=(0, 1.23, 0.48), gaze=0.19, neck=(0, 0.86, 0.02), girth=0.33)
    )


def bear(rng: Rng, tint: Tint) -> Figure:
    coat = tint((0.65, 0.42, 0.25))
    pale, arm = mixed(coat, CREAM, 0.65), rng.uniform(-0.1, 0.12)
    parts = [
        ball((0, 0.58, 0), (0.5, 0.56, 0.44), coat),
        ball((0, 0.54, 0.2), (0.34, 0.38, 0.28), pale),
        *mirrored(
            [
                limb((0.3, 0.2, 0.1), (0.42, 0.22, 0.52), 0.2, 0.2, coat),
                ball((0.43, 0.23, 0.68), (0.15, 0.16, 0.07), pale),
                limb((0.4, 0.85, 0.05), (0.64, 0.55 + arm, 0.28), 0.17, 0.16, coat),
                ball((0.4, 1.72, 0), (0.2, 0.2, 0.13), coat),
                ball((0.4, 1.72, 0.09), (0.12, 0.12, 0.08), pale),
                ball((0.33, 1.26, 0.33), (0.09, 0.06, 0.06), BLUSH),
            ]
        ),
        ball((0, 1.4, 0.04), (0.52, 0.46, 0.43), coat),
        ball((0, 1.28, 0.38), (0.22, 0.18, 0.17), pale),
        ball((0, 1.36, 0.54), (0.09, 0.07, 0.06), INK),
        ball((0, 0.35, -0.45), 0.13, coat),
        *eyes(0.2, 1.47, 0.41, 0.075, coat),
    ]
    return Figure(
        parts, Wear((0, 1.81, 0.02), 0.28, eyes=(0, 1.47, 0.48), gaze=0.2, neck=(0, 1.02, 0.02), girth=0.39)
    )


def pig(rng: Rng, tint: Tint) -> Figure:
    skin = tint((0.98, 0.68, 0.71))
    deep, plump = dark(skin, 0.15), rng.uniform(0.95, 1.08)
    body = [
        ball((0, 0.62, -0.15), (0.5 * plump, 0.48, 0.66), skin),
        *legs(0.25, 0.22, -0.5, 0.4, 0.15, skin, deep),
        ring((0, 0.8, -0.83), 0.1, 0.045, deep, (0, 0, 90)),
    ]
    head = [
        ball((0, 0, 0), (0.47, 0.42, 0.4), skin),
        tube((0, -0.05, 0.25), (0, -0.05, 0.53), 0.2, 0.18, deep, 0.05),
        *mirrored(
            [
                ball((0.075, -0.05, 0.53), (0.04, 0.06, 0.03), dark(skin, 0.5)),
                ball((0.33, -0.12, 0.27), (0.09, 0.06, 0.05), BLUSH),
                tube((0.26, 0.27, 0.05), (0.42, 0.52, 0.18), 0.19, 0.03, deep, 0.04, flat=0.5),
            ]
        ),
        *eyes(0.2, 0.13, 0.34, 0.075, skin),
    ]
    return Figure(
        body + moved(head, (0, 0.98, 0.52)),
        Wear((0, 1.34, 0.5), 0.25, eyes=(0, 1.11, 0.9), gaze=0.2, neck=(0, 0.74, 0.36), girth=0.42),
        seat=Room((0, 1.08, -0.3)),
    )


def sheep(rng: Rng, tint: Tint) -> Figure:
    wool, face = tint((0.96, 0.94, 0.9)), (0.36, 0.3, 0.3)
    parts: list[Primitive] = [ball((0, 0.72, -0.12), (0.44, 0.42, 0.55), wool)]
    for i, azimuth in enumerate(np.arange(0, 360, 45) + rng.uniform(0, 20)):
        a = np.radians(azimuth)
        height = 0.58 if i % 2 else 0.82
        parts.append(ball((0.34 * np.sin(a), height, -0.12 + 0.44 * np.cos(a)), 0.24, wool))
    parts += [ball((x, 1.06, z), 0.22, wool) for x, z in ((0.15, 0.1), (-0.15, 0.05), (0.12, -0.35), (-0.14, -0.32))]
    parts += legs(0.22, 0.2, -0.42, 0.4, 0.11, face, face)
    head = [
        ball((0, 0, 0), (0.3, 0.36, 0.3), face),
        *mirrored([ball((0.36, 0.06, -0.03), (0.17, 0.09, 0.08), face, tilt=(0, 0, -20))]),
        *[ball((x, 0.3, z), 0.17, wool) for x, z in ((0.15, 0.02), (-0.15, 0.02), (0, 0.1), (0, -0.1))],
        ball((0, -0.13, 0.29), (0.06, 0.045, 0.04), PINK),
        *mirrored([ball((0.19, -0.12, 0.22), (0.06, 0.045, 0.04), BLUSH)]),
        *eyes(0.14, 0.03, 0.24, 0.05, face, white=True),
    ]
    return Figure(
        parts + moved(head, (0, 1.08, 0.52)),
        Wear((0, 1.5, 0.54), 0.24, eyes=(0, 1.11, 0.84), gaze=0.15, neck=(0, 0.8, 0.42), girth=0.3),
        seat=Room((0, 1.26, -0.2)),
    )


def turtle(rng: Rng, tint: Tint) -> Figure:
    skin, shell = tint((0.52, 0.78, 0.42)), (0.62, 0.44, 0.27)
    tall = rng.uniform(0.52, 0.64)
    spot = mixed(shell, CREAM, 0.35)
    parts = [
        ball((0, 0.3, -0.1), (0.66, tall, 0.74), shell, cut=0.02),
        ring((0, 0.31, -0.1), 0.62, 0.1, mixed(shell, CREAM, 0.55), scale=(1, 1, 1.12)),
        ball((0, 0.28, -0.1), (0.6, 0.16, 0.68), CREAM),
        ball((0, 0.3 + 0.83 * tall, -0.1), (0.24, 0.13, 0.26), spot),
        *[
            ball((0.45 * np.sin(a), 0.3 + 0.6 * tall, -0.1 + 0.5 * np.cos(a)), (0.16, 0.15, 0.16), spot)
            for a in np.radians([30, 90, 150, 210, 270, 330])
        ],
        *mirrored(
            [
                limb((0.42, 0.25, 0.4), (0.6, 0.12, 0.56), 0.15, 0.13, skin),
                limb((0.42, 0.25, -0.55), (0.56, 0.12, -0.7), 0.15, 0.13, skin),
                ball((0.24, 0.64, 0.98), (0.07, 0.05, 0.05), BLUSH),
            ]
        ),
        limb((0, 0.28, -0.8), (0, 0.22, -0.98), 0.1, 0.06, skin),
        limb((0, 0.32, 0.5), (0, 0.66, 0.76), 0.18, 0.2, skin),
        ball((0, 0.75, 0.82), (0.33, 0.3, 0.3), skin),
        *eyes(0.16, 0.8, 1.05, 0.075, skin),
    ]
    return Figure(
        parts,
        Wear((0, 1.0, 0.8), 0.2, eyes=(0, 0.8, 1.12), gaze=0.16, neck=(0, 0.49, 0.66), girth=0.22),
        seat=Room((0, 0.3 + tall, -0.12)),
    )


def frog(rng: Rng, tint: Tint) -> Figure:
    skin = tint((0.45, 0.76, 0.33))
    belly, wide = mixed(skin, CREAM, 0.75), rng.uniform(0.95, 1.08)
    parts = [
        ball((0, 0.45, -0.08), (0.5, 0.44, 0.5), skin),
        ball((0, 0.4, 0.14), (0.37, 0.35, 0.34), belly),
        ball((0, 0.92, 0.12), (0.56 * wide, 0.36, 0.42), skin),
        ball((0, 0.84, 0.17), (0.53 * wide, 0.27, 0.4), belly),
        *mirrored(
            [
                ball((0.47, 0.3, -0.12), (0.2, 0.28, 0.34), skin),
                ball((0.5, 0.07, 0.2), (0.2, 0.08, 0.25), dark(skin, 0.1)),
                limb((0.3, 0.5, 0.3), (0.26, 0.12, 0.44), 0.1, 0.1, skin),
                ball((0.26, 0.07, 0.52), (0.15, 0.07, 0.16), dark(skin, 0.1)),
                ball((0.3, 1.24, 0.14), 0.2, skin),
                ball((0.42, 0.88, 0.42), (0.08, 0.055, 0.05), BLUSH),
            ]
        ),
        *eyes(0.3, 1.28, 0.27, 0.09, skin, white=True),
    ]
    return Figure(
        parts, Wear((0, 1.2, 0.06), 0.24, eyes=(0, 1.28, 0.38), gaze=0.3, neck=(0, 0.6, 0.06), girth=0.42)
    )


def bee(rng: Rng, tint: Tint) -> Figure:
    coat = tint(GOLD)
    stripe, flap = GOLD if sum(coat) < 1.1 else INK, rng.uniform(-10, 15)
    parts = [
        limb((0, 0.6, -0.42), (0, 0.66, 0.28), 0.36, 0.42, coat),
        *[ring((0, 0.615, z), r, 0.075, stripe, (90, 0, 0)) for z, r in ((-0.5, 0.31), (-0.18, 0.35), (0.13, 0.375))],
        tube((0, 0.6, -0.72), (0, 0.6, -1.0), 0.12, 0.02, INK, 0.03),
        *mirrored(
            [
                ball((0.42, 1.08, -0.1), (0.4, 0.07, 0.24), (0.86, 0.94, 0.99), tilt=(0, 20, 35 + flap)),
                limb((0.13, 0.98, 0.5), (0.2, 1.3, 0.62), 0.045, 0.045, INK),
                ball((0.2, 1.32, 0.63), 0.085, INK),
                ball((0.28, 0.56, 0.58), (0.08, 0.055, 0.05), BLUSH),
            ]
        ),
        *eyes(0.17, 0.72, 0.66, 0.08, coat),
    ]
    return Figure(
        parts, Wear((0, 1.05, 0.3), 0.24, eyes=(0, 0.72, 0.72), gaze=0.17), room=Room((0, -1.1, 0), 0.75, 1.05)
    )


ANIMALS = {
    "corgi": corgi, "cat": cat, "rabbit": rabbit, "bear": bear, "pig": pig, "sheep": sheep, "turtle": turtle,
    "frog": frog, "bee": bee,
}  # fmt: skip
