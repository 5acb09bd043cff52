"""Buildings. What has a front faces +Z."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    COLORS, GLASS, GOLD, GRASS, LEAF_DARK, RGB, WHITE, WOOD, Figure, Room, Tint, Wear, dark, light, mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import Pattern, Primitive, ball, box, limb, mirrored, moved, ring, tube

Rng = np.random.Generator

STONE: RGB = (0.78, 0.76, 0.73)


def house(rng: Rng, tint: Tint) -> Figure:
    wall, tall = tint((0.98, 0.85, 0.62)), rng.uniform(0.95, 1.08)
    roof = (0.80, 0.33, 0.27) if tint.color not in (COLORS["red"], COLORS["orange"]) else (0.33, 0.38, 0.5)
    slope, top = 42.0, 0.85 * tall
    lean = np.radians(slope)
    parts = [
        box((0, 0.45 * tall, 0), (0.62, 0.45 * tall, 0.55), wall, 0.03),
        box((0, top, 0), (0.44, 0.44, 0.535), wall, 0.02, tilt=(0, 0, 45)),
        *mirrored(
            [
                box((0.36, top + 0.3, 0), (0.57, 0.06, 0.68), roof, 0.04, tilt=(0, 0, -slope)),
                box((0.38, 0.56 * tall, 0.55), (0.14, 0.15, 0.03), WHITE, 0.02),
                box((0.38, 0.56 * tall, 0.56), (0.1, 0.11, 0.035), GLASS, 0.02),
                box((0.63, 0.5 * tall, 0), (0.03, 0.19, 0.2), WHITE, 0.02),
                box((0.64, 0.5 * tall, 0), (0.035, 0.14, 0.15), GLASS, 0.02),
                ball((0.4, 0.08, 0.66), (0.19, 0.15, 0.13), LEAF_DARK),
            ]
        ),
        box((0, 0.28, 0.55), (0.15, 0.3, 0.04), WOOD, 0.03),
        ball((0.08, 0.28, 0.6), 0.035, GOLD),
        tube((0, top + 0.16, 0.5), (0, top + 0.16, 0.57), 0.14, 0.14, WHITE, 0.02),
        tube((0, top + 0.16, 0.5), (0, top + 0.16, 0.58), 0.1, 0.1, GLASS, 0.02),
        box((0.36, top + 0.58, -0.22), (0.11, 0.28, 0.11), (0.66, 0.35, 0.28), 0.03),
        box((0, 0.0, 0.02), (0.8, 0.05, 0.78), GRASS, 0.05),
    ]
    return Figure(parts, Wear((0, top + 0.36 + 0.3 * np.cos(lean), 0.2), 0.28))


def castle(rng: Rng, tint: Tint) -> Figure:
    stone = tint((0.82, 0.78, 0.76))
    roof, tall = COLORS["purple"] if tint.color not in (COLORS["purple"],) else COLORS["pink"], rng.uniform(0.95, 1.1)
    corners: list[Primitive] = []
    for z in (0.5, -0.5):
        corners += mirrored(
            [
                tube((0.55, 0, z), (0.55, 0.95 * tall, z), 0.21, 0.2, stone),
                tube((0.55, 0.88 * tall, z), (0.55, 1.0 * tall, z), 0.25, 0.25, light(stone, 0.3), 0.03),
                tube((0.55, 1.0 * tall, z), (0.55, 1.42 * tall, z), 0.26, 0.03, roof, 0.03),
            ]
        )
    parts = [
        box((0, 0.35, 0), (0.55, 0.35, 0.5), stone, 0.02),
        *[box((x, 0.74, z), (0.07, 0.08, 0.06), stone, 0.02) for x in (-0.24, 0, 0.24) for z in (0.46, -0.46)],
        *corners,
        tube((0, 0.5, -0.05), (0, 1.4 * tall, -0.05), 0.29, 0.27, stone),
        tube((0, 1.32 * tall, -0.05), (0, 1.44 * tall, -0.05), 0.33, 0.33, light(stone, 0.3), 0.03),
        tube((0, 1.44 * tall, -0.05), (0, 1.98 * tall, -0.05), 0.35, 0.03, roof, 0.03),
        limb((0, 1.95 * tall, -0.05), (0, 2.12 * tall, -0.05), 0.035, 0.035, WOOD),
        box((0.12, 2.08 * tall, -0.05), (0.12, 0.07, 0.035), GOLD, 0.03),
        box((0, 0.2, 0.5), (0.17, 0.2, 0.04), WOOD, 0.03),
        tube((0, 0.4, 0.44), (0, 0.4, 0.54), 0.17, 0.17, WOOD, 0.02),
        box((0, 1.08 * tall, 0.22), (0.07, 0.12, 0.03), (0.32, 0.34, 0.45), 0.03),
        *mirrored([box((0.55, 0.62, 0.7), (0.055, 0.1, 0.03), (0.32, 0.34, 0.45), 0.03)]),
    ]
    return Figure(parts, Wear((0, 1.76 * tall, -0.05), 0.2))


def lighthouse(rng: Rng, tint: Tint) -> Figure:
    paint, tall = tint(COLORS["red"]), rng.uniform(1.3, 1.5)
    other = WHITE if tint.color != COLORS["white"] else COLORS["blue"]
    parts = [
        ball((0, 0.02, 0), (0.66, 0.24, 0.62), STONE, cut=-0.3),
        ball((0.34, 0.1, 0.3), (0.22, 0.16, 0.2), dark(STONE, 0.12)),
        ball((-0.38, 0.08, 0.2), (0.2, 0.15, 0.22), dark(STONE, 0.06)),
        tube((0, 0.1, 0), (0, tall, 0), 0.42, 0.27, paint, 0.02).painted(Pattern.BANDS, 5, other),
        tube((0, tall, 0), (0, tall + 0.09, 0), 0.38, 0.38, dark(paint, 0.45), 0.03),
        tube((0, tall + 0.05, 0), (0, tall + 0.38, 0), 0.2, 0.2, (1.0, 0.92, 0.55)),
        tube((0, tall + 0.36, 0), (0, tall + 0.68, 0), 0.32, 0.04, paint, 0.03),
        ball((0, tall + 0.7, 0), 0.07, GOLD),
        box((0, 0.36, 0.37), (0.12, 0.19, 0.08), WOOD, 0.03, tilt=(-6, 0, 0)),
        box((0, 0.95, 0.32), (0.07, 0.1, 0.05), GLASS, 0.03),
    ]
    return Figure(parts, Wear((0, tall + 0.56, 0), 0.2))


def windmill(rng: Rng, tint: Tint) -> Figure:
    wall, turned = tint((0.97, 0.91, 0.80)), rng.uniform(15, 75)
    roof = (0.78, 0.33, 0.27) if tint.color not in (COLORS["red"], COLORS["orange"]) else (0.33, 0.38, 0.5)
    hub = (0, 1.42, 0.46)
    blade = [
        box((0, 0.5, 0), (0.035, 0.5, 0.03), WOOD, 0.02),
        box((0.13, 0.58, 0), (0.12, 0.4, 0.018), (0.90, 0.76, 0.55), 0.02),
        *[box((0.13, y, 0.015), (0.12, 0.014, 0.015), WOOD, 0.01) for y in (0.38, 0.58, 0.78)],
    ]
    parts = [
        tube((0, 0, 0), (0, 1.3, 0), 0.52, 0.34, wall, 0.03),
        ball((0, 1.28, 0), (0.38, 0.4, 0.38), roof, cut=0.0),
        tube((0, 1.24, 0), (0, 1.32, 0), 0.4, 0.4, dark(roof, 0.2), 0.03),
        limb((0, 1.42, 0.2), hub, 0.07, 0.07, WOOD),
        ball((0, 1.42, 0.52), (0.1, 0.1, 0.07), GOLD),
        *[p for i in range(4) for p in moved(moved(blade, tilt=(0, 0, turned + 90 * i)), hub)],
        box((0, 0.22, 0.46), (0.14, 0.24, 0.06), WOOD, 0.03, tilt=(-8, 0, 0)),
        ball((0.08, 0.24, 0.54), 0.03, GOLD),
        box((0, 0.82, 0.41), (0.09, 0.1, 0.03), GLASS, 0.03, tilt=(-8, 0, 0)),
        *mirrored([box((0.4, 0.75, 0), (0.04, 0.11, 0.09), GLASS, 0.03, tilt=(0, 0, 8))]),
        ball((0, 0.0, 0.05), (0.78, 0.12, 0.74), GRASS, cut=-0.4),
    ]
    return Figure(parts, Wear((0, 1.66, 0), 0.24))


def igloo(rng: Rng, tint: Tint) -> Figure:
    snow, offset = tint((0.90, 0.95, 0.99)), rng.uniform(0, 40)
    joint = mixed(snow, (0.4, 0.55, 0.75), 0.42)
    across, tall = 0.86, 0.8

    def on_dome(azimuth: float, elevation: float) -> tuple[float, float, float]:
        a, e = np.radians(azimuth), np.radians(elevation)
        return across * np.cos(e) * np.sin(a), tall * np.sin(e), across * np.cos(e) * np.cos(a)

    rows = (2, 22, 43, 65)
    seams = [
        limb(on_dome(azimuth, low), on_dome(azimuth, high), 0.018, 0.018, joint)
        for i, (low, high) in enumerate(zip(rows[:-1], rows[1:], strict=True))
        for azimuth in offset + np.arange(0, 360, (36, 45, 60)[i]) + 18 * i
    ]
    levels = [ring((0, tall * np.sin(np.radians(e)), 0), across * np.cos(np.radians(e)), 0.02, joint) for e in rows[1:]]
    parts = [
        ball((0, 0, 0), (across, tall, across), snow, cut=0.0),
        *seams,
        *levels,
        limb((0, 0.16, 0.6), (0, 0.16, 0.9), 0.34, 0.34, snow),
        tube((0, 0.16, 0.6), (0, 0.16, 1.2), 0.37, 0.37, snow, 0.05),
        ring((0, 0.16, 1.19), 0.31, 0.06, joint, (90, 0, 0)),
        tube((0, 0.16, 1.1), (0, 0.16, 1.205), 0.28, 0.28, (0.2, 0.28, 0.42), 0.02),
        tube((0, -0.24, 0.12), (0, 0.0, 0.12), 1.12, 1.08, WHITE, 0.1),
    ]
    return Figure(parts, Wear((0, tall, 0), 0.3), seat=Room((0, tall, 0)))


def tent(rng: Rng, tint: Tint) -> Figure:
    cloth, tall = tint(COLORS["red"]), rng.uniform(0.92, 1.08)
    other = WHITE if tint.color not in (COLORS["white"], COLORS["beige"]) else COLORS["blue"]
    scallops = [
        ball((0.86 * np.sin(a), 0.7, 0.86 * np.cos(a)), (0.18, 0.12, 0.18), other if i % 2 else cloth)
        for i, a in enumerate(np.radians(np.arange(15, 360, 30)))
    ]
    parts = [
        tube((0, 0, 0), (0, 0.75, 0), 0.8, 0.78, cloth, 0.02).painted(Pattern.GORES, 16, other),
        tube((0, 0.7, 0), (0, 1.5 * tall, 0), 0.94, 0.07, cloth, 0.02).painted(Pattern.GORES, 12, other),
        *scallops,
        tube((0, 0.0, 0.6), (0, 0.62, 0.72), 0.26, 0.05, (0.25, 0.16, 0.2), 0.02),
        *mirrored([limb((0.26, 0.06, 0.76), (0.05, 0.66, 0.78), 0.07, 0.05, GOLD)]),
        limb((0, 1.45 * tall, 0), (0, 1.8 * tall, 0), 0.035, 0.03, WOOD),
        box((0.16, 1.74 * tall, 0), (0.16, 0.08, 0.03), GOLD, 0.03),
        ball((0, 1.84 * tall, 0), 0.05, GOLD),
        tube((0, -0.06, 0), (0, 0.02, 0), 1.0, 0.98, GRASS, 0.03),
    ]
    return Figure(parts, Wear((0, 1.4 * tall, 0), 0.2))


BUILDINGS = {
    "house": house, "castle": castle, "lighthouse": lighthouse, "windmill": windmill, "igloo": igloo, "tent": tent,
}  # fmt: skip
