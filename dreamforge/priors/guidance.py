"""Arithmetic on a prior's predictions, done once for every objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamforge.contracts import Condition, Prior, PromptConditions
from dreamforge.priors.noise import NoiseProcess


@dataclass(frozen=True)
class Asked:
    """A prior's predictions for one z_t, `[B,...]` each.

    direction: what guidance goes along from the negative one, eps_pos - eps_neg; under Perp-Neg turned away from the
    wordings of other views. others: under the conditions that were asked for besides.
    """

    positive: Tensor
    negative: Tensor
    direction: Tensor
    others: list[Tensor]
    noise: NoiseProcess
    z_t: Tensor
    t: Tensor
    rescale: float

    def at(self, scale: float) -> Tensor:
        """The guided prediction: eps_neg + s direction, with its denoised picture rescaled if the stage says so."""
        hat = self.negative + scale * self.direction
        if not self.rescale:
            return hat
        clean, alone = (self.noise.clean(self.z_t, eps, self.t) for eps in (hat, self.positive))
        alpha, sigma = self.noise.alpha_sigma(self.t, self.z_t)
        return (self.z_t - alpha * rescaled(clean, alone, self.rescale)) / sigma


def ask(
    prior: Prior, z_t: Tensor, t: Tensor, prompt: PromptConditions, others: Sequence[Condition] = (),
    away: Condition | None = None,
) -> Asked:
    """What the prior answers to the prompt, to what guidance leads away from and to `others`, in one batched forward.

    away: in place of the negative prompt. Where the stage asks for Perp-Neg the wordings of other views are asked too,
    two evaluations a view more.
    """
    away = prompt.negative if away is None else away
    elsewhere = prompt.view_negatives if prompt.view_weights is not None else []
    positive, negative, *rest = prior.predict(z_t, t, [prompt.positive, away, *others, *elsewhere])
    besides, views = rest[: len(others)], rest[len(others) :]
    direction = positive - negative
    if prompt.view_weights is not None:
        weights = prompt.view_weights.to(z_t, non_blocking=True)
        direction = perp_neg(direction, [view - negative for view in views], weights)
    return Asked(positive, negative, direction, besides, prior.noise, z_t, t, prompt.rescale)


def guided(prior: Prior, z_t: Tensor, t: Tensor, prompt: PromptConditions, scale: float) -> Tensor:
    """Classifier-free guidance in one batched forward: eps_neg + s (eps_pos - eps_neg).

    s = 1 is the conditional model alone and s = 0 the other one alone: neither evaluates what it does not use.
    The negative is the empty prompt unless the user gave a negative prompt. Perp-Neg and rescale of the stage apply.
    """
    if scale in (0, 1) and prompt.view_weights is None:
        return prior.predict(z_t, t, [prompt.positive if scale == 1 else prompt.negative])[0]
    return ask(prior, z_t, t, prompt).at(scale)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of each item of two batches `[B,...]`, shaped `[B,1,...]`."""
    return (a * b).flatten(1).sum(1).view(-1, *(1,) * (a.dim() - 1))


def rescaled(prediction: Tensor, positive: Tensor, amount: float) -> Tensor:
    """CFG rescale (arXiv 2305.08891): each item's standard deviation moved toward that of the conditional prediction.

    prediction, positive: `[B,...]`, with and without guidance. amount: 0 leaves the prediction alone, 1 gives it the
    conditional one's spread. Counters the over-saturation of large guidance. Here it is applied to denoised pictures, as
    MVDream has it, so that it does not depend on what the network predicts.
    """
    ratio = positive.flatten(1).std(1) / prediction.flatten(1).std(1).clamp(min=1e-12)
    return prediction * (1 + amount * (ratio - 1)).view(-1, *(1,) * (prediction.dim() - 1))


def perpendicular(vector: Tensor, direction: Tensor) -> Tensor:
    """What each item of `vector` `[B,...]` has across `direction`; the vector itself where the direction is zero."""
    return vector - dot(vector, direction) / dot(direction, direction).clamp(min=1e-6) * direction


def perp_neg(direction: Tensor, views: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Perp-Neg's direction of guidance (arXiv 2304.04968): e_p + sum_k w_k perp(e_k, e_p), with e = eps - eps_neg.

    Other views push away, and only across the prompt's own direction, so that they never undo what it asks for.
    direction, and views for each of K: `[B,...]`. weights: `[B,K]`, at most 0.
    """
    shape = (-1, *(1,) * (direction.dim() - 1))
    return direction + sum(
        weights[:, k].view(shape) * perpendicular(view, direction) for k, view in enumerate(views)
    )


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
