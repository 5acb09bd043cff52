"""Asynchronous score distillation."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.components import NonNegative
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import guided
from dreamforge.schedules import Scheduled, value_at


def noisier(t: Tensor, steps: int, shift: float, low: float, draw: float) -> Tensor:
    """t + floor(draw * shift (t - low)), in 1..steps-1 and never below t: the further from `low`, the longer the shift.

    t: `[B]`. low: in timesteps. draw: in [0,1].
    """
    room = (shift * (t - low)).clamp(min=0).minimum(steps - 1 - t)
    return (t + (draw * room).long()).clamp(min=1)


def asd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, shift: NonNegative = 0.1, random_shift: bool = True, low: Scheduled = 0.02,
    weight: Weight = "sigma2", progress: float, generator: torch.Generator,
) -> Distilled:
    """ASD (ScaleDreamer, arXiv 2407.02040): g = w(t) (eps_hat(z_t; y, t) - eps_pos(z_t+; t+)), t+ noisier than t.

    Both noised by the same eps. The prior itself at the noisier timestep stands in for VSD's network, as its error
    there is smaller. t+ = t + shift (t - low) U, one U in [0,1] a step (1 without `random_shift`). low: the lower end
    of the timesteps, as the stage draws them (ScaleDreamer: from 0.5 to 0.02). On a Gaussian of width rho it pulls
    only while sigma_bar_t sigma_bar_t+ > rho². Three evaluations a view in two forwards.
    """
    noise = prior.noise
    draw = torch.rand((), generator=generator).item() if random_shift else 1.0
    later = noisier(t, noise.steps, shift, value_at(low, progress) * noise.steps, draw)
    ahead = guided(prior, noise.add(z, eps, t), t, prompt, guidance)
    behind = guided(prior, noise.add(z, eps, later), later, prompt, 1)
    return Distilled(grad=noise.weight(weight, t, z) * (ahead - behind))
