"""Score distillation with its noise weighted by a reward."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor

from dreamforge.components import Count, Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.errors import UserError
from dreamforge.objectives.paths import Weight
from dreamforge.objectives.sds import sds
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import Predict, denoise

Score = Callable[[Tensor], Tensor]
"""Pictures `[B,3,H,W]` in [0,1] to how good they are, `[B]`."""
Strategy = Literal["min-max", "best", "softmax", "mean"]
TOP = 2
"""How many draws count at each end in "min-max"."""


def shares(rewards: Tensor, strategy: Strategy) -> Tensor:
    """The weight of each of N draws, `[N,B]`, from their rewards `[N,B]`.

    min-max: 0.9 for the mean of the best two and -0.1 for that of the worst two. best: 1 for the best. softmax: of the
    rewards. mean: 1 / N.
    """
    match strategy:
        case "min-max":
            rank = rewards.argsort(dim=0, stable=True).argsort(dim=0)  # 0 is the worst
            return (0.9 * (rank >= len(rewards) - TOP) - 0.1 * (rank < TOP)).to(rewards) / TOP
        case "best":
            return torch.zeros_like(rewards).scatter(0, rewards.argmax(0, keepdim=True), 1)
        case "softmax":
            return rewards.softmax(0)
    return torch.full_like(rewards, 1 / len(rewards))


def weighted(
    distill: Callable[[Tensor], Distilled], predict: Predict, z: Tensor, t: Tensor, eps: Tensor, prior: Prior, draws: int,
    strategy: Strategy, steps: int, reward: Score, generator: Generator,
) -> Distilled:
    """The gradients that `distill` gives for several draws of noise, weighted by the reward of what each draw denoises to.

    The first draw is `eps`, the others come from the generator.
    """
    if strategy == "min-max" and draws < 2 * TOP:
        raise UserError(f"draws: min-max needs at least {2 * TOP} draws, not {draws}, to tell best from worst")
    noises = [eps, *(torch.randn(z.shape, generator=generator).to(z, non_blocking=True) for _ in range(draws - 1))]
    pictures = (prior.decode(denoise(prior.noise, predict, prior.noise.add(z, e, t), t, steps)) for e in noises)
    rewards = torch.stack([reward(picture) for picture in pictures])
    weights = shares(rewards, strategy).to(z).view(draws, -1, *(1,) * (z.dim() - 1))
    grad = sum(weight * distill(noise).grad for weight, noise in zip(weights, noises, strict=True))
    return Distilled(grad=grad, info={"reward": rewards.mean(), "reward_spread": rewards.std(0, correction=0).mean()})


def reward_sds(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 100.0, draws: Count = 7, strategy: Strategy = "min-max", steps: Count = 15,
    preview_guidance: float = 7.5, duration: Fraction = 0.7, weight: Weight = "sigma2",
    reward: Score, progress: float, generator: Generator,
) -> Distilled:
    """RewardSDS (arXiv 2503.09601): g = sum_i k_i g_i, SDS of several draws of noise, weighted by their reward.

    Each draw is denoised in `steps` DDIM steps at `preview_guidance`, decoded and scored; `strategy` makes weights of the
    scores (no gradient of the reward is used). After `duration` of the stage it is SDS. min-max adds up to 0.8.
    draws x (2 + 2 steps) evaluations a view, in sequence, since the draws share a view's conditions.
    """
    distill = partial(sds, z, t, prior=prior, prompt=prompt, guidance=guidance, weight=weight)
    if progress >= duration:
        return distill(eps)
    predict = partial(guided, prior, prompt=prompt, scale=preview_guidance)
    return weighted(distill, predict, z, t, eps, prior, draws, strategy, steps, reward, generator)
