"""Variational score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import guided


def vsd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, weight: Weight = "sigma2", phi: Phi,
) -> Distilled:
    """VSD (ProlificDreamer, arXiv 2305.16213): g = w(t) (eps_hat(z_t; y, t) - eps_phi(z_t; c, t)).

    phi is the learned score of the renders at camera c. Where it is the prior itself this is (guidance - 1) CSD, and
    where it knows the render exactly (one scene, exact scores) it is SDS at the same guidance: what VSD adds comes from
    several particles and from what phi has not learned. A cloud of particles comes to the prior's own spread.
    Two evaluations of the prior a view, one of phi, and phi's training.
    """
    z_t = prior.noise.add(z, eps, t)
    [learned] = phi.predict(z_t, t, [phi.posed])
    return Distilled(grad=prior.noise.weight(weight, t, z) * (guided(prior, z_t, t, prompt, guidance) - learned))
