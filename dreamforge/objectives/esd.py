"""Entropic score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import guided


def esd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, entropy: Fraction = 0.5, weight: Weight = "sigma2", phi: Phi,
) -> Distilled:
    """ESD (arXiv 2401.00909): g = w(t) (eps_hat - [a eps_phi(z_t; t) + (1 - a) eps_phi(z_t; c, t)]).

    VSD with phi guided by 1 - a toward the camera: the camera-free score keeps the views different from each other,
    against one face on every side. a: `entropy`; 0 is VSD. Confirmed against the authors' code; the factors of the
    entropy as the paper prints it are unconfirmed. Acts where the noise is small beside the spread of the views.
    Two evaluations of the prior a view, two of phi in one forward, and phi's training with camera dropout.
    """
    z_t = prior.noise.add(z, eps, t)
    posed, free = phi.predict(z_t, t, [phi.posed, phi.free])
    learned = entropy * free + (1 - entropy) * posed
    return Distilled(grad=prior.noise.weight(weight, t, z) * (guided(prior, z_t, t, prompt, guidance) - learned))
