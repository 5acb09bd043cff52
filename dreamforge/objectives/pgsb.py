"""VSD with guidance of random strength."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.errors import UserError
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import guided


def within(bounds: list[float], draw: float, name: str) -> float:
    """The point a share `draw` into [low, high]."""
    if len(bounds) != 2 or bounds[0] > bounds[1]:
        raise UserError(f"pgsb.{name}: {list(bounds)} is not [low, high]")
    return bounds[0] + draw * (bounds[1] - bounds[0])


def pgsb(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: list[float] = (4.0, 11.0),  # type: ignore[assignment]
    phi_guidance: list[float] | None = None, weight: Weight = "sigma2",
    phi: Phi, generator: torch.Generator,
) -> Distilled:
    """PG-SB (SNOOPI, arXiv 2412.02687): VSD whose guidance is drawn anew each step, uniform in [low, high].

    For a fixed phi the mean is VSD at the middle of the range: it acts through phi and by variance. phi_guidance: a
    range for phi too, guided from its own empty prompt by the same draw (whether the authors share it is unconfirmed),
    which wants phi.prompt_dropout. Theirs is [0.5, 4] for one-step image generators; ours lies about VSD's 7.5.
    Cost: that of VSD, and one more evaluation of phi where it is guided.
    """
    draw = torch.rand((), generator=generator).item()
    scale = within(guidance, draw, "guidance")
    z_t = prior.noise.add(z, eps, t)
    if phi_guidance is None:
        [learned] = phi.predict(z_t, t, [phi.posed])
    else:
        posed, empty = phi.predict(z_t, t, [phi.posed, phi.empty])
        learned = empty + within(phi_guidance, draw, "phi_guidance") * (posed - empty)
    return Distilled(grad=prior.noise.weight(weight, t, z) * (guided(prior, z_t, t, prompt, scale) - learned))
