"""Instances of the toy world: a description and a seed in, primitives ready for the ray caster out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dreamforge.cameras import orbit
from dreamforge.rendering.background import composite
from dreamforge.toyworld.accessories import ACCESSORIES
from dreamforge.toyworld.captions import Description, parse, wearable
from dreamforge.toyworld.figure import COLORS
from dreamforge.toyworld.kernels import GRID, bake, srgb_to_linear
from dreamforge.toyworld.nouns import NOUNS
from dreamforge.toyworld.primitives import Primitive, moved
from dreamforge.toyworld.raycast import render

RADIUS = 0.9  # of every instance, accessories included


@dataclass(frozen=True)
class Instance:
    """One particular thing, centred on the origin and at most `RADIUS` from it.

    primitives: N of them. table `[N,33]`: the same as the kernels read them. distances `[G,G,G]`: the grid behind
    ambient occlusion.
    """

    description: Description
    seed: int
    primitives: list[Primitive]
    table: NDArray[np.float64]
    distances: NDArray[np.float32]


def instance(description: Description, seed: int) -> Instance:
    """The instance that `seed` picks of what is described; the view word does not matter.

    With no noun the seed picks one, half the time in a colour and one time in four with something on.
    """
    description = replace(description, view=None)
    rng = np.random.default_rng([seed, zlib.crc32(repr(description).encode())])
    if description.noun is None:
        description = _anything(rng)
    assert description.noun is not None
    figure = NOUNS[description.noun](rng, COLORS[description.color] if description.color else None)
    parts = list(figure.parts)
    for name, color in description.accessories:
        accessory = ACCESSORIES[name]
        parts += accessory.make(figure.wear, COLORS[color] if color else accessory.color)
    return _packed(description, seed, _normalized(parts))


def _anything(rng: np.random.Generator) -> Description:
    noun = str(rng.choice(list(NOUNS)))
    color = str(rng.choice(list(COLORS))) if rng.random() < 0.5 else None
    worn = ((str(rng.choice(wearable(noun))), None),) if rng.random() < 0.25 else ()
    return Description(noun, color, worn)


def _normalized(parts: Sequence[Primitive]) -> list[Primitive]:
    """Centre the bounding box on the origin and fit the whole into `RADIUS`."""
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    reach = np.max([p.support(axes) for p in parts], axis=0)
    centred = moved(parts, 0.5 * (reach[3:] - reach[:3]))
    radius = max(float(np.max(p.support(_DIRECTIONS))) for p in centred) * _SPACING
    return moved(centred, scale=RADIUS / radius)


def _fibonacci(count: int) -> NDArray[np.float64]:
    """`[count,3]` directions spread evenly over the sphere."""
    y = 1.0 - 2.0 * (np.arange(count) + 0.5) / count
    angle = np.arange(count) * np.pi * (3.0 - 5.0**0.5)
    across = np.sqrt(1.0 - y * y)
    return np.stack([across * np.sin(angle), y, across * np.cos(angle)], axis=1)


_DIRECTIONS = _fibonacci(400)
_SPACING = 1.005  # no direction is farther than about 5 degrees from one of these


def _packed(description: Description, seed: int, parts: list[Primitive]) -> Instance:
    table = np.array([_row(p) for p in parts])
    distances = np.empty((GRID, GRID, GRID), np.float32)
    bake(table, distances)
    return Instance(description, seed, parts, table, distances)


def _row(p: Primitive) -> NDArray[np.float64]:
    """A primitive as a row of the kernels' table; its columns are named there."""
    inverse = (p.rotation / p.scale).T
    matrix = np.column_stack([inverse, -inverse @ p.position])
    albedo = srgb_to_linear(np.array([p.color, p.second]))
    reach = p.bound * np.max(p.scale)
    return np.array(
        [p.kind, *p.params, *p.extent, p.bound, p.pattern, p.amount, *p.position, reach, *albedo.flat, *matrix.flat]
    )


def sheet(
    prompts: Sequence[str], azimuths: Sequence[float], size: int = 128, elevation: float = 15.0, seed: int = 0
) -> NDArray[np.uint8]:
    """A contact sheet `[rows*size, columns*size, 3]`: a row for each prompt, a column for each azimuth (degrees)."""
    instances = [instance(parse(prompt), seed + row) for row, prompt in enumerate(prompts)]
    pictures = render(instances, orbit(list(azimuths), elevation, size=size), supersample=3)  # [B,K,4,H,W]
    tints = np.random.default_rng(seed).uniform(0.82, 0.96, (len(prompts), 3)).astype(np.float32)
    rgb = composite(pictures, pictures.new_tensor(tints).expand(len(azimuths), -1, -1)).clamp(0, 1)
    rows = rgb.permute(1, 3, 0, 4, 2).reshape(len(prompts) * size, len(azimuths) * size, 3)
    return (rows * 255 + 0.5).byte().numpy()
