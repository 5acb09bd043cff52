"""Arithmetic on a prior's predictions, done once for every objective."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dreamforge.contracts import Prior, PromptConditions


def guided(prior: Prior, z_t: Tensor, t: Tensor, prompt: PromptConditions, scale: float) -> Tensor:
    """Classifier-free guidance in one batched forward: eps_neg + s (eps_pos - eps_neg).

    s = 1 is the conditional model alone and s = 0 the other one alone: neither evaluates what it does not use.
    The negative is the empty prompt unless the user gave a negative prompt. Where the stage asks for Perp-Neg, the
    other views' wordings push away too, in the same forward (4 evaluations a view).
    """
    if prompt.view_weights is not None:
        asked = [prompt.negative, prompt.positive, *prompt.view_negatives]
        negative, positive, *others = prior.predict(z_t, t, asked)
        return perp_neg(negative, positive, others, prompt.view_weights.to(z_t, non_blocking=True), scale)
    if scale == 1:
        return prior.predict(z_t, t, [prompt.positive])[0]
    if scale == 0:
        return prior.predict(z_t, t, [prompt.negative])[0]
    positive, negative = prior.predict(z_t, t, [prompt.positive, prompt.negative])
    return negative + scale * (positive - negative)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of each item of two batches `[B,...]`, shaped `[B,1,...]`."""
    return (a * b).flatten(1).sum(1).view(-1, *(1,) * (a.dim() - 1))


def rescaled(prediction: Tensor, positive: Tensor, amount: float) -> Tensor:
    """CFG rescale (arXiv 2305.08891): each item's standard deviation moved toward that of the conditional prediction.

    prediction, positive: `[B,...]`, with and without guidance. amount: 0 leaves the prediction alone, 1 gives it the
    conditional one's spread. Counters the over-saturation of large guidance.
    """
    ratio = positive.flatten(1).std(1) / prediction.flatten(1).std(1).clamp(min=1e-12)
    return prediction * (1 + amount * (ratio - 1)).view(-1, *(1,) * (prediction.dim() - 1))


def perpendicular(vector: Tensor, direction: Tensor) -> Tensor:
    """What each item of `vector` `[B,...]` has across `direction`; the vector itself where the direction is zero."""
    return vector - dot(vector, direction) / dot(direction, direction).clamp(min=1e-6) * direction


def perp_neg(empty: Tensor, positive: Tensor, negatives: Sequence[Tensor], weights: Tensor, scale: float) -> Tensor:
    """Perp-Neg guidance (arXiv 2304.04968): eps_0 + s (e_p + sum_k w_k perp(e_k, e_p)), with e = eps - eps_0.

    Negatives push away, and only across the positive direction, so that they never undo what the prompt asks for.
    empty, positive and each of the K negatives: predictions `[B,...]`. weights: `[B,K]`, at most 0.
    """
    forward = positive - empty
    total = forward
    for k, negative in enumerate(negatives):
        weight = weights[:, k].view(-1, *(1,) * (empty.dim() - 1))
        total = total + weight * perpendicular(negative - empty, forward)
    return empty + scale * total


def view_weights(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Perp-Neg's table (threestudio's numbers): how hard "front view" and "side view" push away at each camera.

    azimuth, elevation: `[B]` in radians. Returns `[B,2]`, at most 0; none above 60° of elevation.
    """
    angle = torch.atan2(azimuth.sin(), azimuth.cos()).abs() / (math.pi / 2)  # 0 front, 1 side, 2 back
    ahead = angle < 1
    r = torch.where(ahead, 1 - angle, 2 - angle)
    front = torch.where(ahead, _decay(r, 4, -2.426), _decay(r, 1, 0.967))
    side = torch.where(ahead, _decay(1 - r, 4, -2.426), _decay(r, 1, -0.606))
    return -torch.where(elevation > math.radians(60), 0, torch.stack([front, side])).T


def _decay(r: Tensor, height: float, offset: float) -> Tensor:
    return height * torch.exp(-0.5 * r) + offset
