"""Arithmetic on a prior's predictions, done once for every objective."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Prior, PromptConditions


def guided(prior: Prior, z_t: Tensor, t: Tensor, prompt: PromptConditions, scale: float) -> Tensor:
    """Classifier-free guidance in one batched forward: eps_neg + s (eps_pos - eps_neg).

    s = 1 is the conditional model alone and s = 0 the other one alone: neither evaluates what it does not use.
    The negative is the empty prompt unless the user gave a negative prompt.
    """
    if scale == 1:
        return prior.predict(z_t, t, [prompt.positive])[0]
    if scale == 0:
        return prior.predict(z_t, t, [prompt.negative])[0]
    positive, negative = prior.predict(z_t, t, [prompt.positive, prompt.negative])
    return negative + scale * (positive - negative)
