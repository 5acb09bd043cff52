"""Buildings, plants and furniture. What has a front faces +Z."""

from __future__ import annotations

import numpy as np

from dreamforge.toyworld.figure import (
    BLUSH, COLORS, CREAM, GLASS, GOLD, PINK, RGB, WHITE, WOOD, Figure, Wear, dark, eyes, light, mixed,
)  # fmt: skip
from dreamforge.toyworld.primitives import Pattern, Primitive, ball, box, limb, mirrored, ring, tube

Rng = np.random.Generator
GRASS: RGB = (0.52, 0.77, 0.35)
LEAF_DARK: RGB = (0.30, 0.60, 0.28)
STONE: RGB = (0.78, 0.76, 0.73)


def house(rng: Rng, color: RGB | None) -> Figure:
    wall, tall = color or (0.98, 0.85, 0.62), rng.uniform(0.95, 1.08)
    roof = (0.80, 0.33, 0.27) if color not in (COLORS["red"], COLORS["orange"]) else (0.33, 0.38, 0.5)
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


def castle(rng: Rng, color: RGB | None) -> Figure:
    stone = color or (0.82, 0.78, 0.76)
    roof, tall = COLORS["purple"] if color not in (COLORS["purple"],) else COLORS["pink"], rng.uniform(0.95, 1.1)
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


def lighthouse(rng: Rng, color: RGB | None) -> Figure:
    paint, tall = color or COLORS["red"], rng.uniform(1.3, 1.5)
    other = WHITE if color != COLORS["white"] else COLORS["blue"]
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


def tree(rng: Rng, color: RGB | None) -> Figure:
    leaf, turn_ = color or (0.35, 0.68, 0.30), rng.uniform(0, 72)
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
    fruit = COLORS["red"] if color not in (COLORS["red"], COLORS["pink"]) else GOLD
    for i, a in enumerate(np.radians(turn_ + np.arange(5) * 72)):
        x, z = np.sin(a), np.cos(a)
        y = 1.18 + 0.1 * (i % 2)
        parts.append(ball((0.42 * x, y, 0.42 * z), rng.uniform(0.34, 0.4), dark(leaf, 0.05 * (i % 2))))
        parts.append(ball((0.74 * x, y + 0.1, 0.74 * z), 0.075, fruit))
    return Figure(parts, Wear((0.05, 2.02, 0.02), 0.28))


def mushroom(rng: Rng, color: RGB | None) -> Figure:
    cap, wide = color or COLORS["red"], rng.uniform(0.74, 0.84)
    spot = WHITE if color != COLORS["white"] else COLORS["red"]
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
    return Figure(parts, Wear((0, base + tall + 0.08, 0), 0.3))


def cactus(rng: Rng, color: RGB | None) -> Figure:
    skin, arm = color or (0.38, 0.70, 0.42), rng.uniform(-0.06, 0.1)
    pot = (0.85, 0.47, 0.30) if color != COLORS["orange"] else COLORS["blue"]
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


def flower(rng: Rng, color: RGB | None) -> Figure:
    petal = color or (0.98, 0.55, 0.66)
    heart = GOLD if color not in (COLORS["yellow"], COLORS["orange"]) else COLORS["brown"]
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


def chair(rng: Rng, color: RGB | None) -> Figure:
    cloth, high = color or (0.90, 0.43, 0.38), rng.uniform(1.3, 1.5)
    wood = WOOD if color != COLORS["brown"] else dark(WOOD, 0.4)
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
    return Figure(parts, Wear((0, high + 0.08, -0.44), 0.24))


def lamp(rng: Rng, color: RGB | None) -> Figure:
    shade, tall = color or (0.99, 0.80, 0.42), rng.uniform(0.95, 1.1)
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


def mailbox(rng: Rng, color: RGB | None) -> Figure:
    paint, high = color or COLORS["blue"], rng.uniform(0.85, 1.0)
    flag = COLORS["red"] if color != COLORS["red"] else COLORS["yellow"]
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


def umbrella(rng: Rng, color: RGB | None) -> Figure:
    cloth, tall = color or COLORS["red"], rng.uniform(0.5, 0.6)
    other = WHITE if color != COLORS["white"] else COLORS["pink"]
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
    return Figure(parts, Wear((0, 1.1 + tall, 0), 0.28))


def guitar(rng: Rng, color: RGB | None) -> Figure:
    wood, long = color or (0.87, 0.53, 0.25), rng.uniform(0.95, 1.08)
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


PLACES = {
    "house": house, "castle": castle, "lighthouse": lighthouse, "tree": tree, "mushroom": mushroom, "cactus": cactus,
    "flower": flower, "chair": chair, "lamp": lamp, "mailbox": mailbox, "umbrella": umbrella, "guitar": guitar,
}  # fmt: skip
