"""SIM against closed forms (METHODS.md 3.31)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.contracts import Phi
from dreamforge.objectives.sim import sim
from dreamforge.objectives.vsd import vsd
from dreamforge.priors.guidance import guided
from tests.conftest import conditions
from tests.objectives.networks import MEAN, Network, antithetic, bars, cloud_phi, draw, gaussian, like_prior, settle

pytestmark = pytest.mark.usefixtures("one_thread")

T = torch.tensor([100, 500, 980])
Z, EPS = draw(3, 4), draw(3, 4, seed=1)


def test_t_sim_1_a29_without_a_backward_pass_it_is_vsd_of_unit_length() -> None:
    """Whatever w and the length of the score difference. Catches a norm over the batch, and the wrong sign."""
    prior = Network()
    prompt, phi = conditions(prior, 3), like_prior(prior, 3, posed="other")
    grad = sim(Z, T, EPS, prior, prompt, guidance=7.5, through=False, phi=phi).grad
    plain = vsd(Z, T, EPS, prior, prompt, guidance=7.5, phi=phi).grad
    assert torch.allclose(grad, torch.nn.functional.normalize(plain), atol=1e-12)
    unscaled = sim(Z, T, EPS, prior, prompt, guidance=7.5, through=False, norm="none", phi=phi).grad
    bar = bars(prior.noise, T)
    uniform = vsd(Z, T, EPS, prior, prompt, guidance=7.5, weight="uniform", phi=phi).grad
    assert torch.allclose(unscaled, bar * uniform, atol=1e-9)


@pytest.mark.parametrize("norm", ["unit", "none"])
def test_t_sim_3_a29_autograd_agrees_with_finite_differences(norm: str) -> None:
    """Of <d / |d|, z0_phi - z>. Catches networks evaluated without a graph, a detached norm and a missing -z."""
    prior = Network()
    prompt, phi = conditions(prior, 3), like_prior(prior, 3, posed="other")

    def loss(z: Tensor) -> Tensor:
        z_t = prior.noise.add(z, EPS, T)
        [learned] = phi.predict(z_t, T, [phi.posed])
        behind = prior.noise.clean(z_t, learned, T)
        gap = prior.noise.clean(z_t, guided(prior, z_t, T, prompt, 3.0), T) - behind
        gap = gap / gap.norm(dim=1, keepdim=True) if norm == "unit" else gap
        return (gap * (behind - z)).sum(1)

    with torch.no_grad():
        grad = sim(Z, T, EPS, prior, prompt, guidance=3.0, norm=norm, phi=phi).grad
        for i in range(4):
            step = 1e-6 * torch.eye(4, dtype=Z.dtype)[i]
            assert torch.allclose(grad[:, i], (loss(Z + step) - loss(Z - step)) / 2e-6, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("t", [150, 400])
def test_t_sim_2_mean_gradient_of_a_gaussian_cloud(t: int) -> None:
    """E g = (1-b) [(1-a)(z-m) - (1+a-2b)(z-mu)], a = rho²/(rho²+sigma_bar²), b = v/(v+sigma_bar²)."""
    prior, cloud = gaussian(0.4), 0.7 * draw(500, 2) + 2
    z = torch.tensor([[2.0, 3.0]]).double()
    grad = sim(
        z.expand(8, 2), torch.full((8,), t), antithetic(8, 2), prior, conditions(prior, 8), guidance=1, norm="none",
        phi=cloud_phi(prior.noise, cloud),
    ).grad.mean(0)
    bar2 = (prior.noise.sigmas[t] / prior.noise.alphas[t]) ** 2
    a, v = 0.4**2 / (0.4**2 + bar2), cloud.var(0, correction=0).mean()
    b = v / (v + bar2)
    expected = (1 - b) * ((1 - a) * (z - MEAN) - (1 + a - 2 * b) * (z - cloud.mean(0)))
    assert torch.allclose(grad, expected[0], atol=1e-9)


def test_t_sim_2_b17_a_cloud_comes_to_the_priors_own_spread() -> None:
    prior = gaussian(0.4)
    prompt = conditions(prior, 200)

    def pull(z: Tensor, eps: Tensor, cloud: Tensor) -> Tensor:
        phi = cloud_phi(prior.noise, cloud)
        return sim(z, torch.full((200,), 200), eps, prior, prompt, guidance=1, norm="none", phi=phi).grad

    for spread in (0.2, 1.0):
        cloud = settle(spread * draw(100, 2) + 2, pull, steps=60, rate=1.5)
        assert torch.allclose(cloud.mean(0), MEAN, atol=1e-2)
        assert cloud.var(0, correction=0).mean().item() == pytest.approx(0.4**2, rel=0.02)


def test_where_phi_is_the_prior_the_direction_is_guarded() -> None:
    prior = Network()
    phi = like_prior(prior, 3, posed="y")
    for through in (True, False):
        grad = sim(Z, T, EPS, prior, conditions(prior, 3), guidance=1, through=through, phi=phi).grad
        assert grad.isfinite().all()


def test_t_vsd_7_no_gradient_is_left_on_the_networks() -> None:
    """sim differentiates through both; their parameters stay without gradients, and the caller's z too."""
    prior, weight = Network(), draw(4, 4, seed=5).requires_grad_()
    z = Z.clone().requires_grad_()
    phi = Phi(lambda z_t, t, asked: [z_t @ weight], lambda: None, lambda: None)
    found = sim(z, T, EPS, prior, conditions(prior, 3), phi=phi)
    assert weight.grad is None and z.grad is None and not found.grad.requires_grad
