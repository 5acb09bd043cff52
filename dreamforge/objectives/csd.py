"""Classifier score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight


def csd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions, *, weight: Weight = "sigma2"
) -> Distilled:
    """CSD (arXiv 2310.19415): g = w(t) (eps_pos - eps_neg), the direction that tells the prompt from its negative.

    SDS without its first term: SDS(s) - w (eps_neg - eps) = s CSD. Where both conditions are equally spread it has no
    fixed point and drifts on, away from the negative. Two evaluations a view in one forward.
    """
    positive, negative = prior.predict(prior.noise.add(z, eps, t), t, [prompt.positive, prompt.negative])
    return Distilled(grad=prior.noise.weight(weight, t, z) * (positive - negative))
