"""Figures about pictures, on pictures whose figures are known."""

from __future__ import annotations

import pytest
import torch

from dreamforge.evaluate.figures import diversity, saturation, sharpness


def test_saturation_counts_the_objects_pixels_only() -> None:
    picture = torch.zeros(1, 3, 4, 4)
    picture[0, :, :, :2] = torch.tensor([0.8, 0.4, 0.6])[:, None, None]  # (0.8 - 0.4) / 0.8
    picture[0, :, :, 2:] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    alpha = torch.zeros(1, 1, 4, 4)
    alpha[..., :2] = 1
    assert saturation(picture, alpha) == pytest.approx(0.5)
    assert saturation(picture, torch.zeros_like(alpha)) == 0


def test_sharpness_is_the_laplacian_inside_the_outline() -> None:
    """A checkerboard of height h has a Laplacian of 4 h everywhere; a ramp has none, and outlines do not count."""
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    board = (0.1 * ((x + y) % 2).float()).expand(1, 3, 8, 8)
    alpha = torch.ones(1, 1, 8, 8)
    assert sharpness(board, alpha) == pytest.approx(0.4)
    assert sharpness((0.05 * x.float()).expand(1, 3, 8, 8), alpha) == pytest.approx(0, abs=1e-6)
    disc = ((x - 3.5) ** 2 + (y - 3.5) ** 2 < 9).float()
    assert sharpness(disc.expand(1, 3, 8, 8), disc.expand(1, 1, 8, 8)) == 0


def test_diversity_is_the_mean_distance_between_objects() -> None:
    objects = torch.stack([torch.full((2, 3, 4, 4), value) for value in (0.0, 0.1, 0.3)])
    assert diversity(objects) == pytest.approx((0.1 + 0.2 + 0.3) / 3)
