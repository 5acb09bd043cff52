"""Pairwise preference distillation."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from dreamforge.components import NonNegative
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.objectives.reward_sds import Score
from dreamforge.priors.guidance import ask


def dreamdpo(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, margin: NonNegative = 0.0, weight: Weight = "sigma2", reward: Score, generator: Generator,
) -> Distilled:
    """DreamDPO (arXiv 2502.04370): g = w(t) [(eps_hat_w - eps_w) - (eps_pos,l - eps_l)], a better draw against a worse.

    Two draws of noise on each view; the reward of their decoded one-step pictures names the winner w (the first of
    equals) and the loser l, whose prediction is not guided. Where the rewards differ by less than `margin` only the
    first bracket is left: SDS of the winner (the authors' code forgets its noise there). With a reward that does not
    look, the mean is (s - 1) CSD. Four evaluations a view in two forwards, two decodings, two scores.
    """
    noise = prior.noise
    draws = [eps, torch.randn(z.shape, generator=generator).to(z, non_blocking=True)]
    ahead, behind, scores = [], [], []
    for draw in draws:
        z_t = noise.add(z, draw, t)
        asked = ask(prior, z_t, t, prompt)
        hat = asked.at(guidance)
        scores.append(reward(prior.decode(noise.clean(z_t, hat, t))))
        ahead.append(hat - draw)
        behind.append(asked.positive - draw)
    gap = (scores[0] - scores[1]).view(-1, *(1,) * (z.dim() - 1))
    first = gap >= 0
    baseline = torch.where(gap.abs() >= margin, torch.where(first, behind[1], behind[0]), 0)
    grad = torch.where(first, ahead[0], ahead[1]) - baseline
    return Distilled(grad=noise.weight(weight, t, z) * grad, info={"reward_gap": gap.abs().mean()})
