"""Timestep schedules (METHODS.md 1.7, 3.26)."""

from __future__ import annotations

import pytest
import torch

from dreamforge.schedules import annealed, dreamtime, dreamtime_density, uniform


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("density", "low", "high"), [("piecewise", 0.2, 0.8), ("product", 0.02, 0.98)])
def test_a22_dreamtime_falls_and_stays_at_each_level_as_its_density_says(density: str, low: float, high: float) -> None:
    """Monotone, from about `high` to about `low`, and the time spent between two levels is the density's share there.
    Catches the lookup from below, which starts at low noise, and a flank without its half."""
    steps = torch.cat([dreamtime(i / 999, 1, seeded(), low=low, high=high, density=density) for i in range(1000)])  # type: ignore[arg-type]
    assert (steps.diff() <= 0).all()
    assert steps[0] > high - 0.15 and low <= steps[-1] < low + 0.25
    level = torch.linspace(low, high, 1000, dtype=torch.float64)
    mass = dreamtime_density(level, density)
    for a, b in ((0.3, 0.45), (0.45, 0.6), (0.6, 0.75)):
        spent = ((steps > a) & (steps <= b)).double().mean()
        share = mass[(level > a) & (level <= b)].sum() / mass.sum()
        assert abs(spent - share) < 0.01


def test_a22_dreamtime_densities() -> None:
    """Piecewise: m2 = 500, m1 = 800, s2 = 100, s1 = 300. product: sigma_bar rises with t (flipped in one published copy)."""
    at = dreamtime_density(torch.tensor([0.4, 0.5, 0.65, 0.8, 0.95], dtype=torch.float64), "piecewise")
    assert at.tolist() == pytest.approx([0.6065307, 1, 1, 1, 0.8824969])
    low, high = dreamtime_density(torch.tensor([0.4, 0.6], dtype=torch.float64), "product")
    assert high > 1.5 * low


def test_annealed_falls_by_a_power_and_uniform_can_be_one_falling_level() -> None:
    """{low: X, high: X} with X falling is the piecewise-linear path of CFD."""
    ends = [annealed(p, 2, seeded(), high=0.9, low=0.1, power=0.5).tolist() for p in (0.0, 0.25, 1.0)]
    assert torch.allclose(torch.tensor(ends), torch.tensor([[0.9] * 2, [0.5] * 2, [0.1] * 2]))
    path = {0: 0.98, 0.1: 0.7, 1: 0.2}
    assert uniform(0.05, 3, seeded(), low=path, high=path).tolist() == pytest.approx([0.84] * 3)
    drawn = uniform(0.0, 400, seeded(), low=0.2, high=0.6)
    assert 0.2 <= drawn.min() < 0.22 and 0.58 < drawn.max() <= 0.6 and uniform(0.0, 4, seeded(), shared=True).unique().numel() == 1
