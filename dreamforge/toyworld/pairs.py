"""Pictures with captions: what a text-to-image model, a multi-view model or a CLIP of the toy world is trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit
from dreamforge.prompts import view_words
from dreamforge.rendering.background import composite
from dreamforge.toyworld.captions import caption
from dreamforge.toyworld.descriptions import Description, draw, held_out
from dreamforge.toyworld.lights import STUDIO, random_light
from dreamforge.toyworld.raycast import render_each
from dreamforge.toyworld.world import instance


class Pairs(NamedTuple):
    """N training pairs. pictures: `[N,3,H,W]` float32 sRGB in [0,1] on plain backgrounds; the rest one for each."""

    pictures: Tensor
    captions: list[str]
    descriptions: list[Description]
    cameras: Cameras


def render_pairs(
    count: int,
    seed: int,
    size: int = 64,
    *,
    views: int = 1,
    split: str = "train",
    view_word: float = 0.5,
    vary_light: bool = True,
    relations: bool = True,
    elevations: tuple[float, float] = (-20.0, 60.0),
) -> Pairs:
    """`count * views` pairs of `size` x `size` pixels, a pure function of the arguments.

    Cameras are those of the engine's default sampler: any azimuth, an elevation within `elevations` (degrees), distance 3,
    40 degrees of view. views: so many consecutive pictures show one instance in one light on one background, from cameras 360 /
    views degrees apart at one elevation (for a multi-view model), each with a caption of its own wording. split:
    "train" leaves out the compositions that `held_out` names, "held-out" draws only those, "all" both. view_word: the
    share of captions that say the view. vary_light: a random soft light, else the fixed studio's.
    """
    rng = np.random.default_rng([seed, 77])
    wanted = {"train": (False,), "held-out": (True,), "all": (False, True)}[split]
    descriptions = [_drawn(rng, wanted, relations) for _ in range(count)]
    instances = [instance(description, int(rng.integers(2**31))) for description in descriptions]
    lights = [random_light(rng) if vary_light else STUDIO for _ in range(count)]
    turns = np.arange(views) * 360.0 / views
    azimuths = (rng.uniform(-180, 180, (count, 1)) + turns).ravel()
    elevations = np.repeat(rng.uniform(*elevations, count), views)
    cameras = orbit(torch.from_numpy(azimuths), torch.from_numpy(elevations), size=size)
    behind = torch.from_numpy(rng.random((count, 3), np.float32)).repeat_interleave(views, 0)
    pictures = composite(render_each(np.repeat(instances, views), cameras, np.repeat(lights, views, 0)), behind)
    said = [
        replace(description, view=word if rng.random() < view_word else None)
        for description, word in zip(np.repeat(descriptions, views), view_words(cameras), strict=True)
    ]
    return Pairs(pictures, [caption(description, rng) for description in said], said, cameras)


def _drawn(rng: np.random.Generator, wanted: tuple[bool, ...], relations: bool) -> Description:
    while held_out(description := draw(rng, relations)) not in wanted:
        pass
    return description
