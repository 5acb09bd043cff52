"""TSM and CSM against closed forms (METHODS.md 3.9, 3.11)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.objectives.csm import csm
from dreamforge.objectives.ism import ism
from dreamforge.objectives.paths import invert
from dreamforge.objectives.tsm import tsm
from tests.conftest import conditions
from tests.objectives.networks import Network, bars, draw, free, gaussian
from tests.objectives.test_ism import inverted

T = torch.tensor([400, 700])


def test_t_tsm_1_with_mu_at_the_start_is_ism() -> None:
    prior, z = Network(), draw(2, 4)
    prompt = conditions(prior, 2)
    expected = ism(z, T, z, prior, prompt, guidance=7.5, progress=0).grad
    assert torch.allclose(tsm(z, T, z, prior, prompt, guidance=7.5, mu_frac=0).grad, expected, atol=1e-9)


def test_t_tsm_2_with_mu_at_the_end_is_csm_where_their_levels_are_the_same() -> None:
    """a11. The interval equals the stride here, so that both walk through the same levels."""
    prior, z = Network(), draw(2, 4)
    prompt = conditions(prior, 2)
    expected = csm(z, T, z, prior, prompt, guidance=7.5, stride=0.1).grad
    grad = tsm(z, T, z, prior, prompt, guidance=7.5, interval=0.1, mu_frac=1, stride=0.1).grad
    assert torch.allclose(grad, expected, atol=1e-9) and grad.abs().min() > 0


@pytest.mark.parametrize(("std", "contracts"), [(0.7, True), (0.05, False)])
def test_t_tsm_3_contracts_while_the_interval_is_short_beside_the_spread(std: float, contracts: bool) -> None:
    """g = c s_t (z_bar_t- - m)(K(s_t) - K(s_mu)), K = s (rho² + s s_t-) / ((rho² + s²)(rho² + s_t-²)), which rises up
    to s_t- + sqrt(s_t-² + rho²)."""
    prior, z, t = gaussian(std), draw(2, 2), torch.tensor([300, 500])
    before, between = t - 280, t - 280 + 196
    low = bars(prior.noise, before)

    def k(level: Tensor) -> Tensor:
        bar = bars(prior.noise, level)
        return bar * (std**2 + bar * low) / ((std**2 + bar**2) * (std**2 + low**2))

    grad = tsm(z, t, z, prior, conditions(prior, 2), interval=0.28, mu_frac=0.7).grad
    offset = inverted(prior, z, before, std)
    assert torch.allclose(grad, 0.1 * bars(prior.noise, t) * (k(t) - k(between)) * offset, atol=1e-9)
    assert (grad[0] * offset[0] > 0).all() == contracts
    peaks = (bars(prior.noise, between) < low + (low**2 + std**2).sqrt())[0]
    assert peaks.item() == contracts


def test_both_ends_start_from_the_same_point_and_draw_no_noise() -> None:
    """mu = t- + mu_frac (t - t-), asked about the empty prompt alone, whatever the negative one."""
    prior, z, t = Network(), draw(1, 4), torch.tensor([400])
    tsm(z, t, z, prior, conditions(prior, 1, "y", "n"), mu_frac=0.954)
    levels = [([0], [""]), ([120], [""]), ([320], [""]), ([400], ["y", "n"]), ([396], [""])]
    assert prior.asked == levels


def test_csm_is_the_classifier_direction_at_the_unconditional_inversion() -> None:
    prior, z = Network(), draw(2, 4)
    prompt = conditions(prior, 2, "y", "n")
    z_t = invert(prior.noise, free(prior), z, T, 0.2)
    delta = prior.eps(z_t, T, "y") - prior.eps(z_t, T, "")
    grad = csm(z, T, draw(2, 4, seed=1), prior, prompt, guidance=3.0, scale=1).grad
    assert torch.allclose(grad, bars(prior.noise, T) * 3 * delta, atol=1e-9)
