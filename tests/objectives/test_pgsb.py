"""VSD with random guidance (METHODS.md 3.23)."""

from __future__ import annotations

import pytest
import torch

from dreamforge.errors import UserError
from dreamforge.objectives.pgsb import pgsb
from dreamforge.objectives.vsd import vsd
from tests.conftest import conditions
from tests.objectives.networks import Network, answering, draw, like_prior, seeded

T = torch.tensor([20, 500, 980])
Z, EPS, LEARNED = draw(3, 4), draw(3, 4, seed=1), draw(3, 4, seed=2)


def test_t_pg_1_a33_without_a_range_it_is_vsd() -> None:
    prior = Network()
    prompt, phi = conditions(prior, 3), answering(LEARNED)
    grad = pgsb(Z, T, EPS, prior, prompt, guidance=[6.0, 6.0], phi=phi, generator=seeded()).grad
    assert torch.allclose(grad, vsd(Z, T, EPS, prior, prompt, guidance=6, phi=phi).grad, atol=1e-12)


def test_t_pg_2_a33_the_mean_over_draws_is_vsd_at_the_mean_guidance() -> None:
    """Affine in the guidance, so drawn evenly: catches a range of the wrong width, and a draw for each view."""
    prior = Network()
    prompt, phi = conditions(prior, 3), answering(LEARNED)
    grads = [pgsb(Z, T, EPS, prior, prompt, guidance=[2.0, 9.0], phi=phi, generator=seeded(s)).grad for s in range(400)]
    middle, low, high = (vsd(Z, T, EPS, prior, prompt, guidance=s, phi=phi).grad for s in (5.5, 2.0, 9.0))
    assert torch.allclose(torch.stack(grads).mean(0), middle, atol=0.1 * (high - low).abs().max().item())
    shares = torch.stack([(grad - low) / (high - low) for grad in grads[:20]])
    assert torch.allclose(shares, shares[:, :1, :1].expand_as(shares)) and 0 <= shares.min() and shares.max() <= 1
    assert shares.max() > 0.8 and shares.min() < 0.2


def test_t_pg_3_with_the_prior_as_phi_and_one_draw_for_both_it_asks_for_nothing() -> None:
    """Catches draws of their own for the two, and phi's camera-free score in place of its empty prompt."""
    prior = Network()
    phi = like_prior(prior, 3, posed="y", free="elsewhere", empty="")
    prompt, ranges = conditions(prior, 3), {"guidance": [0.5, 4.0], "phi_guidance": [0.5, 4.0]}
    assert pgsb(Z, T, EPS, prior, prompt, **ranges, phi=phi, generator=seeded()).grad.abs().max() < 1e-12
    half = pgsb(Z, T, EPS, prior, prompt, guidance=[0.5, 4.0], phi=phi, generator=seeded()).grad
    assert half.abs().max() > 1e-3


def test_a_range_that_is_none_is_refused() -> None:
    prior = Network()
    for bounds in ([4.0, 0.5], [1.0]):
        with pytest.raises(UserError, match=r"pgsb.guidance: .* is not \[low, high\]"):
            pgsb(Z, T, EPS, prior, conditions(prior, 3), guidance=bounds, phi=answering(LEARNED), generator=seeded())
