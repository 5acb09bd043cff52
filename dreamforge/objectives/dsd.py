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
    bounds = concept_low, concept_high, reference_low, reference_high
    coarse_low, coarse_high, fine_low, fine_high = (value_at(bound, progress) for bound in bounds)
    if fine_high > coarse_low:
        raise UserError(f"dsd: reference_high {fine_high:g} is above concept_low {coarse_low:g}; the ranges must not meet")
    asked = (
        (prior, prompt, concept, coarse_low, coarse_high),
        (second.prior, second.prompt, reference, fine_low, fine_high),
    )
    grad = torch.zeros_like(z)
    for teacher, told, share, low, high in asked:
        draws = torch.rand(len(z), generator=generator).to(t.device, non_blocking=True)
        level = teacher.noise.timestep(low + (high - low) * draws)
        z_t = teacher.noise.add(z, eps, level)
        [learned] = phi.predict(z_t, level, [phi.free])
        residual = guided(teacher, z_t, level, told, guidance) - learned
        grad = grad + share * teacher.noise.weight(weight, level, z) * residual
    return Distilled(grad=grad)
