"""Consistency distillation sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight, less_noisy
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import ddim_step
from dreamforge.schedules import Scheduled, value_at

PUBLISHED_GUIDANCE = {0: 101.0, 1: 51.0}
"""Consistent3D's 100 to 50 in its own convention, which counts from 1 less."""


def fixed_noise(z: Tensor) -> Tensor:
    """One noise tensor for every view and step: a function of the shape of z `[B,...]` alone."""
    return torch.randn(z.shape[1:], generator=torch.Generator().manual_seed(0)).to(z, non_blocking=True).expand_as(z)


def cds(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: Scheduled = PUBLISHED_GUIDANCE, gap: Fraction = 0.1, jitter: Fraction = 0.2,
    weight: Weight = "uniform", progress: float, generator: torch.Generator,
) -> Distilled:
    """CDS (Consistent3D, arXiv 2401.09050): g = w(t) (eps_hat(z_t, t) - eps_hat(z_t-, t-)).

    z_t is noised by one tensor n fixed for good (not by eps), and z_t- is one Euler step down the ODE from z_t, so
    that g = w (z0_hat(t-) - z0_hat(t)) / sigma_bar_t-. t- lies gap to gap + jitter (fractions of T) below t. The sign
    is that of the authors' code, which contracts on a Gaussian, toward m - sigma_bar_t n: anneal t to end at m (the
    loss as the paper prints it is unconfirmed). Four evaluations a view in two forwards.
    """
    noise, scale = prior.noise, value_at(guidance, progress)
    before = less_noisy(noise, t, gap + jitter * torch.rand((), generator=generator).item())
    z_t = noise.add(z, fixed_noise(z), t)
    high = guided(prior, z_t, t, prompt, scale)
    low = guided(prior, ddim_step(noise, z_t, high, t, before), before, prompt, scale)
    return Distilled(grad=noise.weight(weight, t, z) * (high - low))
