"""The embedded default: the exact denoiser of the procedural toy world.

For a prompt it draws a few random instances of what the prompt says, ray-casts them from the step's cameras and
answers with the exact posterior mean over them. True scores of a small, finite world, in milliseconds and with no
training. It is for trying, testing and teaching; real work names a real checkpoint.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit, turned
from dreamforge.components import Count, NonNegative
from dreamforge.contracts import Condition
from dreamforge.errors import UserError
from dreamforge.priors.mixture import Bank, PictureMixture, observation_log_weights
from dreamforge.priors.noise import NoiseProcess
from dreamforge.rendering.background import composite
from dreamforge.rng import generator
from dreamforge.toyworld.captions import Description, UnknownWords, parse, vocabulary
from dreamforge.toyworld.raycast import render, render_each
from dreamforge.toyworld.world import Instance, instance

SEEN = 32  # pixels a side at which image prompts are compared
VIEW_AZIMUTHS = {"front": (-45, 45), "side": (45, 135), "back": (135, 225), "overhead": (0, 360)}
SIDES = 8  # azimuths that a prior blind to cameras takes a picture for, one of them the right one
FRONT_BIAS = 1.0  # how much more often it knows fronts: the density of an azimuth grows with exp(FRONT_BIAS cos azimuth)


class ToyWorld(PictureMixture):
    """A Gaussian of width `bandwidth` about the renders of `instances` random objects that fit the prompt.

    Knows cameras: pictures are compared with renders from the step's own cameras and background. The empty prompt
    is the world's unconditional model: an instance each of `nouns` random nouns (with all 75 of them a step that asks
    for it takes five times as long). multiview: the views of a batch show one and the same instance (as in MVDream), so
    that they cannot disagree on which. size: pixels, used without cameras only, where a view word ("front view") or
    else the whole circle decides what is rendered.

    views: "blind" for a prior that is not told the azimuth, as a text-to-image model is not: a picture may then show
    any of eight sides of an instance, fronts most often, or those that a view word in the prompt allows. Asked from
    every side it likes to see the front, so that objects can grow several (Janus). It judges each view by itself.

    An image prompt is taken as an observation of the front (azimuth 0, elevation 15) of the instance on white, with
    noise of standard deviation `image_std` on each number of a 32 x 32 picture in [-1,1]; the answer is the exact
    posterior given it too. It says nothing of which of the views without cameras a picture is.
    """

    def __init__(
        self,
        *,
        device: torch.device = torch.device("cpu"),
        seed: int = 0,
        instances: Count = 4,
        bandwidth: NonNegative = 0.02,
        nouns: Count = 16,
        multiview: bool = True,
        size: Count = 64,
        image_std: NonNegative = 0.5,
        views: Literal["posed", "blind"] = "posed",
    ) -> None:
        self.noise, self.device = NoiseProcess.stable_diffusion(), device
        self.seed, self.instances, self.bandwidth = seed, instances, bandwidth
        self.blind = views == "blind"
        self.joint = multiview and not self.blind
        self.nouns, self.size, self.image_std = nouns, size, image_std
        self.provides = frozenset({"guidance", "gradient", "image", *(["multi-view"] if self.joint else [])})
        few = functools.lru_cache(maxsize=64)  # a sweep has thousands of prompts
        self._objects, self._fronts, self._read = few(self._draw_objects), few(self._draw_fronts), few(_parse)

    def check(self, prompt: str) -> None:
        """Raise UserError, with the nearest known words, for a prompt outside the toy world."""
        self._read(prompt)

    def condition(
        self,
        prompts: Sequence[str],
        cameras: Cameras | None = None,
        background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Condition:
        """What to tell the model; see `dreamforge.contracts.Prior`."""
        background = torch.ones(len(prompts), 3, device=self.device) if background is None else background
        said = [replace(self._read(prompt), view=None) for prompt in prompts]  # the cameras say the view
        weights: Tensor | float = 0.0
        if cameras is None:
            rgba = torch.cat([self._every_view(self._read(prompt)) for prompt in prompts])
        elif self.blind:
            drawn = [self._any_side(self._read(text), cameras[i : i + 1].to("cpu")) for i, text in enumerate(prompts)]
            rgba, weights = map(torch.stack, zip(*drawn, strict=True))
        elif len(set(said)) == 1:
            rgba = render(self._objects(said[0]), cameras.to("cpu"))
        else:
            rgba = torch.cat([render(self._objects(d), cameras[i : i + 1].to("cpu")) for i, d in enumerate(said)])
        if image is not None:
            seen = self._seen(image.cpu(), said)
            weights = weights + seen.repeat(1, rgba.shape[1] // seen.shape[1])  # views are the outer index
        return Condition(Bank.of(rgba, background, weights))

    def _any_side(self, said: Description, camera: Cameras) -> tuple[Tensor, Tensor]:
        """Renders `[N,4,H,W]` from all sides at the height of one camera, and their log weights `[N]`.

        N is eight sides of every instance, the sides outermost; of the unconditional model, one side of every noun.
        """
        objects = self._objects(replace(said, view=None))
        count = SIDES if said.noun is not None else len(objects)
        around = Cameras(camera.c2w.expand(count, 4, 4), camera.fov.expand(count), camera.height, camera.width)
        around = turned(around, 2 * math.pi * (torch.arange(count) / SIDES).frac())
        weights = side_log_weights(around.azimuth, said.view)
        if said.noun is None:
            return render_each(objects, around), weights
        return render(objects, around).flatten(0, 1), weights.repeat_interleave(len(objects))

    def _seen(self, image: Tensor, said: Sequence[Description]) -> Tensor:
        """Log weights `[B,K]` of each picture's instances given the image prompts."""
        pictures = image if image.dim() == 4 else image.expand(len(said), *image.shape)
        small = torch.nn.functional.interpolate(pictures, size=(SEEN, SEEN), mode="bilinear", antialias=True)
        observed = (2 * small - 1).flatten(1)
        weights = torch.stack(
            [observation_log_weights(row, self._fronts(one), self.image_std) for row, one in zip(observed, said, strict=True)]
        )
        return weights.sum(0, keepdim=True).expand_as(weights) if self.joint and image.dim() == 4 else weights

    def _draw_fronts(self, said: Description) -> Tensor:
        """Each instance's front on white in [-1,1], `[K,D]`."""
        rgba = render(self._objects(said), orbit([0.0], 15.0, size=SEEN))[0]
        return (2 * composite(rgba, torch.ones(len(rgba), 3)) - 1).flatten(1)

    def _draw_objects(self, said: Description) -> list[Instance]:
        if said.noun is not None:
            return [instance(said, self.seed * self.instances + i) for i in range(self.instances)]
        every = vocabulary()["noun"]
        drawn = torch.randperm(len(every), generator=generator(self.seed, "nouns"))[: self.nouns]
        return [instance(Description(every[i]), self.seed) for i in drawn.tolist()]

    def _every_view(self, said: Description) -> Tensor:
        """Renders from all the views that the description allows, `[1,K,4,H,W]`."""
        low, high = VIEW_AZIMUTHS.get(said.view or "", (0, 360))
        elevation = 75.0 if said.view == "overhead" else 15.0
        around = orbit(torch.linspace(low, high, 9)[:-1], elevation, size=self.size)
        rgba = render(self._objects(replace(said, view=None)), around)  # [views, instances, 4, H, W]
        return rgba.flatten(0, 1)[None]


def side_log_weights(azimuth: Tensor, view: str | None) -> Tensor:
    """How likely a picture is taken from each azimuth, radians, as far as a view word or none tells; -inf for never."""
    low, high = VIEW_AZIMUTHS.get(view or "", (0, 360))
    degrees = torch.rad2deg(azimuth)
    inside = torch.zeros_like(degrees, dtype=torch.bool)
    for sign in (1, -1):  # a side is either side
        inside |= (sign * degrees - low) % 360 <= high - low
    return torch.where(inside, FRONT_BIAS * azimuth.cos(), -math.inf)


def _parse(prompt: str) -> Description:
    try:
        return parse(prompt)
    except UnknownWords as error:
        raise UserError(str(error)) from error
