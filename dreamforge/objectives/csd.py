"""Classifier score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import ask
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
    share = value_at(negative, progress)
    asked = ask(prior, prior.noise.add(z, eps, t), t, prompt, [] if share == 1 else [prompt.empty])
    back = sum((1 - share) * (asked.negative - empty) for empty in asked.others)
    return Distilled(grad=prior.noise.weight(weight, t, z) * (asked.direction + back))
