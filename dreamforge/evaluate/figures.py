"""Figures about pictures of an object, each to be read beside the same figure of ground truth."""

from __future__ import annotations

import torch
from torch import Tensor


def saturation(pictures: Tensor, alpha: Tensor) -> float:
    """Mean HSV saturation in [0,1] over the object's pixels. pictures: `[...,3,H,W]`; alpha: `[...,1,H,W]`."""
    highest, lowest = pictures.amax(-3), pictures.amin(-3)
    return _mean((highest - lowest) / highest.clamp(min=1e-6), alpha)


def sharpness(pictures: Tensor, alpha: Tensor) -> float:
    """Mean absolute Laplacian of the brightness over the object's inner pixels. Shapes as for `saturation`."""
    brightness = pictures.mean(-3).flatten(0, -3)[:, None]
    stencil = brightness.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    laplacian = torch.nn.functional.conv2d(brightness, stencil)
    inner = -torch.nn.functional.max_pool2d(-alpha.flatten(0, -4), 3, stride=1)
    return _mean(laplacian[:, 0].abs(), inner)


def _mean(values: Tensor, alpha: Tensor) -> float:
    """Over the pixels where alpha is more than a half; 0 where there are none."""
    inside = alpha.squeeze(-3) > 0.5
    return float(values[inside].mean()) if inside.any() else 0.0


def diversity(objects: Tensor) -> float:
    """Mean distance between the same views of different objects: root mean square over pixels, mean over pairs.

    objects: `[N,B,3,H,W]`, N >= 2.
    """
    flat = objects.flatten(1)
    return float(torch.pdist(flat).mean() / flat.shape[1] ** 0.5)
