"""Score distillation for rectified-flow priors."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from dreamforge.components import Range
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.priors.guidance import guided


def rfds(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 100.0, reversals: Annotated[int, Range(0)] = 0,
) -> Distilled:
    """RFDS (arXiv 2406.03293): g = v_hat(z_t; y, t) - v, the velocity v = eps - z; that is (eps_hat - eps) / alpha_t.

    RFDS-Rev is `reversals: 1`: eps is first replaced by the prior's own conditional prediction at z_t, one fixed-point
    step of inversion, and z noised anew (eta = 1 - u, the form for SD3; the over-relaxed eta = 1 of InstaFlow is left
    out). On a variance-preserving prior it is the same in its v-prediction. The authors' weight is a random number
    independent of t; here it is 1. Two evaluations a view, and one for each reversal.
    """
    for _ in range(reversals):
        eps = guided(prior, prior.noise.add(z, eps, t), t, prompt, 1)
    alpha, _ = prior.noise.alpha_sigma(t, z)
    return Distilled(grad=(guided(prior, prior.noise.add(z, eps, t), t, prompt, guidance) - eps) / alpha)
