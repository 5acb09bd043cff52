"""HiFA's z-variance on the volume renderer (METHODS.md 3.17)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.rendering.volume import render_volume


def walls(*planes: tuple[float, float]) -> Tensor:
    """The variance of depth on the middle ray through walls across the view, each (place toward the camera, opacity)."""

    def query(points: Tensor) -> tuple[Tensor, Tensor]:
        density = torch.zeros(len(points))
        for place, opacity in planes:
            inside = (points[:, 2] - place).abs() < 0.01
            density = torch.where(inside, -torch.log1p(torch.tensor(-opacity)) / 0.02, density)
        return density, torch.ones(len(points), 3)

    cameras = orbit([0.0], 0.0, fov=1.0, size=1)
    full = torch.ones(8, 8, 8, dtype=torch.bool)
    return render_volume(cameras, torch.zeros(1, 3), query, full, torch.zeros(8, 8, 8), 0.001).variance.squeeze()


@pytest.mark.parametrize("apart", [0.2, 0.6])
def test_t_hifa_3_variance_of_one_wall_is_0_and_of_two_equal_ones_the_square_of_half_their_distance(apart: float) -> None:
    """Equal masses: half the light stops at the first, the rest at the second. Normalized by opacity: half of it going
    on behind both changes nothing. Catches a second moment about another point, and weights that are not normalized."""
    assert walls((0.1, 0.999999)).item() < 2e-4
    assert walls((apart, 0.5), (-apart, 0.999999)).item() == pytest.approx(apart**2, rel=0.05)
    assert walls((apart, 1 / 3), (-apart, 1 / 2)).item() == pytest.approx(apart**2, rel=0.05)
