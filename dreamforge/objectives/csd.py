"""Classifier score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.schedules import Scheduled, value_at


def csd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, negative: Scheduled = 1.0, weight: Weight = "sigma2", progress: float,
) -> Distilled:
    """CSD (arXiv 2310.19415): g = w(t) (eps_pos - a eps_neg - (1 - a) eps_0), away from what the prompt is not.

    a: `negative`, how much of that is the negative prompt and not the empty one (eps_0). The authors anneal it from 0
    to 1 over half of the first stage, and from 1 to 0.5 over the second. SDS without its first term: with a = 1,
    SDS(s) - w (eps_neg - eps) = s CSD. Where both sides are equally spread it has no fixed point and drifts on.
    Three evaluations a view in one forward, two where a is 1.
    """
    share, z_t = value_at(negative, progress), prior.noise.add(z, eps, t)
    if share == 1:
        positive, away = prior.predict(z_t, t, [prompt.positive, prompt.negative])
    else:
        positive, away, empty = prior.predict(z_t, t, [prompt.positive, prompt.negative, prompt.empty])
        away = share * away + (1 - share) * empty
    return Distilled(grad=prior.noise.weight(weight, t, z) * (positive - away))
