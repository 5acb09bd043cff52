"""The embedded default: the exact denoiser of the procedural toy world.

For a prompt it draws a few random instances of what the prompt says, ray-casts them from the step's cameras and
answers with the exact posterior mean over them. True scores of a small, finite world, in milliseconds and with no
training. It is for trying, testing and teaching; real work names a real checkpoint.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit
from dreamforge.components import Count, NonNegative
from dreamforge.contracts import Condition
from dreamforge.errors import UserError
from dreamforge.priors.mixture import PictureMixture
from dreamforge.priors.noise import NoiseProcess
from dreamforge.rendering.background import composite
from dreamforge.toyworld.captions import Description, UnknownWords, parse, vocabulary
from dreamforge.toyworld.raycast import render
from dreamforge.toyworld.world import Instance, instance

VIEW_AZIMUTHS = {"front": (-45, 45), "side": (45, 135), "back": (135, 225), "overhead": (0, 360)}


class ToyWorld(PictureMixture):
    """A Gaussian of width `bandwidth` about the renders of `instances` random objects that fit the prompt.

    Knows cameras: pictures are compared with renders from the step's own cameras and background. The empty prompt
    is the world's unconditional model, one instance of every noun. multiview: the views of a batch show one and the
    same instance (as in MVDream), so that they cannot disagree on which. size: pixels, used without cameras only,
    where a view word ("front view") or else the whole circle decides what is rendered.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        instances: Count = 4,
        bandwidth: NonNegative = 0.02,
        multiview: bool = True,
        size: Count = 64,
    ) -> None:
        self.noise = NoiseProcess.stable_diffusion()
        self.seed, self.instances, self.bandwidth = seed, instances, bandwidth
        self.joint, self.size = multiview, size
        self.provides = frozenset({"guidance", "gradient", *(["multi-view"] if multiview else [])})
        self._objects = functools.cache(self._draw_objects)
        self._read = functools.cache(_parse)

    def check(self, prompt: str) -> None:
        """Raise UserError, with the nearest known words, for a prompt outside the toy world."""
        self._read(prompt)

    def condition(
        self, prompts: Sequence[str], cameras: Cameras | None = None, background: Tensor | None = None
    ) -> Condition:
        """What to tell the model; see `dreamforge.contracts.Prior`."""
        background = torch.ones(len(prompts), 3) if background is None else background
        if cameras is None:
            rgba = torch.cat([self._every_view(self._read(prompt)) for prompt in prompts])
        else:
            said = [replace(self._read(prompt), view=None) for prompt in prompts]  # the cameras say the view
            if len(set(said)) == 1:
                rgba = render(self._objects(said[0]), cameras)
            else:
                rgba = torch.cat([render(self._objects(d), cameras[i : i + 1]) for i, d in enumerate(said)])
        return Condition(2 * composite(rgba, background[:, None]) - 1)

    def _draw_objects(self, said: Description) -> list[Instance]:
        if said.noun is not None:
            return [instance(said, self.seed * self.instances + i) for i in range(self.instances)]
        return [instance(Description(noun), self.seed) for noun in vocabulary()["noun"]]

    def _every_view(self, said: Description) -> Tensor:
        """Renders from all the views that the description allows, `[1,K,4,H,W]`."""
        low, high = VIEW_AZIMUTHS.get(said.view or "", (0, 360))
        elevation = 75.0 if said.view == "overhead" else 15.0
        around = orbit(torch.linspace(low, high, 9)[:-1], elevation, size=self.size)
        rgba = render(self._objects(replace(said, view=None)), around)  # [views, instances, 4, H, W]
        return rgba.flatten(0, 1)[None]


def _parse(prompt: str) -> Description:
    try:
        return parse(prompt)
    except UnknownWords as error:
        raise UserError(str(error)) from error
