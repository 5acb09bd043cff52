"""Score distillation via inversion."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import invert
from dreamforge.priors.guidance import guided


def sdi(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, inversion_guidance: float = -7.5, stride: Fraction = 0.1,
) -> Distilled:
    """SDI (arXiv 2405.15891): g = z - z0_hat(z_t), with z_t the conditional DDIM inversion of z.

    SDS with its random noise replaced by the one that the prior infers for z and the prompt. At an exact inversion
    g = sigma_bar_t (guidance - inversion_guidance) (eps_pos - eps_neg): a contrast between two guidances. Timesteps
    fall from 0.98 to 0.25 of T in the paper. The released code's small random noise during inversion is left out, and
    it inverts to a slightly later time than it denoises from. eps is not used.
    Two evaluations a view, and two for each `stride` up to t.
    """
    predict = partial(guided, prior, prompt=prompt, scale=inversion_guidance)
    z_t = invert(prior.noise, predict, z, t, stride)
    return Distilled(grad=z - prior.noise.clean(z_t, guided(prior, z_t, t, prompt, guidance), t))
