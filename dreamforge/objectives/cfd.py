"""Consistent flow distillation."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from dreamforge.cameras import Cameras
from dreamforge.components import Count
from dreamforge.contracts import Distilled, Prior, PromptConditions, Views
from dreamforge.objectives.cds import fixed_noise
from dreamforge.objectives.surface_noise import surface_noise
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import sigma_bar
from dreamforge.schedules import Scheduled, value_at


def cfd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 71.0, texels: Count = 128, refresh: Scheduled = 0.0,
    rendered: Views, cameras: Cameras, progress: float, generator: Generator,
) -> Distilled:
    """CFD (arXiv 2501.05445): g = sigma_bar_t (eps_hat(z_t; y, t) - n), z_t noised by n, white noise fixed to the surface.

    Where t only falls (it must: `uniform` with low = high = a falling schedule), plain descent in steps of sigma_bar on
    a free picture is DDIM itself, so that the end is a sample and not a mode. n gives a point of the surface the same
    noise in every view (`texels` a side of each of six charts, four shells); behind the object it is one fixed picture.
    refresh: the share c of new noise, sqrt(1 - c) n + sqrt(c) xi, drawn anew each step (the authors let it build up);
    at 1 this is SDS with weight sigma_bar. Two evaluations a view in one forward, and the noise.
    """
    noise, share = fixed_noise(z), value_at(refresh, progress)
    if z.dim() == 4:
        noise = surface_noise(cameras, rendered, noise, texels)
    noise = (1 - share) ** 0.5 * noise + share**0.5 * torch.randn(z.shape, generator=generator).to(z, non_blocking=True)
    ahead = guided(prior, prior.noise.add(z, noise, t), t, prompt, guidance)
    return Distilled(grad=sigma_bar(prior.noise, t, z) * (ahead - noise))
