"""VSD against closed forms (METHODS.md 3.3)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.objectives.csd import csd
from dreamforge.objectives.sds import sds
from dreamforge.objectives.vsd import vsd
from tests.conftest import conditions
from tests.objectives.networks import MEAN, Network, answering, antithetic, cloud_phi, draw, gaussian, like_prior, settle

pytestmark = pytest.mark.usefixtures("one_thread")

T = torch.tensor([20, 500, 980])
STD = 0.4


def test_t_vsd_1_a7_with_a_phi_that_knows_the_noise_it_is_sds() -> None:
    """Catches a wrong sign, weight or guidance, and the camera-free condition in place of the posed one."""
    prior, z, eps = Network(), draw(3, 4), draw(3, 4, seed=1)
    prompt = conditions(prior, 3)
    grad = vsd(z, T, eps, prior, prompt, guidance=7.5, phi=answering(eps, 0 * eps)).grad
    assert torch.allclose(grad, sds(z, T, eps, prior, prompt, guidance=7.5).grad, atol=1e-12)


def test_t_vsd_2_a7_with_the_prior_as_phi_it_is_csd() -> None:
    """w (s - 1) delta: not SDS, as is often said of adapters that start at zero; at s = 1 nothing. Catches a phi asked
    at another z_t."""
    prior, z, eps = Network(), draw(3, 4), draw(3, 4, seed=1)
    prompt, phi = conditions(prior, 3), like_prior(prior, 3, "y")
    grad = vsd(z, T, eps, prior, prompt, guidance=7.5, phi=phi).grad
    assert torch.allclose(grad, 6.5 * csd(z, T, eps, prior, prompt, progress=0).grad, atol=1e-9)
    assert vsd(z, T, eps, prior, prompt, guidance=1, phi=phi).grad.abs().max() < 1e-12


@pytest.mark.parametrize("t", [50, 150, 300])
def test_t_vsd_4_mean_gradient_of_a_gaussian_cloud(t: int) -> None:
    """E g = w sigma alpha [(z - m) / (alpha² rho² + sigma²) - (z - mu) / (alpha² v + sigma²)]."""
    prior, cloud = gaussian(STD), 0.7 * draw(500, 2) + 2
    alpha, sigma = prior.noise.alphas[t], prior.noise.sigmas[t]
    z = torch.tensor([[2.0, 3.0]]).double()
    grad = vsd(
        z.expand(8, 2), torch.full((8,), t), antithetic(8, 2), prior, conditions(prior, 8), guidance=1,
        phi=cloud_phi(prior.noise, cloud),
    ).grad.mean(0)
    mean, variance = cloud.mean(0), cloud.var(0, correction=0).mean()
    pull = (z - MEAN) / (alpha**2 * STD**2 + sigma**2) - (z - mean) / (alpha**2 * variance + sigma**2)
    assert torch.allclose(grad, (sigma**2 * sigma * alpha * pull)[0], atol=1e-12)


@pytest.mark.parametrize("t", [150, 300])
def test_t_vsd_4_b4_b5_a_cloud_comes_to_the_priors_own_spread_and_under_sds_to_a_point(t: int) -> None:
    """From both sides. Catches phi with the wrong sign, which collapses the cloud, and one of another noise level."""
    prior = gaussian(STD)
    prompt = conditions(prior, 200)

    def pull(z: Tensor, eps: Tensor, cloud: Tensor) -> Tensor:
        phi = cloud_phi(prior.noise, cloud)
        return vsd(z, torch.full((200,), t), eps, prior, prompt, guidance=1, weight="uniform", phi=phi).grad

    for spread in (0.1, 1.0):
        cloud = settle(spread * draw(100, 2) + 3, pull, steps=100, rate=0.5)
        assert torch.allclose(cloud.mean(0), MEAN, atol=1e-2)
        assert cloud.var(0, correction=0).mean().item() == pytest.approx(STD**2, rel=0.02)

    def collapse(z: Tensor, eps: Tensor, cloud: Tensor) -> Tensor:
        return sds(z, torch.full((200,), t), eps, prior, prompt, guidance=1, weight="uniform").grad

    assert settle(draw(100, 2), collapse, steps=60, rate=0.5).var(0).max() < 1e-4
