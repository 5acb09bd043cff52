"""NFSD against its degenerate cases (METHODS.md 3.13)."""

from __future__ import annotations

import pytest
import torch

from dreamforge.objectives.csd import csd
from dreamforge.objectives.nfsd import nfsd
from dreamforge.objectives.sds import sds
from tests.conftest import conditions
from tests.objectives.networks import Network, antithetic, bars, draw, gaussian

Z, EPS = draw(4, 5), draw(4, 5, seed=1)
LOW, HIGH = torch.tensor([0, 20, 100, 199]), torch.tensor([200, 300, 500, 980])


def test_t_nfsd_1_at_low_noise_is_sds_without_its_noise_subtraction() -> None:
    """Whatever the negative prompt: guidance is against the empty one."""
    prior = Network()
    expected = sds(Z, LOW, EPS, prior, conditions(prior, 4), guidance=7.5, weight="uniform").grad + EPS
    grad = nfsd(Z, LOW, EPS, prior, conditions(prior, 4, "y", "n"), weight="uniform").grad
    assert torch.allclose(grad, expected, atol=1e-9)


def test_t_nfsd_2_a13_at_high_noise_a_trivial_negative_leaves_the_classifier_direction() -> None:
    """s CSD where the negative is the empty prompt, (s-1) CSD where it is the prompt."""
    prior = Network()
    pure = csd(Z, HIGH, EPS, prior, conditions(prior, 4), progress=0).grad
    for negative, factor in (("", 7.5), ("y", 6.5)):
        grad = nfsd(Z, HIGH, EPS, prior, conditions(prior, 4, "y", negative)).grad
        assert torch.allclose(grad, factor * pure, atol=1e-9)


def test_at_high_noise_it_moves_from_the_negative_to_the_empty_prompt() -> None:
    prior = Network()
    z_t = prior.noise.add(Z, EPS, HIGH)
    grad = nfsd(Z, HIGH, EPS, prior, conditions(prior, 4, "y", "n"), guidance=0, weight="uniform").grad
    assert torch.allclose(grad, prior.eps(z_t, HIGH, "") - prior.eps(z_t, HIGH, "n"), atol=1e-9)


@pytest.mark.parametrize(("std", "noisier"), [(0.3, True), (0.7, False)])
def test_b13_at_low_noise_its_mean_is_that_of_sds_and_its_spread_sigma_bar_over_rho_squared_times(
    std: float, noisier: bool
) -> None:
    """On a Gaussian: larger where sigma_bar > rho, and smaller where sigma_bar < rho."""
    prior, t, eps = gaussian(std), torch.full((8,), 150), antithetic(8, 2)
    z, prompt = draw(1, 2).expand(8, 2), conditions(prior, 8)
    ours, theirs = (method(z, t, eps, prior, prompt, guidance=7.5).grad for method in (nfsd, sds))
    ratio = (bars(prior.noise, t[:1]) / std) ** 2
    assert torch.allclose(ours.mean(0), theirs.mean(0), atol=1e-9)
    assert torch.allclose(ours.std(0), ratio * theirs.std(0), atol=1e-9) and (ratio > 1) == noisier
