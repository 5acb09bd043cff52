"""HiFA: score distillation against a picture denoised in several steps."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.components import Count
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import ddim_step
from dreamforge.priors.guidance import guided


def hifa(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 100.0, steps: Count = 4, scale: float = 0.05, generator: torch.Generator,
) -> Distilled:
    """HiFA (arXiv 2305.18766), latent part: g = c (z - z0_hat), z0_hat denoised from z_t in several DDIM steps.

    The steps (eta = 1: each draws new noise) go down from t at equal spacing; one step is SDS with weight
    c sigma_bar_t. c: `scale`. Meant for timesteps that fall as the root of progress from 0.98 to 0.3. Left out: the
    term on the decoded picture (an objective sees the latent alone) and the regularizers, which belong to scenes.
    Two evaluations a view for each step, in sequence.
    """
    z_t, here = prior.noise.add(z, eps, t), t
    for step in range(1, steps):
        there = t * (steps - step) // steps
        fresh = torch.randn(z.shape, generator=generator).to(z)
        z_t = ddim_step(prior.noise, z_t, guided(prior, z_t, here, prompt, guidance), here, there, fresh)
        here = there
    return Distilled(grad=scale * (z - prior.noise.clean(z_t, guided(prior, z_t, here, prompt, guidance), here)))
