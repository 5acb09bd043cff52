"""Score distillation as an approximate Schrödinger bridge."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import ask


def sds_bridge(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 40.0, weight: Weight = "sigma2",
) -> Distilled:
    """SDS-Bridge (arXiv 2406.09417), second stage: g = w(t) s (eps_target - eps_source), after a stage of SDS.

    The negative prompt describes the picture as it is now, the prompt what it should be: the prompt with ", detailed
    high resolution, high quality, sharp", the negative with ", oversaturated, smooth, pixelated, cartoon, foggy, hazy,
    blurry, bad structure, noisy, malformed" after the same words. Two evaluations a view in one forward.
    """
    direction = ask(prior, prior.noise.add(z, eps, t), t, prompt).direction
    return Distilled(grad=prior.noise.weight(weight, t, z) * guidance * direction)
