"""Variational score distillation with its noise weighted by a reward."""

from __future__ import annotations

from functools import partial

from torch import Generator, Tensor

from dreamforge.components import Count, Fraction
from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.objectives.reward_sds import Score, Strategy, weighted
from dreamforge.objectives.vsd import vsd
from dreamforge.priors.guidance import guided


def reward_vsd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, draws: Count = 4, strategy: Strategy = "min-max", steps: Count = 15,
    preview_guidance: float = 7.5, duration: Fraction = 0.7, weight: Weight = "sigma2",
    phi: Phi, reward: Score, progress: float, generator: Generator,
) -> Distilled:
    """RewardVSD (arXiv 2503.09601): g = sum_i k_i g_i, VSD of several draws of noise, weighted by their reward.

    As `reward_sds`, with the gradients of VSD; after `duration` of the stage it is VSD.
    draws x (2 + 2 steps) evaluations of the prior a view, `draws` of phi, and phi's training.
    """
    distill = partial(vsd, z, t, prior=prior, prompt=prompt, guidance=guidance, weight=weight, phi=phi)
    if progress >= duration:
        return distill(eps)
    predict = partial(guided, prior, prompt=prompt, scale=preview_guidance)
    return weighted(distill, predict, z, t, eps, prior, draws, strategy, steps, reward, generator)
