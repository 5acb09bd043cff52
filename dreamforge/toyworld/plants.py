"""Plants. Those with a face face +Z."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    BLUSH, COLORS, CREAM, GOLD, LEAF_DARK, PINK, WHITE, WOOD, Figure, Room, Tint, Wear, dark, eyes, light,
    mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import Pattern, Primitive, ball, limb, mirrored, tube

Rng = np.random.Generator


def tree(rng: Rng, tint: Tint) -> Figure:
    leaf, turn_ = tint((0.35, 0.68, 0.30)), rng.uniform(0, 72)
    parts: list[Primitive] = [
        tube((0, 0, 0), (0, 0.9, 0), 0.2, 0.14, WOOD, 0.04),
        limb((0.05, 0.55, 0.05), (0.32, 0.9, 0.12), 0.09, 0.07, WOOD),
        *[
            limb((0, 0.08, 0), (0.27 * np.sin(a), 0.05, 0.27 * np.cos(a)), 0.1, 0.05, WOOD)
            for a in np.radians([20, 140, 260])
        ],
        ball((0, 1.35, 0), (0.52, 0.5, 0.52), leaf),
        ball((0.05, 1.72, 0.02), (0.4, 0.36, 0.4), light(leaf, 0.1)),
    ]
    fruit = COLORS["red"] if tint.color not in (COLORS["red"], COLORS["pink"]) else GOLD
    for i, a in enumerate(np.radians(turn_ + np.arange(5) * 72)):
        x, z = np.sin(a), np.cos(a)
        y = 1.18 + 0.1 * (i % 2)
        parts.append(ball((0.42 * x, y, 0.42 * z), rng.uniform(0.34, 0.4), dark(leaf, 0.05 * (i % 2))))
        parts.append(ball((0.74 * x, y + 0.1, 0.74 * z), 0.075, fruit))
    return Figure(parts, Wear((0.05, 2.02, 0.02), 0.28), room=Room((0, 0, 0.58), 0.42, 0.86))


def mushroom(rng: Rng, tint: Tint) -> Figure:
    cap, wide = tint(COLORS["red"]), rng.uniform(0.74, 0.84)
    spot = WHITE if tint.color != COLORS["white"] else COLORS["red"]
    tall, base = 0.62, 0.72
    parts = [
        limb((0, 0.26, 0), (0, 0.78, 0), 0.32, 0.24, CREAM),
        ball((0, base, 0), (wide, tall, wide), cap, cut=0.0),
        ball((0, base, 0), (wide, 0.09, wide), cap),
        ball((0, base - 0.03, 0), (0.86 * wide, 0.09, 0.86 * wide), mixed(CREAM, PINK, 0.25)),
        *mirrored([ball((0.17, 0.31, 0.28), (0.06, 0.045, 0.04), BLUSH)]),
        ball((0, 0.3, 0.305), (0.035, 0.035, 0.03), dark(PINK, 0.35)),
        *eyes(0.12, 0.4, 0.27, 0.055, CREAM),
    ]
    for elevation, count, size, start in ((84, 1, 0.17, 0), (48, 5, 0.15, 0), (16, 6, 0.11, 36)):
        for a in np.radians(start + np.arange(count) * 360 / count):
            e = np.radians(elevation)
            x, y, z = np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)
            parts.append(ball((0.96 * wide * x, base + 0.96 * tall * y, 0.96 * wide * z), size, spot))
    top = (0, base + tall + 0.08, 0)
    return Figure(parts, Wear(top, 0.3), seat=Room(top), room=Room((0, -0.06, 0.62), 0.36, 0.72))


def cactus(rng: Rng, tint: Tint) -> Figure:
    skin, arm = tint((0.38, 0.70, 0.42)), rng.uniform(-0.06, 0.1)
    pot = (0.85, 0.47, 0.30) if tint.color != COLORS["orange"] else COLORS["blue"]
    parts = [
        tube((0, 0, 0), (0, 0.42, 0), 0.32, 0.42, pot, 0.03),
        tube((0, 0.36, 0), (0, 0.5, 0), 0.47, 0.47, light(pot, 0.15), 0.04),
        tube((0, 0.4, 0), (0, 0.515, 0), 0.4, 0.4, dark(WOOD, 0.3), 0.02),
        limb((0, 0.55, 0), (0, 1.45, 0), 0.3, 0.3, skin).painted(Pattern.GORES, 20, light(skin, 0.14)),
        limb((0.25, 0.86, 0), (0.52, 0.9, 0), 0.12, 0.13, skin),
        limb((0.52, 0.9, 0), (0.54, 1.22 + arm, 0), 0.13, 0.13, skin),
        limb((-0.25, 1.04, 0), (-0.5, 1.08, 0), 0.11, 0.12, skin),
        limb((-0.5, 1.08, 0), (-0.51, 1.34 - arm, 0), 0.12, 0.12, skin),
        *[
            ball((0.12 * np.sin(a), 1.77, 0.12 * np.cos(a)), (0.11, 0.07, 0.11), PINK)
            for a in np.radians(range(0, 360, 72))
        ],
        ball((0, 1.8, 0), 0.08, GOLD),
        *mirrored([ball((0.19, 1.08, 0.24), (0.06, 0.045, 0.04), BLUSH)]),
        *eyes(0.12, 1.18, 0.27, 0.06, skin),
    ]
    return Figure(parts, Wear((0, 1.72, 0), 0.24, eyes=(0, 1.18, 0.33), gaze=0.13, neck=(0, 0.8, 0), girth=0.3))


def flower(rng: Rng, tint: Tint) -> Figure:
    petal = tint((0.98, 0.55, 0.66))
    heart = GOLD if tint.color not in (COLORS["yellow"], COLORS["orange"]) else COLORS["brown"]
    lift = rng.uniform(-0.05, 0.08)
    petals = [
        ball((0.42 * np.sin(a), 1.5 + 0.42 * np.cos(a), 0.02), (0.24, 0.3, 0.12), petal, tilt=(0, 0, -np.degrees(a)))
        for a in np.radians(np.arange(0, 360, 45))
    ]
    parts = [
        *petals,
        ball((0, 1.5, 0.04), (0.3, 0.3, 0.16), heart),
        ball((0, 1.5, -0.08), (0.2, 0.2, 0.14), LEAF_DARK),
        limb((0, 0.3, -0.08), (0, 1.35, -0.06), 0.075, 0.07, (0.36, 0.66, 0.32)),
        *mirrored([ball((0.29, 0.66 + lift, -0.06), (0.3, 0.08, 0.15), (0.40, 0.72, 0.34), tilt=(0, 0, 32))]),
        tube((0, 0, -0.06), (0, 0.36, -0.06), 0.24, 0.34, (0.85, 0.47, 0.30), 0.04),
        *mirrored([ball((0.17, 1.45, 0.175), (0.05, 0.035, 0.03), BLUSH)]),
        *eyes(0.1, 1.54, 0.185, 0.05, heart),
    ]
    return Figure(parts, Wear((0, 1.9, 0), 0.22, eyes=(0, 1.54, 0.22), gaze=0.11))


def palm_tree(rng: Rng, tint: Tint) -> Figure:
    leaf, bend = tint((0.30, 0.66, 0.32)), rng.uniform(0.16, 0.34)
    knots = [(bend * t * t, 1.5 * t, 0.0) for t in np.linspace(0, 1, 6)]
    x, y, _ = knots[-1]
    fronds: list[Primitive] = []
    for i, a in enumerate(np.radians(rng.uniform(0, 50) + np.arange(7) * 360 / 7)):
        dx, dz, shade = np.sin(a), np.cos(a), leaf if i % 2 else dark(leaf, 0.12)
        elbow = (x + 0.42 * dx, y + 0.2, 0.42 * dz)
        fronds.append(limb((x, y + 0.05, 0), elbow, 0.07, 0.13, shade))
        fronds.append(limb(elbow, (x + 0.86 * dx, y - 0.14, 0.86 * dz), 0.13, 0.04, shade))
    parts = [
        ball((0, -0.04, 0), (0.7, 0.2, 0.66), (0.96, 0.86, 0.60), cut=-0.3),
        *[
            tube(a, b, 0.15 - 0.012 * i, 0.115 - 0.012 * i, WOOD if i % 2 else light(WOOD, 0.2), 0.03)
            for i, (a, b) in enumerate(zip(knots[:-1], knots[1:], strict=True))
        ],
        *fronds,
        *[ball((x + 0.12 * np.sin(a), y - 0.06, 0.12 * np.cos(a)), 0.11, (0.42, 0.26, 0.16))
          for a in np.radians((20, 140, 260))],
    ]
    return Figure(parts, Wear((x, y + 0.18, 0), 0.24), room=Room((-0.1, 0.06, 0.48), 0.4, 1.05))


PLANTS = {"tree": tree, "mushroom": mushroom, "cactus": cactus, "flower": flower, "palm tree": palm_tree}
