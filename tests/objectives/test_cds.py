"""CDS against closed forms (METHODS.md 3.7)."""

from __future__ import annotations

import torch

from dreamforge.objectives.cds import cds, fixed_noise
from tests.conftest import conditions
from tests.objectives.networks import MEAN, Network, bars, draw, gaussian, seeded

T, BEFORE = torch.tensor([200, 500, 980]), torch.tensor([100, 400, 880])
STILL = {"gap": 0.1, "jitter": 0.0, "generator": seeded(), "progress": 0.0}


def test_t_cds_1_pulls_along_the_difference_of_denoised_pictures() -> None:
    """I-5: g = w (z0_hat(t-) - z0_hat(t)) / sigma_bar_t- after one Euler step. Catches the sign, a wrong level of
    the second prediction, and noise other than the fixed one (z_t is rebuilt here in VE variables)."""
    prior, z = Network(), draw(3, 4)
    grad = cds(z, T, draw(3, 4, seed=1), prior, conditions(prior, 3), guidance=7.5, **STILL).grad
    high, low = bars(prior.noise, T), bars(prior.noise, BEFORE)

    def predict(point: torch.Tensor, bar: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        y, n = (prior.eps(point / (1 + bar**2).sqrt(), t, text) for text in ("y", ""))
        return n + 7.5 * (y - n)

    noised = z + high * fixed_noise(z)
    eps_high = predict(noised, high, T)
    stepped = noised + (low - high) * eps_high
    clean_high, clean_low = noised - high * eps_high, stepped - low * predict(stepped, low, BEFORE)
    assert torch.allclose(grad, (clean_low - clean_high) / low, atol=1e-9)


def test_t_cds_2_a10_vanishes_without_a_gap() -> None:
    prior, z = Network(), draw(3, 4)
    grad = cds(z, T, z, prior, conditions(prior, 3), **{**STILL, "gap": 0.0}).grad
    assert torch.allclose(grad, torch.zeros_like(z), atol=1e-9)


def test_t_cds_3_contracts_on_a_gaussian_for_every_interval() -> None:
    """g = w (z_bar_t - m)(s_t - s_t-) rho² / ((rho² + s_t²)(rho² + s_t-²)) pointwise."""
    prior, z = gaussian(0.7), draw(3, 2)
    high, low = bars(prior.noise, T), bars(prior.noise, BEFORE)
    coefficient = (high - low) * 0.49 / ((0.49 + high**2) * (0.49 + low**2))
    assert (coefficient > 0).all()
    for weight, factor in (("uniform", 1), ("sigma2", prior.noise.sigmas[T][:, None] ** 2)):
        grad = cds(z, T, draw(3, 2, seed=1), prior, conditions(prior, 3), weight=weight, **STILL).grad
        assert torch.allclose(grad, factor * coefficient * (z + high * fixed_noise(z) - MEAN), atol=1e-9)


def test_t_cds_4_the_fixed_noise_moves_the_fixed_point() -> None:
    """z* = m - sigma_bar_t n whatever eps is drawn: the bias that annealing t removes."""
    prior, z, t = gaussian(0.7), draw(1, 2), torch.tensor([300])
    for step in range(200):
        z = z - 3 * cds(z, t, draw(1, 2, seed=step), prior, conditions(prior, 1), **STILL).grad
    assert torch.allclose(z, MEAN - bars(prior.noise, t) * fixed_noise(z), atol=1e-6)


def test_gap_is_drawn_once_a_step_and_guidance_follows_progress() -> None:
    """t- = t - gap - jitter U; the published guidance falls from 101 to 51."""
    prior, z = Network(), draw(3, 4)
    share = torch.rand((), generator=seeded(4)).item()
    grads = [
        cds(z, T, z, prior, conditions(prior, 3), progress=progress, generator=seeded(4), **extra).grad
        for progress, extra in ((0.5, {}), (0.0, {"guidance": 76.0}))
    ]
    assert prior.asked[1][0] == [max(0, t - round(100 + 200 * share)) for t in T.tolist()]
    assert torch.equal(*grads)


def test_the_fixed_noise_is_one_tensor_for_every_view() -> None:
    noise = fixed_noise(draw(3, 4, 8, 8))
    assert torch.equal(noise[0], noise[2]) and noise.dtype == torch.float64
    assert abs(noise[0].mean()) < 0.2 and abs(noise[0].std() - 1) < 0.15
