"""sRGB and linear light, for arrays."""

from __future__ import annotations

import numpy as np


def srgb_to_linear(color: np.ndarray) -> np.ndarray:
    """sRGB in [0,1] to linear light."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(color: np.ndarray) -> np.ndarray:
    """Linear light in [0,1] to sRGB, float32."""
    curved = 1.055 * np.maximum(color, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(color <= 0.0031308, color * 12.92, curved).astype(np.float32)


def dimmed(picture: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """An sRGB picture `[H,W,3]` uint8 whose light is multiplied by a linear factor `[3]`."""
    if (np.asarray(factor) == 1).all():
        return picture
    light = srgb_to_linear(np.arange(256)[:, None] / 255) * factor
    table = np.round(linear_to_srgb(light.clip(0, 1)) * 255).astype(np.uint8)
    return table[picture, np.arange(3)]
