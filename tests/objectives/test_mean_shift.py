"""Mean-shift distillation against closed forms (METHODS.md 3.27)."""

from __future__ import annotations

import pytest
import torch

from dreamforge.objectives.mean_shift import mean_shift
from tests.conftest import conditions
from tests.objectives.networks import F64, MEAN, bars, draw, gaussian, seeded


@pytest.mark.parametrize("level", [200, 600])
def test_t_msd_1_b16_is_a_sample_of_the_prior_near_z(level: int) -> None:
    """E g = (z - m) l² / (l² + rho²) and Var g = l² rho² / (l² + rho²), l = sigma_bar_t, over 2000 particles. Catches
    noise that is added to z first, steps without fresh noise (no variance), and a level taken for sigma."""
    prior, z = gaussian(0.6), torch.tensor([[2.0, 1.0]], dtype=F64).expand(2000, 2)
    t = torch.full((2000,), level)
    options = {"guidance": 1, "steps": 60, "generator": seeded()}
    grad = mean_shift(z, t, draw(2000, 2), prior, conditions(prior, 2000), **options).grad
    squared = bars(prior.noise, t[:1]).item() ** 2
    assert torch.allclose(grad.mean(0), (z[0] - MEAN) * squared / (squared + 0.36), rtol=0.02, atol=0.03)
    assert grad.var(0).mean().item() == pytest.approx(squared * 0.36 / (squared + 0.36), rel=0.15)


def test_t_msd_2_far_away_it_is_a_sample_and_near_by_it_stands_still() -> None:
    """l -> infinity: y does not depend on z; l -> 0: g -> 0."""
    prior, z = gaussian(0.6), draw(500, 2, seed=2)
    options = {"guidance": 1, "steps": 20}
    t = torch.full((500,), 999)
    here, there = (
        point - mean_shift(point, t, z, prior, conditions(prior, 500), **options, generator=seeded(1)).grad
        for point in (z, z + 1)
    )
    assert (there - here).abs().max() < 0.01 and here.std() > 0.3
    near = mean_shift(z, torch.zeros_like(t), z, prior, conditions(prior, 500), **options, generator=seeded()).grad
    assert near.abs().mean() < 0.01
