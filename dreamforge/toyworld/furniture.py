"""Furniture and what stands about a house. What has a front faces +Z."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    COLORS, CREAM, GOLD, GRASS, GRAY, INK, WHITE, WOOD, Figure, Room, Tint, Wear, dark, light,
)  # fmt: skip
from dreamforge.toyworld.primitives import Pattern, Primitive, ball, box, limb, mirrored, ring, tube

Rng = np.random.Generator


def chair(rng: Rng, tint: Tint) -> Figure:
    cloth, high = tint((0.90, 0.43, 0.38)), rng.uniform(1.3, 1.5)
    wood = WOOD if tint.color != COLORS["brown"] else dark(WOOD, 0.4)
    parts = [
        box((0, 0.62, 0), (0.5, 0.08, 0.48), wood, 0.05),
        box((0, 0.72, 0.02), (0.46, 0.1, 0.43), cloth, 0.09),
        box((0, high - 0.18, -0.42), (0.48, 0.28, 0.09), cloth, 0.09, tilt=(-6, 0, 0)),
        *mirrored(
            [
                tube((0.4, 0, 0.4), (0.4, 0.6, 0.38), 0.075, 0.09, wood),
                tube((0.4, 0, -0.42), (0.4, 0.6, -0.38), 0.075, 0.09, wood),
                tube((0.36, 0.6, -0.37), (0.36, high - 0.1, -0.44), 0.085, 0.075, wood),
            ]
        ),
    ]
    seat, below = Room((0, 0.81, 0.1), 0.44), Room((0, 0, 0), 0.33, 0.5)
    return Figure(parts, Wear((0, high + 0.08, -0.44), 0.24), seat=seat, room=below)


def lamp(rng: Rng, tint: Tint) -> Figure:
    shade, tall = tint((0.99, 0.80, 0.42)), rng.uniform(0.95, 1.1)
    metal = (0.36, 0.40, 0.50)
    parts = [
        tube((0, 0, 0), (0, 0.12, 0), 0.42, 0.36, metal, 0.05),
        tube((0, 0.1, 0), (0, 1.0 * tall, 0), 0.08, 0.07, metal),
        ball((0, 0.38 * tall, 0), (0.18, 0.2, 0.18), light(shade, 0.3)),
        tube((0, 0.85 * tall, 0), (0, 1.55 * tall, 0), 0.66, 0.36, shade, 0.03),
        ring((0, 0.87 * tall, 0), 0.635, 0.045, light(shade, 0.65)),
        ring((0, 1.54 * tall, 0), 0.33, 0.04, light(shade, 0.65)),
        ball((0, 0.85 * tall, 0), (0.25, 0.12, 0.25), (1.0, 0.97, 0.85)),
        ball((0, 1.62 * tall, 0), 0.08, metal),
    ]
    return Figure(parts, Wear((0, 1.56 * tall, 0), 0.34))


def mailbox(rng: Rng, tint: Tint) -> Figure:
    paint, high = tint(COLORS["blue"]), rng.uniform(0.85, 1.0)
    flag = COLORS["red"] if tint.color != COLORS["red"] else COLORS["yellow"]
    parts = [
        box((0, 0.42, 0), (0.1, 0.44, 0.1), WOOD, 0.03),
        ball((0, 0, 0), (0.42, 0.14, 0.4), GRASS, cut=-0.2),
        box((0, high + 0.06, 0), (0.34, 0.2, 0.56), paint, 0.05),
        tube((0, high + 0.24, -0.56), (0, high + 0.24, 0.56), 0.34, 0.34, paint, 0.05),
        tube((0, high + 0.24, 0.5), (0, high + 0.24, 0.585), 0.28, 0.27, light(paint, 0.35), 0.02),
        box((0, high + 0.06, 0.53), (0.28, 0.17, 0.055), light(paint, 0.35), 0.03),
        box((0, high + 0.2, 0.6), (0.1, 0.035, 0.04), GOLD, 0.03),
        box((0.37, high + 0.36, -0.1), (0.04, 0.24, 0.05), flag, 0.03),
        box((0.37, high + 0.54, 0.02), (0.04, 0.1, 0.15), flag, 0.03),
    ]
    return Figure(parts, Wear((0, high + 0.57, 0.05), 0.26))


def umbrella(rng: Rng, tint: Tint) -> Figure:
    cloth, tall = tint(COLORS["red"]), rng.uniform(0.5, 0.6)
    other = WHITE if tint.color != COLORS["white"] else COLORS["pink"]
    parts: list[Primitive] = [
        ball((0, 1.1, 0), (0.86, tall, 0.86), cloth, cut=0.0).painted(Pattern.GORES, 8, other),
        *[
            ball((0.78 * np.sin(a), 1.1, 0.78 * np.cos(a)), (0.11, 0.06, 0.11), cloth if i % 2 == 0 else other)
            for i, a in enumerate(np.radians(np.arange(0, 360, 45)))
        ],
        limb((0, 0.1, 0), (0, 1.2 + tall, 0), 0.05, 0.05, WOOD),
        limb((0, 0.1, 0), (0.08, -0.04, 0), 0.06, 0.06, WOOD),
        limb((0.08, -0.04, 0), (0.22, -0.04, 0), 0.06, 0.06, WOOD),
        limb((0.22, -0.04, 0), (0.28, 0.1, 0), 0.06, 0.055, WOOD),
        ball((0, 1.22 + tall, 0), 0.075, GOLD),
    ]
    return Figure(parts, Wear((0, 1.1 + tall, 0), 0.28), room=Room((0, -0.12, 0.34), 0.4, 1.2))


def table(rng: Rng, tint: Tint) -> Figure:
    wood, long = tint((0.68, 0.45, 0.26)), rng.uniform(0.86, 1.0)
    parts = [
        box((0, 1.0, 0), (long, 0.07, 0.64), wood, 0.05),
        box((0, 0.88, 0), (0.88 * long, 0.08, 0.52), dark(wood, 0.2), 0.03),
        *mirrored([tube((0.84 * long, 0, z), (0.8 * long, 0.92, z), 0.065, 0.1, wood, 0.03) for z in (0.48, -0.48)]),
    ]
    return Figure(parts, Wear((0, 1.07, 0), 0.34), seat=Room((0, 1.07, 0)), room=Room((0, 0, 0), 0.62, 0.8))


def sofa(rng: Rng, tint: Tint) -> Figure:
    cloth, long = tint((0.30, 0.58, 0.62)), rng.uniform(0.84, 0.96)
    cushion, wood = light(cloth, 0.2), dark(WOOD, 0.2)
    pillow = GOLD if tint.color not in (COLORS["yellow"], COLORS["orange"]) else COLORS["blue"]
    parts = [
        box((0, 0.32, 0), (long, 0.18, 0.46), cloth, 0.09),
        box((0, 0.72, -0.38), (0.96 * long, 0.46, 0.16), cloth, 0.14, tilt=(-6, 0, 0)),
        *mirrored(
            [
                box((0.45 * long, 0.54, 0.08), (0.41 * long, 0.11, 0.38), cushion, 0.09),
                box((0.45 * long, 0.86, -0.25), (0.38 * long, 0.26, 0.1), cushion, 0.09, tilt=(-10, 0, 0)),
                box((long, 0.5, 0.02), (0.14, 0.3, 0.47), cloth, 0.13),
                tube((0.86 * long, 0, 0.34), (0.86 * long, 0.18, 0.34), 0.05, 0.07, wood),
                tube((0.86 * long, 0, -0.38), (0.86 * long, 0.18, -0.38), 0.05, 0.07, wood),
                box((0.72 * long, 0.82, -0.06), (0.19, 0.19, 0.08), pillow, 0.08, tilt=(-22, -14, 12)),
            ]
        ),
    ]
    return Figure(parts, Wear((0, 1.18, -0.4), 0.26), seat=Room((0, 0.64, 0.16), 0.48))


def bed(rng: Rng, tint: Tint) -> Figure:
    cloth, high = tint((0.42, 0.60, 0.88)), rng.uniform(0.95, 1.15)
    wood = WOOD if tint.color != COLORS["brown"] else dark(WOOD, 0.4)
    parts = [
        box((0, 0.3, 0), (0.66, 0.1, 1.0), wood, 0.05),
        box((0, 0.46, 0), (0.62, 0.13, 0.96), WHITE, 0.1),
        box((0, 0.48, 0.26), (0.67, 0.15, 0.73), cloth, 0.11),
        box((0, 0.52, -0.42), (0.67, 0.12, 0.14), light(cloth, 0.75), 0.1),
        *mirrored([ball((0.3, 0.64, -0.74), (0.28, 0.11, 0.18), WHITE)]),
        box((0, 0.55 * high, -1.02), (0.72, 0.55 * high, 0.07), wood, 0.06),
        tube((-0.62, 1.08 * high, -1.02), (0.62, 1.08 * high, -1.02), 0.1, 0.1, light(wood, 0.15), 0.05),
        box((0, 0.36, 1.0), (0.7, 0.3, 0.06), wood, 0.06),
        *mirrored(
            [
                tube((0.64, 0, 0.96), (0.64, 0.76, 1.0), 0.08, 0.08, wood),
                ball((0.64, 0.8, 1.0), 0.1, light(wood, 0.15)),
                tube((0.64, 0, -1.0), (0.64, 0.3, -1.0), 0.08, 0.08, wood),
            ]
        ),
    ]
    return Figure(parts, Wear((0, 1.14 * high, -1.02), 0.24), seat=Room((0, 0.62, 0.25)))


def bookshelf(rng: Rng, tint: Tint) -> Figure:
    wood = tint((0.60, 0.40, 0.24))
    spines = ("red", "blue", "yellow", "green", "purple", "orange", "teal", "pink", "white", "navy")
    parts = [
        box((0, 0.95, -0.22), (0.6, 0.92, 0.03), dark(wood, 0.35), 0.02),
        *[box((0, y, 0), (0.62, 0.05, 0.26), wood, 0.02) for y in (0.08, 0.66, 1.24, 1.86)],
        *mirrored([box((0.6, 0.95, 0), (0.05, 0.95, 0.26), wood, 0.02)]),
    ]
    for shelf in (0.13, 0.71, 1.29):
        x = -0.54
        while x < 0.36:
            thick, tall = rng.uniform(0.055, 0.085), rng.uniform(0.17, 0.23)
            spine = COLORS[spines[int(rng.integers(len(spines)))]]
            parts.append(box((x + thick, shelf + tall, 0.04), (thick - 0.006, tall, 0.17), spine, 0.02))
            x += 2 * thick
        parts.append(box((x + 0.09, shelf + 0.17, 0.04), (0.05, 0.18, 0.16), CREAM, 0.02, tilt=(0, 0, 16)))
    return Figure(parts, Wear((0, 1.91, 0), 0.26), seat=Room((0, 1.91, 0)))


def clock(rng: Rng, tint: Tint) -> Figure:
    paint, hour = tint((0.90, 0.30, 0.32)), rng.uniform(0, 2 * np.pi)
    face, middle = 0.25, 0.78
    hands = [
        limb((0, middle, face), (0.26 * np.sin(hour), middle + 0.26 * np.cos(hour), face), 0.04, 0.035, INK),
        limb((0, middle, face), (0.4 * np.sin(12 * hour), middle + 0.4 * np.cos(12 * hour), face), 0.03, 0.025, INK),
        ball((0, middle, face + 0.02), 0.06, paint),
    ]
    ticks = [
        ball((0.46 * np.sin(a), middle + 0.46 * np.cos(a), face - 0.01), 0.045 if i % 3 == 0 else 0.025, INK)
        for i, a in enumerate(np.radians(np.arange(0, 360, 30)))
    ]
    parts = [
        tube((0, middle, -0.22), (0, middle, 0.22), 0.64, 0.64, paint, 0.08),
        tube((0, middle, 0.1), (0, middle, 0.235), 0.54, 0.54, WHITE, 0.02),
        ring((0, middle, 0.21), 0.57, 0.055, light(paint, 0.4), (90, 0, 0)),
        *hands,
        *ticks,
        *mirrored(
            [
                ball((0.36, 1.4, 0), (0.28, 0.22, 0.26), GOLD, tilt=(0, 0, -32), cut=0.0),
                ball((0.49, 1.6, 0), 0.055, GRAY),
                limb((0.38, 0.28, 0), (0.5, 0.06, 0), 0.09, 0.08, dark(paint, 0.3)),
            ]
        ),
        limb((0, 1.36, 0), (0, 1.64, 0), 0.045, 0.045, GRAY),
        ball((0, 1.68, 0), (0.11, 0.08, 0.08), GRAY),
        *[tube((x, middle, -0.2), (x, middle, -0.3), 0.07, 0.06, GRAY) for x in (-0.2, 0.2)],
    ]
    return Figure(parts, Wear((0, 1.74, 0), 0.2))


def television(rng: Rng, tint: Tint) -> Figure:
    case, lean = tint((0.86, 0.52, 0.28)), rng.uniform(0.25, 0.5)
    bars = ("white", "yellow", "teal", "green", "magenta", "red", "blue")
    parts = [
        box((0, 0.72, -0.02), (0.84, 0.58, 0.34), case, 0.14),
        box((0, 0.72, -0.34), (0.55, 0.4, 0.14), dark(case, 0.3), 0.1),
        box((-0.16, 0.74, 0.29), (0.58, 0.46, 0.06), dark(case, 0.55), 0.06),
        *[
            box((-0.6 + 0.147 * i, 0.74, 0.325), (0.072, 0.38, 0.035), COLORS[name], 0.01)
            for i, name in enumerate(bars)
        ],
        *[tube((0.62, y, 0.28), (0.62, y, 0.39), 0.1, 0.09, CREAM, 0.03) for y in (1.0, 0.72)],
        *[box((0.62, y, 0.33), (0.1, 0.018, 0.02), INK, 0.01) for y in (0.5, 0.42, 0.34)],
        ball((0, 1.3, 0), (0.18, 0.12, 0.16), dark(case, 0.3)),
        *mirrored(
            [
                limb((0.05, 1.34, 0), (lean + 0.15, 1.9, 0), 0.03, 0.025, GRAY),
                ball((lean + 0.15, 1.92, 0), 0.06, GRAY),
                limb((0.55, 0.18, 0.12), (0.66, 0.0, 0.2), 0.07, 0.05, WOOD),
                limb((0.55, 0.18, -0.16), (0.66, 0.0, -0.22), 0.07, 0.05, WOOD),
            ]
        ),
    ]
    return Figure(parts, Wear((0, 1.36, 0), 0.26))


FURNITURE = {
    "chair": chair, "lamp": lamp, "mailbox": mailbox, "umbrella": umbrella, "table": table, "sofa": sofa, "bed": bed,
    "bookshelf": bookshelf, "clock": clock, "television": television,
}  # fmt: skip
