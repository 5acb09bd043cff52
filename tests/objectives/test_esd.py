"""ESD against closed forms (METHODS.md 3.4)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.contracts import Condition, Phi
from dreamforge.objectives.esd import esd
from dreamforge.objectives.sds import sds
from dreamforge.objectives.vsd import vsd
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.mixture import mixture_epsilon
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import conditions
from tests.objectives.networks import F64, Network, answering, cloud_phi, draw, gaussian, settle

pytestmark = pytest.mark.usefixtures("one_thread")

T = torch.tensor([20, 500, 980])


def test_t_esd_1_a8_from_camera_conditioned_to_camera_free_vsd() -> None:
    """entropy 0 and 1 are VSD with either phi, and what lies between is affine: phi guided by s_phi = 1 - entropy.
    Catches the two swapped."""
    prior, z, eps = Network(), draw(3, 4), draw(3, 4, seed=1)
    prompt, posed, free = conditions(prior, 3), draw(3, 4, seed=2), draw(3, 4, seed=3)
    grads = [
        esd(z, T, eps, prior, prompt, entropy=entropy, phi=answering(posed, free)).grad for entropy in (0, 1, 0.25)
    ]
    for grad, phi in zip(grads, (posed, free, free + 0.75 * (posed - free)), strict=False):
        assert torch.allclose(grad, vsd(z, T, eps, prior, prompt, phi=answering(phi)).grad, atol=1e-12)
    assert torch.allclose(grads[2], 0.75 * grads[0] + 0.25 * grads[1], atol=1e-12)


def test_t_esd_2_with_a_phi_that_knows_each_camera_it_is_sds_and_an_entropy_term() -> None:
    """g = SDS + w a [eps - eps_phi(free)]."""
    prior, z, eps, free = Network(), draw(3, 4), draw(3, 4, seed=1), draw(3, 4, seed=3)
    prompt = conditions(prior, 3)
    plain = sds(z, T, eps, prior, prompt, guidance=7.5).grad
    for entropy in (0.0, 0.3):
        grad = esd(z, T, eps, prior, prompt, entropy=entropy, phi=answering(eps, free)).grad
        term = entropy * prior.noise.weight("sigma2", T, z) * (eps - free)
        assert torch.allclose(grad, plain + term, atol=1e-12)


@pytest.mark.parametrize(("entropy", "t"), [(1.0, 150), (0.9, 50), (0.7, 50), (0.3, 150)])
def test_t_esd_3_b6_spread_of_views_at_the_fixed_point(entropy: float, t: int) -> None:
    """v* = max(0, a rho² - (1 - a) sigma_bar²): METHODS.md's 0.1389 at t = 50, a = 0.9. Catches a VP noise level in
    place of sigma_bar's, and the two phis swapped."""
    prior = gaussian(0.4)
    prompt = conditions(prior, 200)

    def pull(z: Tensor, eps: Tensor, cloud: Tensor) -> Tensor:
        phi = cloud_phi(prior.noise, cloud, posed=eps)
        return esd(
            z, torch.full((200,), t), eps, prior, prompt, guidance=1, entropy=entropy, weight="uniform", phi=phi
        ).grad

    cloud = settle(0.3 * draw(100, 2), pull, steps=120, rate=0.5)
    bar = (prior.noise.sigmas[t] / prior.noise.alphas[t]).item()
    expected = max(0.0, entropy * 0.4**2 - (1 - entropy) * bar**2)
    assert cloud.var(0, correction=0).mean().item() == pytest.approx(expected, rel=0.02, abs=1e-5)
    if (entropy, t) == (0.9, 50):
        assert expected == pytest.approx(0.1389, abs=1e-4)


def test_t_esd_4_b12_fewer_views_show_the_front_as_entropy_grows() -> None:
    """A toy with a face on every side: at each camera the prior prefers the front (-1) to the true view (+1), 3 to 1.
    Without entropy nearly all views turn into fronts; with it their share falls, toward the prior's own."""
    noise = NoiseProcess.stable_diffusion(dtype=F64)
    prior = Analytic(means=[[-1.0], [1.0]], stds=[0.3, 0.3], prompts={"y": [0.75, 0.25]}, noise=noise)
    prompt = conditions(prior, 200)

    def fronts(entropy: float) -> float:
        def pull(z: Tensor, eps: Tensor, views: Tensor) -> Tensor:
            def predict(z_t: Tensor, t: Tensor, asked: list[Condition]) -> list[Tensor]:
                alpha, sigma = noise.alpha_sigma(t, z_t)
                every = mixture_epsilon(z_t, alpha, sigma, views.expand(len(z_t), *views.shape), 0.05, 0.0)
                return [eps if condition.data else every for condition in asked]

            phi = Phi(predict, lambda: Condition(True), lambda: Condition(False))
            t = torch.randint(50, 500, (200,), generator=torch.Generator().manual_seed(int(eps[0].abs() * 1e6)))
            return esd(z, t, eps, prior, prompt, guidance=1, entropy=entropy, weight="uniform", phi=phi).grad

        return (settle(0.5 * draw(100, 1) - 0.1, pull, steps=60, rate=0.25) < 0).double().mean().item()

    shares = [fronts(entropy) for entropy in (0.0, 0.5, 1.0)]
    assert shares[0] > shares[1] > shares[2] and shares[2] == pytest.approx(0.75, abs=0.1)
