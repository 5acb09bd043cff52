"""Instances of the toy world: a description and a seed in, primitives ready for the ray caster out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dreamforge.cameras import orbit
from dreamforge.rendering.background import composite
from dreamforge.toyworld.captions import parse
from dreamforge.toyworld.descriptions import Description, draw
from dreamforge.toyworld.layout import compose
from dreamforge.toyworld.light_kernels import GRID, bake, srgb_to_linear
from dreamforge.toyworld.primitives import Coat, Primitive
from dreamforge.toyworld.raycast import render


@dataclass(frozen=True)
class Instance:
    """One particular thing, or two, centred on the origin and inside the unit sphere.

    primitives: N of them. table `[N,36]`: the same as the kernels read them. distances `[G,G,G]`: the grid behind
    ambient occlusion.
    """

    description: Description
    seed: int
    primitives: list[Primitive]
    table: NDArray[np.float64]
    distances: NDArray[np.float32]


def instance(description: Description, seed: int) -> Instance:
    """The instance that `seed` picks of what is described; the view word does not matter.

    With no noun the seed picks a description of one thing.
    """
    description = replace(description, view=None)
    if description.noun is None:
        description = draw(np.random.default_rng([seed]), relations=False)
    parts = compose(description, seed)
    table = _table(parts)
    distances = np.empty((GRID, GRID, GRID), np.float32)
    bake(table, distances)
    return Instance(description, seed, parts, table, distances)


def _table(parts: Sequence[Primitive]) -> NDArray[np.float64]:
    """`[N,36]`: a row for each primitive; the columns are named in `shape_kernels`."""
    scale, position = np.array([p.scale for p in parts]), np.array([p.position for p in parts])
    inverse = (np.array([p.rotation for p in parts]) / scale[:, None, :]).transpose(0, 2, 1)
    matrix = np.concatenate([inverse, -inverse @ position[:, :, None]], axis=2)  # [N,3,4]
    albedo = srgb_to_linear(np.array([(p.color, p.second) for p in parts]))
    shape = [(p.kind, *p.params, *p.extent, p.bound, p.pattern, p.amount) for p in parts]
    coat = [(p.finish, isinstance(p.color, Coat) + 2 * isinstance(p.second, Coat), p.grain) for p in parts]
    reach = np.array([p.bound for p in parts]) * scale.max(axis=1)
    return np.column_stack([shape, position, reach, albedo.reshape(-1, 6), coat, matrix.reshape(-1, 12)])


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
