"""Score-implicit matching, weighted for an f-divergence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.objectives.fdistill import ratio
from dreamforge.objectives.sim import implicit

WEIGHTS = {"reverse_kl": (1.0, 0.0), "forward_kl": (0.0, 1.0), "jeffreys": (0.6, 0.4)}
"""How much of the product counts by itself and how much times r: for divergences integrated over all noise."""


def uni_instruct(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, divergence: Literal[tuple(WEIGHTS)] = "forward_kl", phi: Phi,  # type: ignore[valid-type]
) -> Distilled:
    """Uni-Instruct (arXiv 2505.20755): g = d/dz (a + b r) <d, z0_phi - z> / mean |z - z0_hat|, d = z0_hat - z0_phi.

    SIM's product, through both networks, with weights for f-divergences integrated over the noise: the reverse KL is
    SIM (not VSD), the forward KL counts r = p / q times, Jeffreys 0.6 + 0.4 r. r is `fdistill`'s, over its mean; the
    authors take it from the value of a discriminator's loss. Their Jensen-Shannon and Pearson rows are left out: each
    has a second term whose sign differs between the branches of the released code. Confirmed against their image
    generators only: the settings of their text-to-3D runs are not released. Cost: that of `sim`.
    """
    found = torch.ones(())

    def weigh(gap: Tensor, hat: Tensor, learned: Tensor) -> Tensor:
        nonlocal found
        found = ratio(prior.noise, t, eps, hat.detach(), learned.detach())
        z_t = prior.noise.add(z, eps, t)
        size = (z - prior.noise.clean(z_t, hat.detach(), t)).flatten(1).abs().mean(1).clamp(min=1e-5)
        alone, times = WEIGHTS[divergence]
        return ((alone + times * found / found.mean()) / size).view(-1, *(1,) * (z.dim() - 1))

    grad = implicit(z, t, eps, prior, prompt, guidance, phi, weigh)
    return Distilled(grad=grad, info={"ratio": found.mean()})
