"""Steps from one noise level to another, and pictures denoised or drawn in several of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from dreamforge.contracts import Prior, PromptConditions
from dreamforge.priors.guidance import guided
from dreamforge.priors.noise import NoiseProcess

Predict = Callable[[Tensor, Tensor], Tensor]
"""(z_t, t) -> eps."""


def sigma_bar(noise: NoiseProcess, t: Tensor, like: Tensor) -> Tensor:
    """sigma_t / alpha_t, the noise per unit of signal, shaped `[B,1,...]` to multiply `like` `[B,...]`."""
    alpha, sigma = noise.alpha_sigma(t, like)
    return sigma / alpha


def ddim_step(
    noise: NoiseProcess, z_t: Tensor, eps: Tensor, t: Tensor, to: Tensor, fresh: Tensor | None = None
) -> Tensor:
    """From z_t at timesteps `t` to timesteps `to`, along the straight line that `eps` points out.

    With z_bar = z_t / alpha_t this is Euler's z_bar_to = z_bar_t + (sigma_bar_to - sigma_bar_t) eps, toward either
    more or less noise. `fresh` noise makes it DDIM's eta = 1, toward less noise only: the ancestral step of DDPM.
    """
    kept = eps
    if fresh is not None:
        ratio = sigma_bar(noise, to, z_t) / sigma_bar(noise, t, z_t)
        kept = ratio * eps + (1 - ratio**2).sqrt() * fresh
    return noise.add(noise.clean(z_t, eps, t), kept, to)


def denoise(
    noise: NoiseProcess, predict: Predict, z_t: Tensor, t: Tensor, steps: int, generator: torch.Generator | None = None
) -> Tensor:
    """The picture z0 `[B,...]` behind z_t, in `steps` predictions at equal spacing from `t` `[B]` down.

    One step is the plain estimate z0_hat. A generator makes every step but the last draw new noise (eta = 1).
    """
    here = t
    for left in range(steps - 1, 0, -1):
        there = t * left // steps
        fresh = None if generator is None else torch.randn(z_t.shape, generator=generator).to(z_t)
        z_t = ddim_step(noise, z_t, predict(z_t, here), here, there, fresh)
        here = there
    return noise.clean(z_t, predict(z_t, here), here)


def sample(
    prior: Prior, prompt: PromptConditions, like: Tensor, generator: torch.Generator, steps: int = 50, scale: float = 7.5
) -> Tensor:
    """Latents drawn from the prior by DDIM, shaped as `like` `[B,...]`. One or two evaluations a step."""
    last = torch.full((len(like),), prior.noise.steps - 1, device=like.device)
    start = torch.randn(like.shape, generator=generator).to(like)
    return denoise(prior.noise, partial(guided, prior, prompt=prompt, scale=scale), start, last, steps)
