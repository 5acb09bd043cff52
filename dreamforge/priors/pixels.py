"""The door between pictures and a model that diffuses pixels: z = 2 rgb - 1."""

from __future__ import annotations

from torch import Tensor


class PixelSpace:
    """`encode` and `decode` of priors without a latent space."""

    def encode(self, rgb: Tensor) -> Tensor:
        """`[B,3,H,W]` in [0,1] to [-1,1]."""
        return 2 * rgb - 1

    def decode(self, z: Tensor) -> Tensor:
        """Back to [0,1], clamped."""
        return (0.5 * z + 0.5).clamp(0, 1)


def composite(rgba: Tensor, background: Tensor) -> Tensor:
    """Premultiplied pictures `[B,K,4,H,W]` over plain colours `[B,3]`, in [-1,1]: `[B,K,3,H,W]`."""
    rgb = rgba[:, :, :3] + (1 - rgba[:, :, 3:]) * background[:, None, :, None, None]
    return 2 * rgb - 1
