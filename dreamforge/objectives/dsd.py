"""Dual score distillation."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from dreamforge.components import NonNegative
from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions, Second
from dreamforge.errors import UserError
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import guided
from dreamforge.schedules import Scheduled, value_at


def dsd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, concept: NonNegative = 0.2, concept_low: Scheduled = 0.5, concept_high: Scheduled = 0.75,
    reference: NonNegative = 1.0, reference_low: Scheduled = 0.1, reference_high: Scheduled = 0.25,
    weight: Weight = "sigma2", phi: Phi, second: Second, progress: float, generator: Generator,
) -> Distilled:
    """DSD (ThemeStation, arXiv 2403.15383): g = k_c g_vsd(concept prior, t_c) + k_r g_vsd(reference prior, t_r).

    Two VSDs of one picture in ranges of noise that do not meet: much noise, where the concept decides the layout, and
    little, where the exemplars decide style and detail. The concept's prior is the run's, the reference's is the
    stage's `second_prior`; theirs are two fine-tunings (DreamBooth) of one model. k: `concept`, `reference`. Ranges are
    fractions of T; the stage's own timesteps are not used. phi is asked without a camera, as theirs; one serves both,
    for it is the score of the renders, where they train one on each fine-tuning (and all of it on normal maps too).
    Two evaluations of each prior a view, two of phi, and phi's training.
    """
    lows, highs = ([value_at(bound, progress) for bound in pair] for pair in ((concept_low, reference_low), (concept_high, reference_high)))
    if highs[1] > lows[0]:
        raise UserError(f"dsd: reference_high {highs[1]:g} is above concept_low {lows[0]:g}; the ranges must not meet")
    grad = torch.zeros_like(z)
    asked = ((prior, prompt, concept), (second.prior, second.prompt, reference))
    for (teacher, told, share), low, high in zip(asked, lows, highs, strict=True):
        draws = torch.rand(len(z), generator=generator).to(t.device, non_blocking=True)
        level = teacher.noise.timestep(low + (high - low) * draws)
        z_t = teacher.noise.add(z, eps, level)
        [learned] = phi.predict(z_t, level, [phi.free])
        grad = grad + share * teacher.noise.weight(weight, level, z) * (guided(teacher, z_t, level, told, guidance) - learned)
    return Distilled(grad=grad)
