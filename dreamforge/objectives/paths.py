"""Paths through a prior's noise levels, shared by the objectives that compare two points on them."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor

from dreamforge.contracts import Prior, PromptConditions
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.sampling import Predict, ddim_step

Weight = Literal["sigma2", "uniform"]
"""The weightings that `NoiseProcess.weight` knows."""


def less_noisy(noise: NoiseProcess, t: Tensor, fraction: float) -> Tensor:
    """The timesteps a fraction of T below `t` `[B]`, at least 0."""
    return (t - round(fraction * noise.steps)).clamp(min=0)


def unconditional(prior: Prior, prompt: PromptConditions) -> Predict:
    """The prior's prediction under the empty prompt, whatever the negative one."""
    return lambda z_t, t: prior.predict(z_t, t, [prompt.empty])[0]


def invert(noise: NoiseProcess, predict: Predict, z: Tensor, t: Tensor, stride: float) -> Tensor:
    """DDIM inversion: the noised picture z_t `[B,...]` at timesteps `t` that `predict` itself assigns to a clean z.

    Levels lie `stride` (a fraction of T) apart, counted down from each t to 0, where z has no noise.
    ceil(max t / stride) predictions, one after the other.
    """
    hop = max(1, round(stride * noise.steps))
    hops = -(-int(t.max()) // hop)
    levels = [(t - hop * (hops - k)).clamp(min=0) for k in range(hops + 1)]
    z_t = noise.alpha_sigma(levels[0], z)[0] * z
    for low, high in pairwise(levels):
        z_t = ddim_step(noise, z_t, predict(z_t, low), low, high)
    return z_t
