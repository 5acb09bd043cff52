"""MVDream's score distillation for priors that see several views of an object at once."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import Count, Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.errors import UserError
from dreamforge.priors.guidance import ask, rescaled


def mvdream(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 50.0, rescale: Fraction = 0.5, views: Count = 4,
) -> Distilled:
    """MVDream's SDS (arXiv 2308.16512): g = z - z0_hat', z0_hat rescaled toward the conditional one's spread.

    z0_hat' = (r std(z0_pos) / std(z0_hat) + 1 - r) z0_hat, with one spread for the `views` consecutive items that form
    a set; r: `rescale`. Without it this is SDS with weight sigma_bar_t. The views of a set must share their timestep
    (timesteps: {shared: true}). Two evaluations a view in one forward.
    """
    if len(z) % views:
        raise UserError(f"mvdream: a batch of {len(z)} is not made of sets of {views} views; change batch or views")
    z_t = prior.noise.add(z, eps, t)
    asked = ask(prior, z_t, t, prompt)
    clean = prior.noise.clean(z_t, asked.at(guidance), t).unflatten(0, (-1, views))
    target = rescaled(clean, prior.noise.clean(z_t, asked.positive, t).unflatten(0, (-1, views)), rescale)
    return Distilled(grad=z - target.flatten(0, 1))
