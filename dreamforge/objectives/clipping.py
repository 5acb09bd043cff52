"""Limits on the gradient that an objective returns, applied after its weighting and before the loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dreamforge.errors import UserError, did_you_mean


def clip_values(grad: Tensor, limit: float) -> Tensor:
    """Every element clamped to [-limit, limit] (score clipping, arXiv 2303.15413)."""
    return grad.clamp(-limit, limit)


def clip_pixels(grad: Tensor, limit: float) -> Tensor:
    """Pixel-wise gradient clipping (PGC-3D, arXiv 2310.12474): a pixel's channels `[B,C,H,W]` are scaled together so
    that none exceeds the limit, which keeps their ratio and so the hue that the pixel is pulled to."""
    return grad * (limit / grad.abs().amax(1, keepdim=True).clamp(min=limit))


CLIPS = {"values": clip_values, "pixels": clip_pixels}
"""The kinds of clipping that a stage's `clip` can name."""


def check_clips(limits: dict[str, Any], where: str) -> None:
    """Raise UserError for a kind of clipping that there is not."""
    for name in limits:
        if name not in CLIPS:
            raise UserError(f"{where}.{name}: no such clipping{did_you_mean(name, CLIPS)}")
