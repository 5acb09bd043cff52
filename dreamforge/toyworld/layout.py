"""From a description to primitives: one thing with its finish and what it wears, or two in a relation."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dreamforge.toyworld.accessories import ACCESSORIES
from dreamforge.toyworld.descriptions import SIZES, Description
from dreamforge.toyworld.figure import COLORS, FINISHES, Figure, Room, Tint
from dreamforge.toyworld.nouns import NOUNS
from dreamforge.toyworld.primitives import Coat, Primitive, moved
from dreamforge.toyworld.shape_kernels import farthest

RADIUS = 0.9  # of a thing on its own, accessories included
Array = NDArray[np.float64]
_SCALES = {"on": 0.62, "above": 0.7, "next to": 0.9, "in front of": 0.6, "behind": 0.8}  # of the first to the second
_FITS = {None: 0.9, "tiny": 0.4, "small": 0.6, "big": 1.0}  # how much of the room under the second the first fills


def compose(description: Description, seed: int) -> list[Primitive]:
    """The primitives of what is described, centred on the origin and fitted into the unit sphere."""
    first = _figure(description, seed)
    if description.other is None:
        return _fitted(first.parts, min(RADIUS * SIZES.get(description.size or "", 1.0), 1.0))
    second = _figure(description.other, seed, 1)
    return _fitted(_placed(description, first, second, np.random.default_rng([seed, 2])) + second.parts, RADIUS)


def _figure(thing: Description, seed: int, *role: int) -> Figure:
    """One thing dressed, in its finish. Its proportions hang on the seed and the words named here alone."""
    key = f"Description(noun={thing.noun!r}, color={thing.color!r}, accessories={thing.accessories!r}, view=None)"
    rng = np.random.default_rng([seed, zlib.crc32(key.encode()), *role])
    finish, own = FINISHES[thing.finish] if thing.finish else (None, None)
    figure = NOUNS[str(thing.noun)](rng, Tint(COLORS[thing.color] if thing.color else own))
    parts = list(figure.parts)
    for name, color in thing.accessories:
        accessory = ACCESSORIES[name]
        parts += accessory.make(figure.wear, COLORS[color] if color else accessory.color)
    if finish is not None:
        grain = _radius(parts) / RADIUS
        parts = [
            p._replace(finish=finish, grain=grain) if isinstance(p.color, Coat) or isinstance(p.second, Coat) else p
            for p in parts
        ]
    return replace(figure, parts=parts)


def _placed(description: Description, first: Figure, second: Figure, rng: np.random.Generator) -> list[Primitive]:
    """The parts of the first thing where the relation puts them, the second staying where it is."""
    relation, other = str(description.relation), description.other
    assert other is not None
    low, high = _bounds(first.parts)
    scale = np.inf
    if relation != "under":
        sizes = SIZES.get(description.size or "", 1.0) / SIZES.get(other.size or "", 1.0)
        scale = _SCALES[relation] * sizes * _radius(second.parts) / _radius(first.parts)
    if (room := _room(relation, second)) is not None:
        wide, _, deep = 0.5 * (high - low)
        fit = min(room.half / max(wide, deep), room.height / (high[1] - low[1]))
        scale = min(scale, fit * _FITS[description.size])
    half, foot = 0.5 * scale * (high - low), scale * np.array([0.5 * (low + high)[0], low[1], 0.5 * (low + high)[2]])
    return moved(first.parts, _spot(relation, half, second, rng) - foot, scale=scale)


def _room(relation: str, second: Figure) -> Room | None:
    """The space that the second thing offers to the first."""
    return {"on": second.seat, "under": second.room}.get(relation)


def _spot(relation: str, half: Array, second: Figure, rng: np.random.Generator) -> Array:
    """Where the foot of a thing with half sizes `half` stands: the middle of its underside."""
    if (room := _room(relation, second)) is not None:
        return np.array(room.floor) - [0, 0.01, 0]
    low, high = _bounds(second.parts)
    x, _, z = 0.5 * (low + high)
    side = rng.choice((-1.0, 1.0))
    if relation == "above":
        return np.array([x, high[1] + 0.6 * half[1], z])
    if relation == "next to":
        return np.array([x + side * (0.5 * (high - low)[0] + 1.08 * half[0]), low[1], z])
    shift = side * 0.2 * (high - low)[0]  # so that neither hides the other altogether
    if relation == "in front of":
        return np.array([x + shift, low[1], high[2] + 1.08 * half[2]])
    return np.array([x + 1.5 * shift, low[1], low[2] - 1.08 * half[2]])


def support(parts: Sequence[Primitive], directions: Array) -> Array:
    """How far the parts together reach along unit `directions` `[M,3]` from the origin, `[M]`."""
    turned = np.array([p.rotation for p in parts]) * np.array([p.scale for p in parts])[:, None, :]
    poses = np.concatenate([turned, np.array([p.position for p in parts])[:, :, None]], axis=2)
    return farthest(np.array([(p.kind, *p.params) for p in parts], float), poses, directions)


def _bounds(parts: Sequence[Primitive]) -> tuple[Array, Array]:
    """Low and high corner `[3]` of the bounding box."""
    reach = support(parts, _AXES)
    return -reach[3:], reach[:3]


def _radius(parts: Sequence[Primitive]) -> float:
    """Of the sphere about the middle of the bounding box that holds all parts."""
    reach = support(parts, _AROUND)
    centre = 0.5 * (reach[:3] - reach[3:6])
    return float((reach[6:] - _AROUND[6:] @ centre).max()) * _SPACING


def _fitted(parts: Sequence[Primitive], radius: float) -> list[Primitive]:
    """Centred on the origin, the farthest point at `radius`."""
    low, high = _bounds(parts)
    scale = radius / _radius(parts)
    return moved(parts, -0.5 * scale * (low + high), scale=scale)


def _fibonacci(count: int) -> Array:
    """`[count,3]` directions spread evenly over the sphere."""
    y = 1.0 - 2.0 * (np.arange(count) + 0.5) / count
    angle = np.arange(count) * np.pi * (3.0 - 5.0**0.5)
    across = np.sqrt(1.0 - y * y)
    return np.stack([across * np.sin(angle), y, across * np.cos(angle)], axis=1)


_AXES = np.concatenate([np.eye(3), -np.eye(3)])
_AROUND = np.concatenate([_AXES, _fibonacci(400)])
_SPACING = 1.005  # no direction is farther than about 5 degrees from one of these
