"""Score distillation sampling."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.priors.guidance import guided


def sds(
    z: Tensor,
    t: Tensor,
    eps: Tensor,
    prior: Prior,
    prompt: PromptConditions,
    *,
    guidance: float = 100.0,
    weight: Literal["sigma2", "uniform"] = "sigma2",
) -> Distilled:
    """SDS (DreamFusion, arXiv 2209.14988): g = w(t) (eps_hat(z_t; y, t) - eps), with z_t = alpha_t z + sigma_t eps.

    Equivalently w (alpha/sigma) (z - z0_hat): a pull toward the one-step denoised picture. No gradient goes
    through the prior. Two evaluations a view (one at guidance 1). z, eps: `[B,...]`; t: `[B]`.
    """
    z_t = prior.noise.add(z, eps, t)
    residual = guided(prior, z_t, t, prompt, guidance) - eps
    return Distilled(grad=prior.noise.weight(weight, t, z) * residual, info={"residual": residual.abs().mean()})
