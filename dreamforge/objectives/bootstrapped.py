"""Bootstrapped score distillation."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.objectives.paths import Weight


def bootstrapped(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 2.0, weight: Weight = "sigma2", phi: Phi,
) -> Distilled:
    """BSD, the bootstrapped one (DreamCraft3D, arXiv 2310.16818): g = w(t) (eps_hat_B(z_t; c, t) - eps_phi(z_t; t)).

    VSD whose prior B is tuned to this asset: to renders of it that the frozen prior has repaired, again and again as
    they improve (phi: bootstrapped, `learned/bootstrapped.py`). eps_hat_B is guided from B's own empty prompt. While B
    is being tuned nothing pulls. With B as phi it is (s - 1) the classifier direction of B. For the detail of what has
    its form: timesteps from 0.05 to 0.5, falling to 0.2. phi sees no cameras, as theirs.
    Two evaluations of B a view and one of phi, and the training of one of them; the prior only repairs.
    """
    teacher = phi.teacher
    if teacher is None:
        return Distilled(grad=torch.zeros_like(z))
    z_t = prior.noise.add(z, eps, t)
    positive, empty = teacher.predict(z_t, t, [teacher.posed, teacher.empty])
    [learned] = phi.predict(z_t, t, [phi.free])
    return Distilled(grad=prior.noise.weight(weight, t, z) * (empty + guidance * (positive - empty) - learned))
