"""Limits on gradients (METHODS.md 4.5, 4.6)."""

from __future__ import annotations

import math

import torch

from dreamforge.objectives.clipping import clip_pixels, clip_values
from tests.objectives.networks import draw


def test_values_are_clamped_one_by_one() -> None:
    grad = draw(2, 3, 4, 4)
    clipped = clip_values(grad, 0.5)
    assert clipped.abs().max() == 0.5 and torch.equal(clipped.sign(), grad.sign())
    assert torch.equal(clipped[grad.abs() <= 0.5], grad[grad.abs() <= 0.5])
    assert torch.equal(clip_values(grad, math.inf), grad)


def test_pixels_keep_the_ratio_of_their_channels() -> None:
    """The hue: unlike `clip_values`. A pixel within the limit is left alone, others reach it exactly."""
    grad = draw(2, 3, 4, 4)
    clipped = clip_pixels(grad, 0.5)
    peak = grad.abs().amax(1, keepdim=True)
    assert torch.allclose(clipped / clipped[:, :1], grad / grad[:, :1])
    assert torch.allclose(clipped.abs().amax(1, keepdim=True), peak.clamp(max=0.5))
    assert torch.equal(clip_pixels(grad, 10.0), grad) and torch.equal(clip_pixels(0 * grad, 0.5), 0 * grad)
