"""What drives, floats and flies. All face +Z; +X is their left."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    BLACK, COLORS, CREAM, GLASS, GOLD, GRAY, INK, RGB, WHITE, WOOD, Figure, Room, Tint, Wear, dark, light,
    mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import FULL_BALL, Pattern, Primitive, ball, box, limb, mirrored, ring, tube

Rng = np.random.Generator

WINDOW: RGB = (0.56, 0.80, 0.93)
RUBBER: RGB = (0.20, 0.20, 0.23)


def _wheel(x: float, y: float, z: float, radius: float, width: float = 0.09) -> list[Primitive]:
    """A tyre with a pale hub, on both sides."""
    return mirrored(
        [
            tube((x - width, y, z), (x + width, y, z), radius, radius, RUBBER, 0.05),
            tube((x, y, z), (x + width + 0.015, y, z), 0.55 * radius, 0.5 * radius, (0.85, 0.86, 0.88), 0.02),
        ]
    )


def car(rng: Rng, tint: Tint) -> Figure:
    paint = tint(COLORS["red"])
    roof = rng.uniform(0.92, 1.1)
    parts = [
        box((0, 0.48, 0), (0.52, 0.24, 0.98), paint, 0.18),
        box((0, 0.82 * roof, -0.1), (0.44, 0.3, 0.54), paint, 0.2),
        box((0, 0.84 * roof, -0.1), (0.46, 0.155, 0.38), WINDOW, 0.08),
        box((0, 0.82 * roof, -0.1), (0.34, 0.17, 0.56), WINDOW, 0.09),
        box((0, 0.32, 0), (0.53, 0.07, 1.0), (0.83, 0.84, 0.86), 0.06),
        box((0, 0.46, 0.95), (0.22, 0.07, 0.05), BLACK, 0.03),
        *mirrored(
            [
                ball((0.35, 0.52, 0.95), (0.12, 0.12, 0.06), (1.0, 0.95, 0.72)),
                box((0.36, 0.52, -0.96), (0.1, 0.06, 0.04), (0.8, 0.1, 0.1), 0.03),
            ]
        ),
        *_wheel(0.48, 0.24, 0.58, 0.24),
        *_wheel(0.48, 0.24, -0.58, 0.24),
    ]
    return Figure(parts, Wear((0, 0.82 * roof + 0.29, -0.1), 0.24), seat=Room((0, 0.82 * roof + 0.29, -0.1)))


def bus(rng: Rng, tint: Tint) -> Figure:
    paint = tint(COLORS["yellow"])
    long = rng.uniform(0.95, 1.1)
    parts = [
        box((0, 0.76, 0), (0.48, 0.52, 1.05 * long), paint, 0.14),
        *[box((0, 0.95, z * long), (0.5, 0.17, 0.17), WINDOW, 0.05) for z in (-0.75, -0.33, 0.09, 0.51)],
        box((0, 0.95, 0), (0.38, 0.2, 1.07 * long), WINDOW, 0.08),
        box((0, 0.6, 0), (0.495, 0.045, 1.06 * long), light(paint, 0.75), 0.03),
        box((0, 0.34, 0), (0.5, 0.07, 1.08 * long), RUBBER, 0.05),
        box((0, 1.28, 0), (0.3, 0.06, 0.7 * long), light(paint, 0.75), 0.05),
        *mirrored(
            [
                ball((0.33, 0.52, 1.05 * long), (0.1, 0.1, 0.05), (1.0, 0.95, 0.72)),
                box((0.36, 0.52, -1.04 * long), (0.08, 0.06, 0.04), (0.8, 0.1, 0.1), 0.03),
            ]
        ),
        *_wheel(0.44, 0.24, 0.62 * long, 0.24),
        *_wheel(0.44, 0.24, -0.62 * long, 0.24),
    ]
    return Figure(parts, Wear((0, 1.33, 0.1), 0.26), seat=Room((0, 1.33, 0)))


def train(rng: Rng, tint: Tint) -> Figure:
    paint = tint(COLORS["blue"])
    accent, stack = COLORS["red"] if tint.color != COLORS["red"] else BLACK, rng.uniform(0.95, 1.15)
    parts = [
        box((0, 0.36, -0.02), (0.44, 0.1, 1.0), BLACK, 0.05),
        tube((0, 0.78, -0.3), (0, 0.78, 0.86), 0.37, 0.37, paint, 0.06),
        tube((0, 0.78, 0.84), (0, 0.78, 0.92), 0.3, 0.28, BLACK, 0.03),
        ball((0, 0.78, 0.92), (0.13, 0.13, 0.06), (1.0, 0.93, 0.65)),
        *[ring((0, 0.78, z), 0.36, 0.045, GOLD, (90, 0, 0)) for z in (0.12, 0.6)],
        box((0, 0.92, -0.62), (0.46, 0.5, 0.38), paint, 0.08),
        box((0, 1.44, -0.62), (0.54, 0.08, 0.48), accent, 0.06),
        box((0, 1.1, -0.62), (0.48, 0.16, 0.2), WINDOW, 0.05),
        box((0, 1.12, -0.62), (0.3, 0.14, 0.4), WINDOW, 0.05),
        tube((0, 1.05, 0.58), (0, 1.5 * stack, 0.58), 0.13, 0.15, BLACK),
        tube((0, 1.42 * stack, 0.58), (0, 1.58 * stack, 0.58), 0.16, 0.25, BLACK, 0.03),
        ball((0, 1.12, 0.12), (0.16, 0.17, 0.16), GOLD),
        tube((0, 0.24, 0.82), (0, 0.3, 1.16), 0.3, 0.08, accent, 0.04),
        *_wheel(0.42, 0.22, 0.6, 0.2),
        *_wheel(0.42, 0.22, 0.12, 0.2),
        *_wheel(0.42, 0.28, -0.55, 0.28),
    ]
    return Figure(parts, Wear((0, 1.52, -0.62), 0.27), seat=Room((0, 1.52, -0.62)))


def boat(rng: Rng, tint: Tint) -> Figure:
    hull, tall = tint(COLORS["red"]), rng.uniform(0.95, 1.1)
    sail = COLORS["yellow"] if tint.color == COLORS["white"] else WHITE
    parts = [
        ball((0, 0.42, -0.05), (0.46, 0.45, 1.0), hull, tilt=(180, 0, 0), cut=0.0),
        box((0, 0.43, -0.42), (0.42, 0.05, 0.42), mixed(WOOD, CREAM, 0.4), 0.04),
        ring((0, 0.43, -0.05), 0.44, 0.07, light(hull, 0.75), scale=(1, 1, 2.18)),
        ball((0, 0.4, -0.05), (0.42, 0.08, 0.92), mixed(WOOD, CREAM, 0.4)),
        tube((0, 0.4, 0.05), (0, 1.95 * tall, 0.05), 0.065, 0.055, WOOD),
        tube((0, 0.62, -0.42), (0, 1.8 * tall, -0.06), 0.42, 0.06, sail, 0.04, flat=1.0),
        tube((0, 0.66, 0.4), (0, 1.6 * tall, 0.16), 0.26, 0.04, light(hull, 0.25), 0.04),
        box((0, 1.93 * tall, -0.1), (0.04, 0.09, 0.16), GOLD, 0.03),
    ]
    return Figure(parts, Wear((0, 2.0 * tall, 0.05), 0.2))


def airplane(rng: Rng, tint: Tint) -> Figure:
    paint = tint(COLORS["red"])
    trim, span = light(paint, 0.85) if tint.color != COLORS["white"] else COLORS["blue"], rng.uniform(0.95, 1.08)
    parts = [
        limb((0, 0, 0.5), (0, 0.1, -0.85), 0.34, 0.14, paint),
        tube((0, 0, 0.68), (0, 0, 0.88), 0.28, 0.22, trim, 0.06),
        ball((0, 0, 0.92), (0.1, 0.1, 0.13), GOLD),
        box((0, 0, 0.95), (0.07, 0.48, 0.035), WOOD, 0.03, tilt=(0, 0, 35)),
        ball((0, 0.28, 0.2), (0.2, 0.2, 0.3), GLASS),
        *mirrored(
            [
                box((0.58 * span, -0.04, 0.22), (0.55 * span, 0.06, 0.24), paint, 0.06, tilt=(0, 8, 4)),
                box((0.95 * span, -0.01, 0.17), (0.16, 0.065, 0.22), trim, 0.06, tilt=(0, 8, 4)),
                box((0.3, 0.14, -0.82), (0.28, 0.05, 0.14), paint, 0.05, tilt=(0, 10, 0)),
                limb((0.18, -0.2, 0.35), (0.26, -0.44, 0.4), 0.055, 0.055, GRAY),
                tube((0.2, -0.5, 0.4), (0.32, -0.5, 0.4), 0.13, 0.13, RUBBER, 0.04),
            ]
        ),
        limb((0, 0.15, -0.72), (0, 0.5, -0.94), 0.14, 0.1, trim, flat=1.0),
    ]
    return Figure(parts, Wear((0, 0.44, 0.2), 0.18), room=Room((0, -1.9, 0), 0.8, 1.1))


def rocket(rng: Rng, tint: Tint) -> Figure:
    paint = tint(COLORS["red"])
    body = WHITE if tint.color != COLORS["white"] else (0.8, 0.83, 0.88)
    fat = rng.uniform(0.94, 1.08)
    fins: list[Primitive] = []
    for a in np.radians([45, 135, 225, 315]):
        x, z = np.sin(a), np.cos(a)
        fins.append(limb((0.34 * x, 0.62, 0.34 * z), (0.62 * x, 0.2, 0.62 * z), 0.15, 0.11, paint))
        fins.append(limb((0.62 * x, 0.2, 0.62 * z), (0.66 * x, 0.02, 0.66 * z), 0.11, 0.08, paint))
    parts = [
        ball((0, 0.95, 0), (0.46 * fat, 0.88, 0.46 * fat), body).painted(Pattern.ABOVE, 0.52, paint),
        tube((0, 0.1, 0), (0, 0.35, 0), 0.3, 0.36, GRAY, 0.04),
        ball((0, 0.02, 0), (0.2, 0.26, 0.2), COLORS["orange"]),
        ball((0, 0.04, 0), (0.13, 0.3, 0.13), COLORS["yellow"]),
        ball((0, 1.86, 0), 0.08, GOLD),
        ring((0, 1.06, 0.43 * fat), 0.17, 0.055, paint, (90, 0, 0)),
        ball((0, 1.06, 0.4 * fat), (0.16, 0.16, 0.08), GLASS),
        ring((0, 0.62, 0), 0.42 * fat, 0.05, paint),
        *fins,
    ]
    return Figure(parts, Wear((0, 1.78, 0), 0.2), room=Room((0, -1.6, 0), 0.8, 1.2))


def hot_air_balloon(rng: Rng, tint: Tint) -> Figure:
    cloth = tint(COLORS["red"])
    other = COLORS["yellow"] if tint.color not in (COLORS["yellow"], COLORS["orange"]) else WHITE
    gores = int(rng.choice([10, 12]))
    parts = [
        ball((0, 1.5, 0), (0.78, 0.78, 0.78), cloth, cut=FULL_BALL).painted(Pattern.GORES, gores, other),
        tube((0, 0.5, 0), (0, 1.12, 0), 0.22, 0.695, cloth, 0.02).painted(Pattern.GORES, gores, other),
        ring((0, 0.5, 0), 0.2, 0.05, dark(cloth, 0.2)),
        tube((0, -0.12, 0), (0, 0.18, 0), 0.2, 0.25, WOOD, 0.04),
        ring((0, 0.18, 0), 0.23, 0.05, mixed(WOOD, CREAM, 0.4)),
        *mirrored([tube((0.18, 0.15, z), (0.18, 0.52, z), 0.035, 0.035, INK) for z in (-0.14, 0.14)]),
    ]
    return Figure(parts, Wear((0, 2.24, 0), 0.26), room=Room((0, -1.75, 0), 0.9, 1.5))


def submarine(rng: Rng, tint: Tint) -> Figure:
    paint = tint(COLORS["yellow"])
    trim, long = dark(paint, 0.22), rng.uniform(0.95, 1.08)
    parts = [
        limb((0, 0.5, -0.5 * long), (0, 0.5, 0.5 * long), 0.42, 0.46, paint),
        limb((0, 0.95, 0.02), (0, 1.02, 0.26), 0.24, 0.22, paint),
        limb((0, 1.1, 0.16), (0, 1.5, 0.16), 0.065, 0.065, GRAY),
        limb((0, 1.5, 0.16), (0, 1.5, 0.34), 0.075, 0.085, GRAY),
        *mirrored(
            [
                limb((0.2, 0.5, -0.75 * long), (0.5, 0.5, -0.98 * long), 0.1, 0.09, trim),
                *[tube((0.38, 0.55, z * long), (0.48, 0.55, z * long), 0.16, 0.15, trim) for z in (-0.35, 0.1, 0.52)],
                *[ball((0.46, 0.55, z * long), (0.06, 0.11, 0.11), GLASS) for z in (-0.35, 0.1, 0.52)],
            ]
        ),
        limb((0, 0.7, -0.75 * long), (0, 0.98, -0.98 * long), 0.1, 0.09, trim),
        ring((0, 0.52, 0.9 * long), 0.21, 0.055, trim, (90, 0, 0)),
        ball((0, 0.52, 0.87 * long), (0.2, 0.2, 0.13), GLASS),
        ball((0, 0.5, -1.0 * long), (0.08, 0.08, 0.14), GRAY),
        box((0, 0.5, -1.06 * long), (0.28, 0.07, 0.035), GRAY, 0.03, tilt=(0, 0, 30)),
        box((0, 0.5, -1.06 * long), (0.07, 0.28, 0.035), GRAY, 0.03, tilt=(0, 0, 30)),
    ]
    return Figure(parts, Wear((0, 1.22, 0.12), 0.2))


def helicopter(rng: Rng, tint: Tint) -> Figure:
    paint, swing = tint(COLORS["red"]), rng.uniform(10, 80)
    trim = WHITE if tint.color != COLORS["white"] else COLORS["red"]
    parts = [
        ball((0, 0.62, 0.2), (0.44, 0.42, 0.62), paint),
        ball((0, 0.68, 0.44), (0.38, 0.34, 0.44), GLASS),
        limb((0, 0.72, -0.3), (0, 0.86, -1.15), 0.2, 0.08, paint),
        box((0, 1.0, -1.2), (0.035, 0.24, 0.14), trim, 0.03, tilt=(-20, 0, 0)),
        box((0.08, 0.98, -1.2), (0.02, 0.045, 0.24), INK, 0.02, tilt=(35, 0, 0)),
        box((0, 0.84, -0.85), (0.3, 0.03, 0.1), trim, 0.03),
        tube((0, 0.98, 0.1), (0, 1.22, 0.1), 0.09, 0.06, GRAY),
        *[box((0, 1.22, 0.1), (1.05, 0.025, 0.085), dark(GRAY, 0.5), 0.02, tilt=(0, swing + t, 0)) for t in (0, 90)],
        ball((0, 1.26, 0.1), (0.12, 0.07, 0.12), trim),
        *mirrored(
            [
                box((0.42, 0.66, -0.02), (0.03, 0.15, 0.14), GLASS, 0.03),
                limb((0.34, 0.08, -0.28), (0.34, 0.08, 0.66), 0.05, 0.05, GRAY),
                *[limb((0.24, 0.34, z), (0.34, 0.08, z), 0.04, 0.04, GRAY) for z in (-0.05, 0.4)],
            ]
        ),
    ]
    return Figure(parts, Wear((0, 1.3, 0.1), 0.2), room=Room((0, -1.1, 0.1), 0.75, 1.0))


def truck(rng: Rng, tint: Tint) -> Figure:
    paint, long = tint(COLORS["green"]), rng.uniform(0.92, 1.08)
    load = CREAM if tint.color not in (COLORS["white"], COLORS["beige"]) else COLORS["orange"]
    parts = [
        box((0, 0.34, -0.02), (0.42, 0.08, 1.04 * long), RUBBER, 0.04),
        box((0, 0.72, 0.72 * long), (0.46, 0.42, 0.32), paint, 0.13),
        box((0, 0.88, 0.82 * long), (0.38, 0.17, 0.25), WINDOW, 0.06),
        box((0, 0.88, 0.72 * long), (0.48, 0.14, 0.18), WINDOW, 0.05),
        box((0, 0.5, 1.04 * long), (0.26, 0.08, 0.03), dark(GRAY, 0.5), 0.03),
        box((0, 0.32, 1.02 * long), (0.48, 0.07, 0.06), GRAY, 0.04),
        box((0, 0.95, -0.34 * long), (0.52, 0.56, 0.66 * long), load, 0.05),
        box((0, 0.78, -0.34 * long), (0.53, 0.09, 0.67 * long), paint, 0.03),
        box((0, 0.95, -1.0 * long), (0.015, 0.5, 0.02), GRAY, 0.01),
        *mirrored(
            [
                ball((0.33, 0.5, 1.03 * long), (0.09, 0.09, 0.05), (1.0, 0.95, 0.72)),
                box((0.4, 0.42, -1.02 * long), (0.09, 0.06, 0.03), (0.8, 0.1, 0.1), 0.03),
            ]
        ),
        *_wheel(0.44, 0.24, 0.66 * long, 0.24),
        *_wheel(0.44, 0.24, -0.28 * long, 0.24),
        *_wheel(0.44, 0.24, -0.74 * long, 0.24),
    ]
    return Figure(parts, Wear((0, 1.12, 0.72 * long), 0.24), seat=Room((0, 1.5, -0.34 * long)))


VEHICLES = {
    "car": car, "bus": bus, "train": train, "boat": boat, "airplane": airplane, "rocket": rocket,
    "hot air balloon": hot_air_balloon, "submarine": submarine, "helicopter": helicopter, "truck": truck,
}  # fmt: skip
