"""Musical instruments. They are played from +Z."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    COLORS, CREAM, GOLD, GRAY, INK, WHITE, WOOD, Figure, Room, Tint, Wear, dark, light,
)  # fmt: skip
from dreamforge.toyworld.primitives import ball, box, limb, mirrored, moved, ring, tube

Rng = np.random.Generator


def guitar(rng: Rng, tint: Tint) -> Figure:
    wood, long = tint((0.87, 0.53, 0.25)), rng.uniform(0.95, 1.08)
    rim, neck = dark(wood, 0.35), (0.45, 0.28, 0.18)
    head = 1.05 + 0.72 * long
    parts = [
        tube((0, 0.45, -0.13), (0, 0.45, 0.13), 0.48, 0.48, rim, 0.05),
        tube((0, 1.0, -0.13), (0, 1.0, 0.13), 0.35, 0.35, rim, 0.05),
        tube((0, 0.45, -0.1), (0, 0.45, 0.155), 0.44, 0.44, wood, 0.03),
        tube((0, 1.0, -0.1), (0, 1.0, 0.155), 0.31, 0.31, wood, 0.03),
        tube((0, 0.78, 0.1), (0, 0.78, 0.165), 0.19, 0.19, CREAM, 0.02),
        tube((0, 0.78, 0.1), (0, 0.78, 0.175), 0.145, 0.145, (0.22, 0.14, 0.12), 0.02),
        box((0, 0.32, 0.17), (0.17, 0.045, 0.05), neck, 0.03),
        box((0, 0.5 * (1.0 + head), 0.14), (0.085, 0.5 * (head - 1.0), 0.06), neck, 0.03),
        box((0, head + 0.1, 0.11), (0.14, 0.17, 0.06), rim, 0.04),
        *mirrored([ball((0.17, head + y, 0.11), 0.055, CREAM) for y in (0.02, 0.19)]),
        box((0, 0.5 * (0.32 + head), 0.2), (0.035, 0.5 * (head - 0.34), 0.015), CREAM, 0.01),
    ]
    return Figure(parts, Wear((0, head + 0.25, 0.11), 0.2))


def drum(rng: Rng, tint: Tint) -> Figure:
    shell, swing = tint(COLORS["red"]), rng.uniform(-15, 15)
    rim = GOLD if tint.color != COLORS["yellow"] else COLORS["blue"]
    turns = np.radians(np.arange(0, 360, 30))
    cords = [
        limb(
            (0.64 * np.sin(a), 0.74, 0.64 * np.cos(a)), (0.64 * np.sin(b), 0.12, 0.64 * np.cos(b)), 0.03, 0.03, WHITE
        )
        for a, b in ((turns[i + i % 2], turns[(i + 1 - i % 2) % 12]) for i in range(0, 11))
    ]
    sticks = [
        limb((-0.66, 1.12, 0.42), (0.12, 0.98, -0.1), 0.045, 0.035, WOOD),
        ball((0.14, 0.98, -0.12), 0.08, CREAM),
        limb((0.62, 1.12, 0.46), (-0.1, 0.98, 0.1), 0.045, 0.035, WOOD),
        ball((-0.12, 0.98, 0.1), 0.08, CREAM),
    ]
    parts = [
        tube((0, 0, 0), (0, 0.85, 0), 0.62, 0.62, shell, 0.02),
        tube((0, 0.74, 0), (0, 0.88, 0), 0.67, 0.67, rim, 0.05),
        tube((0, 0, 0), (0, 0.13, 0), 0.67, 0.67, rim, 0.05),
        tube((0, 0.84, 0), (0, 0.9, 0), 0.58, 0.58, CREAM, 0.02),
        *cords,
        *moved(sticks, tilt=(0, swing, 0)),
    ]
    return Figure(parts, Wear((0, 0.9, 0), 0.3), seat=Room((0, 0.92, 0)))


def piano(rng: Rng, tint: Tint) -> Figure:
    wood, tall = tint((0.28, 0.17, 0.14)), rng.uniform(0.95, 1.08)
    top = 1.35 * tall
    black = [x for x in np.arange(-0.6, 0.61, 0.1) if round(10 * x) % 7 not in (2, 6)]
    parts = [
        box((0, 0.5 * top, -0.18), (0.8, 0.5 * top, 0.26), wood, 0.04),
        box((0, top, -0.18), (0.86, 0.05, 0.31), dark(wood, 0.25), 0.03),
        box((0, 0.6, 0.24), (0.8, 0.08, 0.28), wood, 0.04),
        box((0, 0.69, 0.29), (0.68, 0.035, 0.2), WHITE, 0.02),
        *[box((x, 0.74, 0.2), (0.027, 0.03, 0.11), INK, 0.01) for x in black],
        *[box((x, 0.7, 0.45), (0.008, 0.03, 0.045), GRAY, 0.005) for x in np.arange(-0.55, 0.56, 0.1)],
        box((0, 0.95 * tall, 0.13), (0.34, 0.19, 0.02), CREAM, 0.02, tilt=(-12, 0, 0)),
        *[box((0, (0.95 + d) * tall, 0.155 - 0.2 * d), (0.26, 0.012, 0.008), INK, 0.005, tilt=(-12, 0, 0))
          for d in (-0.09, -0.02, 0.05)],
        box((0, 0.79 * tall, 0.15), (0.5, 0.025, 0.06), light(wood, 0.25), 0.02),
        *mirrored(
            [
                box((0.74, 0.72, 0.24), (0.06, 0.08, 0.26), wood, 0.04),
                tube((0.7, 0, 0.42), (0.7, 0.56, 0.42), 0.06, 0.09, wood),
                box((0.72, 0.05, 0.16), (0.1, 0.05, 0.4), dark(wood, 0.25), 0.03),
            ]
        ),
        *[limb((x, 0.06, 0.1), (x, 0.06, 0.2), 0.035, 0.045, GOLD) for x in (-0.1, 0, 0.1)],
    ]
    return Figure(parts, Wear((0, top + 0.05, -0.18), 0.28), seat=Room((0, top + 0.05, -0.18)))


def trumpet(rng: Rng, tint: Tint) -> Figure:
    brass, lean = tint(GOLD), rng.uniform(6, 16)
    pale = light(brass, 0.55)
    parts = [
        limb((-0.86, 0.5, 0), (0.55, 0.5, 0), 0.065, 0.07, brass),
        tube((0.4, 0.5, 0), (0.78, 0.5, 0), 0.08, 0.17, brass, 0.01),
        tube((0.76, 0.5, 0), (1.02, 0.5, 0), 0.165, 0.42, brass, 0.01),
        tube((1.0, 0.5, 0), (1.03, 0.5, 0), 0.35, 0.38, dark(brass, 0.45), 0.01),
        ring((1.02, 0.5, 0), 0.4, 0.04, pale, (0, 0, 90)),
        limb((-0.5, 0.16, 0.0), (0.42, 0.16, 0.0), 0.06, 0.06, brass),
        *[
            limb((x + 0.17 * s * np.sin(a), 0.33 + 0.17 * np.cos(a), 0), (
                x + 0.17 * s * np.sin(b), 0.33 + 0.17 * np.cos(b), 0), 0.06, 0.06, brass)
            for x, s in ((-0.5, -1), (0.42, 1)) for a, b in zip(np.radians((0, 60, 120)), np.radians((60, 120, 180)))
        ],
        *[tube((x, 0.1, 0.0), (x, 0.68, 0.0), 0.1, 0.1, brass, 0.02) for x in (-0.22, 0.0, 0.22)],
        *[tube((x, 0.66, 0.0), (x, 0.84, 0.0), 0.035, 0.035, pale) for x in (-0.22, 0.0, 0.22)],
        *[tube((x, 0.82, 0.0), (x, 0.89, 0.0), 0.085, 0.085, WHITE, 0.03) for x in (-0.22, 0.0, 0.22)],
        tube((-1.0, 0.5, 0), (-0.84, 0.5, 0), 0.13, 0.07, pale, 0.02),
    ]
    return Figure(moved(parts, tilt=(0, 0, lean)), Wear((0.0, 0.88, 0), 0.2))


def xylophone(rng: Rng, tint: Tint) -> Figure:
    frame, swing = tint((0.62, 0.42, 0.25)), rng.uniform(-8, 8)
    colors = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink")
    bars = []
    for i, name in enumerate(colors):
        x, half = -0.84 + 0.24 * i, 0.62 - 0.05 * i
        bars.append(box((x, 0.14, 0), (0.1, 0.05, half), COLORS[name], 0.04))
        bars += [ball((x, 0.2, s * 0.72 * half), (0.035, 0.02, 0.035), WHITE) for s in (1, -1)]
    rails = [limb((-0.98, 0.02, s * 0.5), (0.98, 0.02, s * 0.22), 0.09, 0.08, frame) for s in (1, -1)]
    ends = [
        limb((-0.98, 0.02, -0.5), (-0.98, 0.02, 0.5), 0.09, 0.09, frame),
        limb((0.98, 0.02, -0.22), (0.98, 0.02, 0.22), 0.08, 0.08, frame),
    ]
    mallets = [
        *[limb((s * 0.3 + 0.05, 0.42, 0.5), (s * 0.12, 0.3, -0.28), 0.035, 0.035, WOOD) for s in (1, -1)],
        *[ball((s * 0.12, 0.3, -0.3), 0.11, CREAM) for s in (1, -1)],
    ]
    parts = moved([*bars, *rails, *ends, *moved(mallets, tilt=(0, swing, 0))], tilt=(30, 0, 0))
    return Figure(parts, Wear((0, 0.4, -0.1), 0.3))


INSTRUMENTS = {"guitar": guitar, "drum": drum, "piano": piano, "trumpet": trumpet, "xylophone": xylophone}
