"""Score-implicit matching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.priors.guidance import dot, guided


def sim(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 8.5, through: bool = True, norm: Literal["unit", "none"] = "unit", phi: Phi,
) -> Distilled:
    """SIM (Dive3D, arXiv 2506.13594): g = d/dz <d / |d|, z0_phi - z>, d = z0_hat - z0_phi, through both networks.

    z0_hat and z0_phi: the one-step denoised pictures of the guided prior and of phi, from the same z_t. A
    Fisher-type divergence in place of VSD's KL; a cloud of particles has the same fixed point. The product does not
    scale with d but for `norm: none`. Without `through` nothing is differentiated: g = -d / |d|, VSD of unit length.
    The authors go over to VSD for the last part of a run; guidance 8.5 is their 7.5, which counts from 1 less.
    Two evaluations of the prior a view and one of phi, forward and backward (three times VSD's time, and its memory).
    """
    def weigh(gap: Tensor, hat: Tensor, learned: Tensor) -> Tensor | float:
        return 1 / dot(gap, gap).clamp(min=1e-12).sqrt() if norm == "unit" else 1.0

    if through:
        return Distilled(grad=implicit(z, t, eps, prior, prompt, guidance, phi, weigh))
    gap, _, *hats = compared(z, t, eps, prior, prompt, guidance, phi)
    return Distilled(grad=-gap * weigh(gap, *hats))


def compared(
    point: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions, guidance: float, phi: Phi
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """d = z0_hat - z0_phi and z0_phi, from the noised `point` `[B,...]`; and the two noise predictions behind them."""
    z_t = prior.noise.add(point, eps, t)
    [learned] = phi.predict(z_t, t, [phi.posed])
    hat = guided(prior, z_t, t, prompt, guidance)
    behind = prior.noise.clean(z_t, learned, t)
    return prior.noise.clean(z_t, hat, t) - behind, behind, hat, learned


@torch.enable_grad()
def implicit(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions, guidance: float, phi: Phi,
    weigh: Callable[[Tensor, Tensor, Tensor], Tensor | float],
) -> Tensor:
    """d/dz of weigh(d, eps_hat, eps_phi) <d, z0_phi - z>, through both networks."""
    point = z.detach().requires_grad_()
    gap, behind, *hats = compared(point, t, eps, prior, prompt, guidance, phi)
    return torch.autograd.grad((weigh(gap, *hats) * gap * (behind - point)).sum(), point)[0]
