"""ASD against closed forms (METHODS.md 3.5)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamforge.objectives.asd import asd, noisier
from dreamforge.objectives.csd import csd
from dreamforge.objectives.sds import sds
from tests.conftest import conditions
from tests.objectives.networks import MEAN, Network, antithetic, bars, draw, gaussian, seeded, slope


def test_t_asd_1_without_a_shift_is_csd() -> None:
    """g = (s-1) CSD: the subtracted prediction is the conditional one, without guidance."""
    prior, z, eps, t = Network(), draw(3, 4), draw(3, 4, seed=1), torch.tensor([20, 500, 980])
    prompt = conditions(prior, 3)
    grad = asd(z, t, eps, prior, prompt, guidance=7.5, shift=0, progress=0, generator=seeded()).grad
    assert torch.allclose(grad, 6.5 * csd(z, t, eps, prior, prompt, progress=0).grad, atol=1e-9)
    assert prior.asked[1] == ([20, 500, 980], ["y"])


def test_t_asd_2_tends_to_sds_as_the_shift_reaches_the_last_timestep() -> None:
    """There eps_hat = eps up to order 1 / sigma_bar_T. Catches noise that is not shared by the two timesteps."""
    prior, z, eps, t = gaussian(0.4), draw(3, 2), draw(3, 2, seed=1), torch.tensor([50, 300, 600])
    prompt = conditions(prior, 3)
    grad = asd(z, t, eps, prior, prompt, shift=1e9, random_shift=False, weight="uniform", progress=0, generator=seeded()).grad
    error = grad - sds(z, t, eps, prior, prompt, weight="uniform").grad
    last = bars(prior.noise, torch.tensor([999]))
    assert (error.abs() <= (z - MEAN).abs() / last + 0.4**2 * eps.abs() / last**2).all() and error.abs().max() > 0.01


@pytest.mark.parametrize(("std", "contracts"), [(0.4, True), (0.8, False)])
def test_t_asd_3_contracts_iff_the_product_of_noise_levels_exceeds_the_variance(std: float, contracts: bool) -> None:
    """E g = w (z - m)(f(sigma_bar_t) - f(sigma_bar_t+)), positive iff sigma_bar_t sigma_bar_t+ > rho²."""
    prior, t, later = gaussian(std), torch.full((8,), 200), torch.full((8,), 300)
    z = torch.tensor([[2.0, 3.0]]).double().expand(8, 2)
    grad = asd(
        z, t, antithetic(8, 2), prior, conditions(prior, 8),
        guidance=1, shift=0.5, low=0.0, random_shift=False, progress=0, generator=seeded(),
    ).grad.mean(0)
    here, there = bars(prior.noise, t[:1]), bars(prior.noise, later[:1])
    expected = prior.noise.sigmas[200] ** 2 * (z[0] - MEAN) * (slope(here, std) - slope(there, std))
    assert torch.allclose(grad, expected[0], atol=1e-9)
    assert ((here * there).item() > std**2) == contracts == (grad[0] * (z[0] - MEAN)[0] > 0).item()


@given(st.integers(0, 999), st.floats(0, 3), st.integers(0, 999), st.floats(0, 1))
def test_t_asd_4_shifted_timesteps_stay_in_range(t: int, shift: float, low: int, draw: float) -> None:
    later = noisier(torch.tensor([t]), 1000, shift, low, draw)
    assert later.dtype == torch.int64 and max(t, 1) <= later.item() <= 999
    if t <= low or shift == 0:
        assert later.item() == max(t, 1)


def test_t_asd_4_shift_grows_with_the_distance_from_the_lowest_timestep() -> None:
    t = torch.tensor([20, 500, 980])
    assert noisier(t, 1000, 0.1, 20, 1.0).tolist() == [20, 548, 999]
    assert noisier(t, 1000, 0.1, 20, 0.5).tolist() == [20, 524, 989]


def test_random_shift_is_one_draw_a_step_and_low_follows_progress() -> None:
    """Views of a set must share t+ where they share t; low: 0.5 -> 0.02 as ScaleDreamer anneals it."""
    prior, z, t = Network(), draw(2, 4), torch.tensor([600, 600])
    schedule = {0: 0.5, 1: 0.02}
    for progress, low in ((0.0, 500), (0.5, 260)):
        prior.asked.clear()
        asd(z, t, z, prior, conditions(prior, 2), low=schedule, progress=progress, generator=seeded(3))
        share = torch.rand((), generator=seeded(3)).item()
        assert prior.asked[1][0] == [600 + int(share * 0.1 * (600 - low))] * 2
