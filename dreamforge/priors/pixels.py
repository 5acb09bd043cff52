"""The door between pictures and a model that diffuses pixels: z = 2 rgb - 1."""

from __future__ import annotations

import torch
from torch import Tensor


class PixelSpace:
    """`encode` and `decode` of priors without a latent space."""

    def encode(self, rgb: Tensor) -> Tensor:
        """`[B,3,H,W]` in [0,1] to [-1,1]."""
        return 2 * rgb - 1

    def decode(self, z: Tensor) -> Tensor:
        """Back to [0,1], clamped."""
        return (0.5 * z + 0.5).clamp(0, 1)


def fitted(picture: Tensor, like: Tensor) -> Tensor:
    """Pictures `[B,C,h,w]` resized to the height and width of `like` `[B,C,H,W]`."""
    if picture.shape[2:] == like.shape[2:]:
        return picture
    return torch.nn.functional.interpolate(picture, size=like.shape[2:], mode="bilinear", antialias=True)
