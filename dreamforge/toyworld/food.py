"""Food, and what it is served in. What has a front faces +Z."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    BLUSH, COLORS, CREAM, GLASS, INK, LEAF, PINK, RGB, WHITE, WOOD, Figure, Room, Tint, Wear, dark, eyes, light,
    mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import Pattern, Primitive, ball, box, limb, mirrored, moved, ring, tube

Rng = np.random.Generator

WAFFLE: RGB = (0.87, 0.64, 0.36)


def apple(rng: Rng, tint: Tint) -> Figure:
    skin, lean = tint(COLORS["red"]), rng.uniform(-0.06, 0.06)
    parts = [
        *[
            ball((0.17 * np.sin(a), 0.6, 0.17 * np.cos(a)), (0.48, 0.56, 0.48), skin)
            for a in np.radians([0, 72, 144, 216, 288])
        ],
        limb((0, 1.0, 0), (lean, 1.38, 0), 0.055, 0.07, WOOD),
        ball((0.24, 1.28, 0.02), (0.25, 0.06, 0.13), LEAF, tilt=(10, 0, 24)),
    ]
    return Figure(parts, Wear((0, 1.12, 0), 0.34))


def cupcake(rng: Rng, tint: Tint) -> Figure:
    icing, turn_ = tint((0.98, 0.66, 0.76)), rng.uniform(0, 360)
    wrapper = mixed(GLASS, COLORS["blue"], 0.25) if tint.color != COLORS["blue"] else CREAM
    parts = [
        tube((0, 0, 0), (0, 0.62, 0), 0.42, 0.58, wrapper, 0.03).painted(Pattern.GORES, 24, light(wrapper, 0.7)),
        ring((0, 0.7, 0), 0.42, 0.22, icing),
        ring((0, 0.95, 0), 0.28, 0.19, icing),
        ball((0, 0.9, 0), (0.4, 0.3, 0.4), icing),
        ball((0, 1.17, 0), (0.26, 0.2, 0.26), icing),
        ball((0, 1.42, 0), 0.16, COLORS["red"] if tint.color != COLORS["red"] else PINK),
        limb((0, 1.54, 0), (0.06, 1.7, 0), 0.045, 0.045, LEAF),
    ]
    candy = [COLORS[name] for name in ("yellow", "teal", "white", "purple")]
    for i, a in enumerate(np.radians(turn_ + np.arange(8) * 45)):
        r, y = ((0.6, 0.78), (0.44, 1.04))[i % 2]
        parts.append(ball((r * np.sin(a), y, r * np.cos(a)), 0.06, candy[i % 4]))
    return Figure(parts, Wear((0, 1.34, 0), 0.24))


def ice_cream(rng: Rng, tint: Tint) -> Figure:
    scoop, side = tint((0.99, 0.72, 0.78)), rng.uniform(30, 150)
    x, z = np.sin(np.radians(side)), np.cos(np.radians(side))
    parts = [
        tube((0, 0, 0), (0, 1.0, 0), 0.06, 0.42, WAFFLE, 0.03).painted(Pattern.BANDS, 9, dark(WAFFLE, 0.12)),
        ring((0, 0.97, 0), 0.38, 0.07, dark(WAFFLE, 0.08)),
        ball((0, 1.22, 0), 0.46, scoop),
        *[
            ball((0.4 * np.sin(a), 1.04, 0.4 * np.cos(a)), (0.15, 0.1, 0.15), scoop)
            for a in np.radians(range(0, 360, 45))
        ],
        ball((0, 1.68, 0), 0.36, CREAM if tint.color != COLORS["white"] else PINK),
        ball((0, 1.8, 0), (0.33, 0.26, 0.33), (0.42, 0.25, 0.17), cut=0.1),
        ball((0, 2.08, 0), 0.12, COLORS["red"]),
        tube((0.2 * x, 1.7, 0.2 * z), (0.36 * x, 2.25, 0.36 * z), 0.07, 0.07, WAFFLE, 0.03),
    ]
    return Figure(parts, Wear((0, 2.02, 0), 0.26))


def burger(rng: Rng, tint: Tint) -> Figure:
    bun, tall = tint((0.89, 0.61, 0.29)), rng.uniform(0.42, 0.54)
    parts: list[Primitive] = [
        tube((0, 0, 0), (0, 0.24, 0), 0.66, 0.7, bun, 0.1),
        tube((0, 0.24, 0), (0, 0.44, 0), 0.73, 0.73, (0.43, 0.25, 0.17), 0.09),
        box((0, 0.47, 0), (0.56, 0.035, 0.56), COLORS["yellow"], 0.03, tilt=(0, 45, 0)),
        tube((0, 0.5, 0), (0, 0.6, 0), 0.66, 0.66, COLORS["red"], 0.05),
        *[
            ball((0.6 * np.sin(a), 0.62 + 0.02 * (-1) ** i, 0.6 * np.cos(a)), (0.19, 0.06, 0.19), (0.5, 0.78, 0.3))
            for i, a in enumerate(np.radians(np.arange(0, 360, 36)))
        ],
        ball((0, 0.66, 0), (0.74, tall, 0.74), bun, cut=0.0),
    ]
    for ringed, elevation in ((0, 90), (5, 62), (8, 38)):
        for a in np.arange(ringed or 1) * 2 * np.pi / (ringed or 1):
            e = np.radians(elevation)
            x, y, z = np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)
            parts.append(ball((0.74 * x, 0.66 + tall * y, 0.74 * z), (0.05, 0.045, 0.05), CREAM))
    return Figure(parts, Wear((0, 0.64 + tall, 0), 0.34), seat=Room((0, 0.64 + tall, 0)))


def donut(rng: Rng, tint: Tint) -> Figure:
    icing = tint((0.98, 0.58, 0.72))
    parts: list[Primitive] = [
        ring((0, 0, 0), 0.56, 0.3, (0.88, 0.65, 0.38), (72, 0, 0)),
        ring((0, 0.02, 0.06), 0.56, 0.285, icing, (72, 0, 0)),
    ]
    candy = [COLORS[name] for name in ("yellow", "teal", "white", "purple", "red")]
    sprinkles = []
    for i in range(16):
        a, r = 2 * np.pi * i / 16 + rng.uniform(-0.1, 0.1), 0.56 + (0.13, -0.12, 0.02)[i % 3]
        lean = rng.uniform(0, np.pi)
        dx, dz = 0.06 * np.sin(lean), 0.06 * np.cos(lean)
        x, y, z = r * np.sin(a), 0.06 + np.sqrt(0.285**2 - (r - 0.56) ** 2), r * np.cos(a)
        sprinkles.append(limb((x - dx, y, z - dz), (x + dx, y, z + dz), 0.04, 0.04, candy[i % 5]))
    return Figure(parts + moved(sprinkles, (0, 0.02, 0), (72, 0, 0)), Wear((0, 0.76, 0), 0.3))


def pumpkin(rng: Rng, tint: Tint) -> Figure:
    skin, tall = tint(COLORS["orange"]), rng.uniform(0.5, 0.58)
    glow = (1.0, 0.86, 0.35) if tint.color not in (COLORS["yellow"],) else INK
    parts = [
        *[
            ball((0.3 * np.sin(a), tall, 0.3 * np.cos(a)), (0.4, tall, 0.4), skin if i % 2 else dark(skin, 0.07))
            for i, a in enumerate(np.radians(np.arange(0, 360, 45)))
        ],
        limb((0, 2 * tall - 0.1, 0), (0.1, 2 * tall + 0.2, 0), 0.12, 0.09, LEAF),
        *mirrored([tube((0.2, 0.6, 0.56), (0.2, 0.84, 0.5), 0.15, 0.02, glow, 0.02)]),
        tube((0, 0.47, 0.67), (0, 0.6, 0.66), 0.09, 0.02, glow, 0.02),
        *[box((x, y, z), (0.075, 0.055, 0.1), glow, 0.02) for x, y, z in (
            (0, 0.28, 0.6), (-0.14, 0.3, 0.59), (0.14, 0.3, 0.59), (-0.28, 0.36, 0.56), (0.28, 0.36, 0.56),
        )],
    ]
    return Figure(parts, Wear((0, 2 * tall - 0.02, 0), 0.34))


def mug(rng: Rng, tint: Tint) -> Figure:
    clay, tall = tint(COLORS["teal"]), rng.uniform(0.92, 1.08)
    parts = [
        tube((0, 0, 0), (0, tall, 0), 0.5, 0.54, clay, 0.05),
        ring((0, tall - 0.02, 0), 0.5, 0.07, light(clay, 0.45)),
        tube((0, tall - 0.1, 0), (0, tall + 0.012, 0), 0.46, 0.46, (0.36, 0.22, 0.15), 0.0),
        ring((0.55, 0.5 * tall, 0), 0.27, 0.08, clay, (90, 0, 0)),
        *mirrored([tube((0.085, 0.58 * tall, 0.45), (0.085, 0.58 * tall, 0.545), 0.12, 0.12, WHITE, 0.03)]),
        box((0, 0.58 * tall - 0.085, 0.5), (0.12, 0.12, 0.047), WHITE, 0.03, tilt=(0, 0, 45)),
    ]
    return Figure(parts, Wear((0, tall, 0), 0.42))


def teapot(rng: Rng, tint: Tint) -> Figure:
    clay, plump = tint((0.45, 0.67, 0.87)), rng.uniform(0.95, 1.08)
    accent = light(clay, 0.7)
    parts = [
        ball((0, 0.5, 0), (0.6 * plump, 0.5, 0.6 * plump), clay),
        tube((0, 0, 0), (0, 0.12, 0), 0.36, 0.32, accent, 0.04),
        ring((0, 0.86, 0), 0.36, 0.055, accent),
        ball((0, 0.84, 0), (0.37, 0.19, 0.37), clay),
        ball((0, 1.1, 0), 0.12, accent),
        limb((0.45, 0.4, 0), (0.78, 0.62, 0), 0.18, 0.12, clay),
        tube((0.74, 0.57, 0), (0.98, 0.92, 0), 0.13, 0.11, clay, 0.03),
        ring((0.98, 0.92, 0), 0.095, 0.04, accent, (0, 0, -35)),
        ring((-0.64, 0.55, 0), 0.27, 0.075, clay, (90, 0, 0)),
        *[
            ball((0.59 * plump * np.sin(a), 0.5, 0.59 * plump * np.cos(a)), (0.09, 0.09, 0.09), accent)
            for a in np.radians([0, 45, 135, 180, 225, 315])
        ],
    ]
    return Figure(parts, Wear((0, 1.0, 0), 0.28))


def cake(rng: Rng, tint: Tint) -> Figure:
    icing, start = tint((0.98, 0.70, 0.78)), rng.uniform(0, 72)
    cream = WHITE if tint.color not in (COLORS["white"], COLORS["beige"]) else COLORS["pink"]
    candles: list[Primitive] = []
    for i, a in enumerate(np.radians(start + np.arange(0, 360, 72))):
        x, z = 0.27 * np.sin(a), 0.27 * np.cos(a)
        candles.append(limb((x, 0.95, z), (x, 1.22, z), 0.05, 0.05, COLORS[("blue", "yellow", "green")[i % 3]]))
        candles.append(ball((x, 1.34, z), (0.055, 0.1, 0.055), COLORS["orange"]))
    parts = [
        tube((0, -0.08, 0), (0, 0.02, 0), 0.86, 0.9, (0.78, 0.86, 0.92), 0.04),
        tube((0, 0, 0), (0, 0.52, 0), 0.7, 0.7, icing, 0.08),
        tube((0, 0.5, 0), (0, 0.96, 0), 0.46, 0.46, icing, 0.08),
        *[
            ball((r * np.sin(a), y, r * np.cos(a)), (0.12, 0.1 + 0.05 * (i % 2), 0.12), cream)
            for r, y, step in ((0.63, 0.5, 30), (0.41, 0.94, 45))
            for i, a in enumerate(np.radians(np.arange(0, 360, step)))
        ],
        *[
            ball((0.7 * np.sin(a), 0.06, 0.7 * np.cos(a)), 0.09, cream)
            for a in np.radians(np.arange(0, 360, 24))
        ],
        *candles,
    ]
    return Figure(parts, Wear((0, 0.98, 0), 0.3))


def pizza(rng: Rng, tint: Tint) -> Figure:
    cheese, turned = tint((0.99, 0.79, 0.34)), rng.uniform(0, 60)
    crust, sausage = (0.80, 0.53, 0.27), (0.80, 0.20, 0.15)
    toppings = []
    for i, (r, a) in enumerate([(0, 0), *[(0.46, t) for t in range(0, 360, 60)], *[(0.24, t) for t in (30, 150, 270)]]):
        x, z = r * np.sin(np.radians(a + turned)), r * np.cos(np.radians(a + turned))
        if i < 7:
            toppings.append(tube((x, 0.1, z), (x, 0.15, z), 0.145, 0.14, sausage, 0.02))
        else:
            toppings.append(ball((x, 0.12, z), (0.12, 0.05, 0.07), (0.3, 0.6, 0.25), tilt=(0, a, 0)))
    parts = [
        tube((0, 0, 0), (0, 0.09, 0), 0.84, 0.86, crust, 0.03),
        tube((0, 0.03, 0), (0, 0.125, 0), 0.77, 0.76, cheese, 0.02),
        ring((0, 0.07, 0), 0.8, 0.1, crust),
        *toppings,
    ]
    return Figure(moved(parts, tilt=(52, 0, 0)), Wear((0, 0.68, -0.46), 0.26))


def strawberry(rng: Rng, tint: Tint) -> Figure:
    skin, long = tint((0.92, 0.18, 0.22)), rng.uniform(0.92, 1.08)
    seed = (1.0, 0.86, 0.45) if tint.color not in (COLORS["yellow"], COLORS["beige"]) else COLORS["brown"]
    low, high = 0.24, 0.24 + 0.62 * long
    seeds = []
    for row, (y, r) in enumerate(((-0.06, 0.2), (0.1, 0.29), (0.28, 0.385), (0.46, 0.475), (0.68, 0.49), (0.88, 0.42))):
        for a in np.radians(np.arange(0, 360, (90, 60, 45, 36, 36, 40)[row]) + 20 * row):
            if row < 3 or np.cos(a) < 0.65:  # not in the face
                seeds.append(ball((r * np.sin(a), low + y * long, r * np.cos(a)), (0.035, 0.05, 0.035), seed))
    parts = [
        limb((0, low, 0), (0, high, 0), 0.2, 0.5, skin),
        *seeds,
        *[
            ball((0.26 * np.sin(a), high + 0.44, 0.26 * np.cos(a)), (0.13, 0.055, 0.28), LEAF,
                 tilt=(22, np.degrees(a), 0))
            for a in np.radians(np.arange(0, 360, 60))
        ],
        limb((0, high + 0.44, 0), (0.06, high + 0.72, 0), 0.06, 0.05, LEAF),
        ball((0, high - 0.22, 0.44), (0.05, 0.04, 0.04), dark(PINK, 0.5)),
        *mirrored([ball((0.3, high - 0.16, 0.38), (0.08, 0.055, 0.04), BLUSH)]),
        *eyes(0.17, high - 0.05, 0.46, 0.075, skin),
    ]
    return Figure(
        parts,
        Wear((0, high + 0.46, 0), 0.26, eyes=(0, high - 0.05, 0.54), gaze=0.18, neck=(0, low + 0.05, 0), girth=0.26),
    )


FOOD = {
    "apple": apple, "cupcake": cupcake, "ice cream": ice_cream, "burger": burger, "donut": donut, "pumpkin": pumpkin,
    "mug": mug, "teapot": teapot, "cake": cake, "pizza": pizza, "strawberry": strawberry,
}  # fmt: skip
