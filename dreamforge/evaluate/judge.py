"""A judge that reads toy-world pictures: which prompt do they show, and from which side?

It compares pictures with renders of fresh random instances from the same cameras, instances that no prior has seen.
`tests/evaluate/test_judge.py` holds it to ground truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.rendering.background import composite
from dreamforge.toyworld import Instance, instance, parse, render

FRESH = 1 << 20  # seeds from here on are the judge's own: the toy-world prior counts up from its small seed
SIDE = 16  # pictures are compared at this size: proportions vary from instance to instance, edges with them
SPREAD = 0.1  # standard deviation of such a pixel between instances of one prompt
FRONT = math.radians(50)  # azimuths this near to 0 count as the front, and as near to 180 as the back


@dataclass(frozen=True)
class Judge:
    """Templates `[P,M,B,3*SIDE*SIDE]` of P prompts, M instances each, seen by B cameras on a plain grey."""

    prompts: tuple[str, ...]
    cameras: Cameras
    background: float
    templates: Tensor

    @classmethod
    def of(cls, prompts: Sequence[str], cameras: Cameras, background: float, instances: int = 6) -> Judge:
        """A judge of pictures that `cameras` take on a background of the given grey."""
        grey = torch.full((instances, len(cameras), 3), background)
        shown = [composite(truth(prompt, cameras, range(instances)), grey) for prompt in prompts]
        return cls(tuple(prompts), cameras, background, torch.stack([_features(pictures) for pictures in shown]))

    def retrieve(self, pictures: Tensor) -> Tensor:
        """Log-likelihoods `[P]` that the views `[B,3,H,W]` of one object show each prompt."""
        return torch.logsumexp(-self._distances(pictures).sum(-1), dim=1)

    def retrieve_each(self, pictures: Tensor) -> Tensor:
        """Log-likelihoods `[B,P]` of each view alone."""
        return torch.logsumexp(-self._distances(pictures), dim=1).T

    def _distances(self, pictures: Tensor) -> Tensor:
        difference = self.templates - _features(pictures)
        return difference.square().mean(-1) / (2 * SPREAD**2)

    def facing(self, pictures: Tensor, prompt: str) -> Tensor:
        """The azimuth `[B]`, radians, from which each view looks most as if it were taken: the nearest template's."""
        templates = self.templates[self.prompts.index(prompt)].flatten(0, 1)  # [M*B,F]
        nearest = torch.cdist(_features(pictures), templates).argmin(1) % len(self.cameras)
        return self.cameras.azimuth[nearest]

    def janus(self, pictures: Tensor, prompt: str) -> float:
        """The share of views from behind that are read as views of the front: 0 where the object has one face."""
        behind = self.cameras.azimuth.abs() > math.pi - FRONT
        return float((self.facing(pictures, prompt)[behind].abs() < FRONT).float().mean())

    def sides(self, pictures: Tensor, prompt: str) -> float:
        """The share of the views that are read as taken from about where they are: 1 where no side shows up twice."""
        off = self.facing(pictures, prompt) - self.cameras.azimuth
        return float((torch.atan2(off.sin(), off.cos()).abs() < FRONT).float().mean())

    def has_front(self, prompt: str) -> bool:
        """Whether front and back of the thing can be told apart: they can on an instance that is not a template."""
        grey = torch.full((1, len(self.cameras), 3), self.background)
        fresh = composite(truth(prompt, self.cameras, [len(self.templates[0])]), grey)[0]
        ahead = self.cameras.azimuth.abs() < FRONT
        read = self.facing(fresh, prompt)
        return self.janus(fresh, prompt) == 0 and bool((read[ahead].abs() < FRONT).all())


@cache
def _fresh(prompt: str, number: int) -> Instance:
    return instance(parse(prompt), FRESH + number)


def truth(prompt: str, cameras: Cameras, numbers: Sequence[int]) -> Tensor:
    """Renders `[M,B,4,H,W]` of fresh instances of a prompt: premultiplied colour and coverage."""
    return render([_fresh(prompt, number) for number in numbers], cameras).transpose(0, 1)


def _features(pictures: Tensor) -> Tensor:
    """Pictures `[...,3,H,W]` as vectors `[...,3*SIDE*SIDE]`."""
    small = torch.nn.functional.adaptive_avg_pool2d(pictures.flatten(0, -4), SIDE)
    return small.reshape(*pictures.shape[:-3], -1)
