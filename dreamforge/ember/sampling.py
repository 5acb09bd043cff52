"""Pictures out of a prior by DDIM: for looking, and for judging what it knows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Condition, Prior
from dreamforge.rng import generator

CLIP = 3.0
"""Ember's latents stay within: its decoder knows no others."""


@torch.no_grad()
def ddim(
    prior: Prior,
    prompt: Condition,
    empty: Condition,
    shape: tuple[int, ...],
    random: torch.Generator,
    *,
    guidance: float = 5.0,
    steps: int = 20,
    clip: float | None = None,
) -> Tensor:
    """Latents `[B,...]` by deterministic DDIM (arXiv 2010.02502) with classifier-free guidance.

    The timesteps are evenly spread and end at the last one ("trailing", 2305.08891). clip: bound of the predicted clean
    latents. Costs `steps` batched predictions under both conditions.
    """
    z = torch.randn(shape, generator=random).to(prior.device)
    times = (torch.arange(steps, 0, -1) * prior.noise.steps / steps).round().long() - 1
    for now, later in zip(times, [*times[1:], None], strict=True):
        t = now.expand(shape[0])
        positive, negative = prior.predict(z, t, [prompt, empty])
        eps = negative + guidance * (positive - negative)
        clean = prior.noise.clean(z, eps, t)
        clean = clean.clamp(-clip, clip) if clip else clean
        if later is None:
            return clean
        alpha, sigma = prior.noise.alpha_sigma(t, z)
        eps = (z - alpha * clean) / sigma  # of the clipped estimate
        z = prior.noise.add(clean, eps, later.expand(shape[0]))
    return z


def pictures(
    prior: Prior,
    prompts: Sequence[str],
    *,
    cameras: Cameras | None = None,
    image: Tensor | None = None,
    guidance: float = 5.0,
    steps: int = 20,
    seed: int = 0,
    clip: float | None = CLIP,
) -> Tensor:
    """Pictures `[B,3,H,W]` in [0,1], one for each prompt. cameras, image: as in `Prior.condition`."""
    shape = prior.encode(torch.zeros(1, 3, 64, 64, device=prior.device)).shape[1:]
    asked, empty = (prior.condition(texts, cameras, image=image) for texts in (prompts, [""] * len(prompts)))
    random = generator(seed, "sample")
    z = ddim(prior, asked, empty, (len(prompts), *shape), random, guidance=guidance, steps=steps, clip=clip)
    return prior.decode(z).cpu()
