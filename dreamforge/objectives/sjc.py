"""Score Jacobian chaining."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import sigma_bar


def sjc(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 100.0, variance_reduced: bool = True,
) -> Distilled:
    """SJC (arXiv 2212.00774): g = (z - D) / sigma_bar, with D the denoised picture of z_bar = z + sigma_bar eps.

    The chain rule applied to the score of the noised picture, minus its value D - z_bar = -sigma_bar eps for a perfect
    denoiser; without `variance_reduced` that is not subtracted: g = (z_bar - D) / sigma_bar. The reduced form is SDS
    with weight 1 written in other variables. Two evaluations a view (one at guidance 1).
    """
    spread = sigma_bar(prior.noise, t, z)
    z_t = prior.noise.add(z, eps, t)
    denoised = prior.noise.clean(z_t, guided(prior, z_t, t, prompt, guidance), t)
    start = z if variance_reduced else z + spread * eps
    return Distilled(grad=(start - denoised) / spread)
