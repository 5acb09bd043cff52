"""Delta denoising score."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions, Source
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import guided


def dds(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, weight: Weight = "uniform", source: Source,
) -> Distilled:
    """DDS (arXiv 2304.07090): g = w(t) (eps_hat(z_t; y, t) - eps_hat(z_t^src; y^src, t)), both noised by the same eps.

    SDS of the edit minus SDS of the source, which cancels what SDS would do to a picture that is right already. From
    the source onward a Gaussian prior translates it by the difference of the two prompts' means, so that its offset
    from the mode is kept. Four evaluations a view in two forwards (two at guidance 1).
    """
    target = guided(prior, prior.noise.add(z, eps, t), t, prompt, guidance)
    start = guided(prior, prior.noise.add(source.z, eps, t), t, source.prompt, guidance)
    return Distilled(grad=prior.noise.weight(weight, t, z) * (target - start))
