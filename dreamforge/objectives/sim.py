"""Score-implicit matching."""

from __future__ import annotations

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
    with torch.set_grad_enabled(through):
        point = z.detach().requires_grad_()
        z_t = prior.noise.add(point, eps, t)
        [learned] = phi.predict(z_t, t, [phi.posed])
        behind = prior.noise.clean(z_t, learned, t)
        gap = prior.noise.clean(z_t, guided(prior, z_t, t, prompt, guidance), t) - behind
        length = dot(gap, gap).clamp(min=1e-12).sqrt() if norm == "unit" else 1.0
        if not through:
            return Distilled(grad=-gap / length)
        [grad] = torch.autograd.grad((gap / length * (behind - point)).sum(), point)
    return Distilled(grad=grad)
