"""ISM against closed forms (METHODS.md 3.8)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from dreamforge.objectives.ism import ism
from dreamforge.objectives.paths import invert
from dreamforge.objectives.sds import sds
from dreamforge.priors.analytic import Analytic
from tests.conftest import conditions
from tests.objectives.networks import MEAN, Network, bars, draw, free, gaussian, noise_from_zero, slope

T, BEFORE = torch.tensor([400, 700]), torch.tensor([320, 620])


def inverted(prior: Analytic, z: Tensor, t: Tensor, std: float, stride: int = 200) -> Tensor:
    """z_bar - m of the inversion of z on a Gaussian: a product of Euler's factors over each item's own levels."""
    offsets = []
    for offset, last in zip(z - MEAN, t.tolist(), strict=True):
        for low, high in pairwise(sorted({max(last - stride * k, 0) for k in range(10)})):
            low_bar, high_bar = (bars(prior.noise, torch.tensor([level]))[0] for level in (low, high))
            offset = offset * (1 + (high_bar - low_bar) * slope(low_bar, std))
        offsets.append(offset)
    return torch.stack(offsets)


def test_t_ism_1_without_an_interval_is_the_classifier_direction_of_the_inverted_latent() -> None:
    """g = c sigma_bar s (eps_pos - eps_neg). Catches a subtracted prediction with guidance, and swapped conditions."""
    prior, z = Network(), draw(2, 4)
    prompt = conditions(prior, 2)
    grad = ism(z, T, z, prior, prompt, guidance=7.5, interval=0, progress=0).grad
    z_t = invert(prior.noise, free(prior), z, T, 0.2)
    delta = prior.eps(z_t, T, "y") - prior.eps(z_t, T, "")
    assert torch.allclose(grad, 0.1 * bars(prior.noise, T) * 7.5 * delta, atol=1e-9)


def test_t_ism_2_one_interval_contracts_on_a_gaussian() -> None:
    """g = c s_t (z_bar_t- - m)(s_t - s_t-) rho² / ((rho² + s_t²)(rho² + s_t-²)): catches the sign, either level, and
    the inversion of items of a batch at different timesteps."""
    prior, z, std = gaussian(0.7), draw(2, 2), 0.7
    grad = ism(z, T, draw(2, 2, seed=1), prior, conditions(prior, 2), progress=0).grad
    high, low = bars(prior.noise, T), bars(prior.noise, BEFORE)
    coefficient = (high - low) * std**2 / ((std**2 + high**2) * (std**2 + low**2))
    assert torch.allclose(grad, 0.1 * high * coefficient * inverted(prior, z, BEFORE, std), atol=1e-9)


def test_t_ism_3_from_no_noise_at_all_is_sds_at_zero_noise() -> None:
    """And on a Gaussian the mean of SDS: c sigma_bar f (z - m)."""
    prior = Analytic(means=[[1.0, -2.0], [-1.0, 0.5]], stds=[0.5, 0.9], noise=noise_from_zero())
    z = draw(2, 2)
    grad = ism(z, T, z, prior, conditions(prior, 2), interval=1, progress=0).grad
    at_zero = sds(z, T, 0 * z, prior, conditions(prior, 2), weight="uniform").grad
    assert torch.allclose(grad, 0.1 * bars(prior.noise, T) * at_zero, atol=1e-9) and at_zero.abs().min() > 1e-3
    prior = gaussian(0.7, noise_from_zero())
    high = bars(prior.noise, T)
    grad = ism(z, T, z, prior, conditions(prior, 2), interval=1, progress=0).grad
    assert torch.allclose(grad, 0.1 * high * slope(high, 0.7) * (z - MEAN), atol=1e-9)


def test_t_ism_4_fine_inversion_tends_to_the_exact_ode() -> None:
    """g -> c s (z - m) / rho (h(s_t) - h(s_t-)), h = s / sqrt(rho² + s²), with rho widened by the first level."""
    prior, z, std, t = gaussian(0.8), draw(2, 2), 0.8, torch.tensor([400, 600])
    grad = ism(z, t, z, prior, conditions(prior, 2), interval=0.01, stride=0.002, progress=0).grad
    high, low, first = (bars(prior.noise, level) for level in (t, t - 10, 0 * t))
    h = [bar / (std**2 + bar**2).sqrt() for bar in (high, low)]
    expected = 0.1 * high * (z - MEAN) / (std**2 + first**2).sqrt() * (h[0] - h[1])
    assert torch.allclose(grad, expected, rtol=0.03, atol=0)


def test_t_ism_5_draws_no_noise() -> None:
    """The same to the bit whatever eps is."""
    prior, z = Network(), draw(2, 4)
    grads = [ism(z, T, draw(2, 4, seed=s), prior, conditions(prior, 2), progress=0).grad for s in (1, 2)]
    assert torch.equal(*grads)


def test_only_the_last_prediction_is_asked_about_the_prompt_and_the_interval_follows_progress() -> None:
    prior, z, t = Network(), draw(1, 4), torch.tensor([400])
    ism(z, t, z, prior, conditions(prior, 1, "y", "n"), interval={0: 0.1, 1: 0.06}, progress=0.5)
    assert prior.asked == [([0], [""]), ([120], [""]), ([320], [""]), ([400], ["y", "n"])]
