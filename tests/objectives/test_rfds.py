"""RFDS and RFDS-Rev against closed forms (METHODS.md 3.28)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.objectives.rfds import rfds
from dreamforge.priors.guidance import guided
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import Recorder, conditions
from tests.objectives.networks import F64, MEAN, Network, bars, draw, gaussian

FLOW = NoiseProcess.flow_matching(dtype=F64)
T = torch.tensor([100, 400, 900])
U = FLOW.sigmas[T][:, None]


def velocity(prior: Network, z_u: Tensor, prompt: str) -> Tensor:
    """From eps_hat = z_u + (1 - u) v_hat."""
    return (prior.eps(z_u, T, prompt) - z_u) / (1 - U)


def test_t_rf_1_a26_is_the_velocity_residual_in_all_three_forms() -> None:
    prior, z, eps = Network(FLOW), draw(3, 4), draw(3, 4, seed=1)
    prompt = conditions(prior, 3)
    grad = rfds(z, T, eps, prior, prompt, guidance=7.5).grad
    z_u = (1 - U) * z + U * eps
    y, n = velocity(prior, z_u, "y"), velocity(prior, z_u, "")
    assert torch.allclose(grad, n + 7.5 * (y - n) - (eps - z), atol=1e-9)
    eps_hat = guided(prior, z_u, T, prompt, 7.5)
    assert torch.allclose(grad, (eps_hat - eps) / (1 - U), atol=1e-9)
    assert torch.allclose(grad, (z - FLOW.clean(z_u, eps_hat, T)) / U, atol=1e-9)


def test_t_rf_2_a_reversal_moves_the_noise_to_the_priors_own() -> None:
    """eps' = eps + (1 - u)(v_hat_y - v) = eps_hat_y, and z is noised anew by it: catches guidance in the reversal, and
    a residual against the old noise or at the old z_u."""
    prior, z, eps = Network(FLOW), draw(3, 4), draw(3, 4, seed=1)
    grad = rfds(z, T, eps, prior, conditions(prior, 3), guidance=7.5, reversals=1).grad
    moved = eps + (1 - U) * (velocity(prior, (1 - U) * z + U * eps, "y") - (eps - z))
    z_u = (1 - U) * z + U * moved
    y, n = velocity(prior, z_u, "y"), velocity(prior, z_u, "")
    assert torch.allclose(grad, n + 7.5 * (y - n) - (moved - z), atol=1e-9)


@pytest.mark.parametrize("reversals", [1, 3])
def test_t_rf_3_b18_each_reversal_shrinks_the_residual_on_a_gaussian(reversals: int) -> None:
    """(f sigma_bar)^k of it remains, pointwise: the noise converges to sigma_bar (z - m) / rho²."""
    prior, z, eps = gaussian(0.7, FLOW), draw(3, 2), draw(3, 2, seed=1)
    prompt, bar = conditions(prior, 3), bars(FLOW, T)
    plain = rfds(z, T, eps, prior, prompt, guidance=1).grad
    grad = rfds(z, T, eps, prior, prompt, guidance=1, reversals=reversals).grad
    assert torch.allclose(grad, (bar**2 / (0.49 + bar**2)) ** reversals * plain, atol=1e-9)
    star = bar * (z - MEAN) / 0.49
    assert torch.allclose(rfds(z, T, star, prior, prompt, guidance=1).grad, 0 * z, atol=1e-9)


def test_at_the_fixed_point_of_reversal_it_is_the_classifier_direction() -> None:
    """g = (s-1)(eps_pos - eps_neg) / (1 - u), which a constant network reaches at once."""
    z = draw(3, 4)
    prior = Recorder(FLOW, {"y": draw(3, 4, seed=1), "": draw(3, 4, seed=2)})
    grad = rfds(z, T, z, prior, conditions(prior, 3), guidance=7.5, reversals=1).grad
    assert torch.allclose(grad, 6.5 * (prior.answers["y"] - prior.answers[""]) / (1 - U), atol=1e-9)
