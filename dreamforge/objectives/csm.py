"""Classifier score matching."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import invert, unconditional
from dreamforge.priors.guidance import ask
from dreamforge.priors.sampling import sigma_bar


def csm(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, stride: Fraction = 0.2, scale: float = 0.1,
) -> Distilled:
    """CSM (TV-3DG, arXiv 2410.21299): g = c sigma_bar_t s (eps_pos - eps_0), at the DDIM inversion z_t of z.

    CSD on deterministic instead of random noise, and TSM with mu at t. Unconfirmed: this is the reading of the paper's
    abstract and lineage; its own equation and weighting were not available. c: `scale`. eps is not used.
    Two evaluations a view and one for each `stride` up to t.
    """
    z_t = invert(prior.noise, unconditional(prior, prompt), z, t, stride)
    direction = ask(prior, z_t, t, prompt, away=prompt.empty).direction
    return Distilled(grad=scale * guidance * sigma_bar(prior.noise, t, z) * direction)
