"""Steps along the diffusion ODE and its inversion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from dreamforge.objectives.paths import invert, less_noisy
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.guidance import guided
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.sampling import ddim_step
from tests.conftest import conditions
from tests.objectives.networks import F64, MEAN, Network, bars, draw, free, gaussian, noise_from_zero

T = torch.tensor([120, 500, 900])


@pytest.mark.parametrize("make", [NoiseProcess.stable_diffusion, NoiseProcess.flow_matching])
@pytest.mark.parametrize("to", [[60, 400, 870], [700, 501, 999]])
def test_ddim_step_is_eulers_step_in_z_bar(make: Callable[..., NoiseProcess], to: list[int]) -> None:
    """Catches a swapped level, a wrong sign, or a step that only works toward less noise."""
    noise, z_t, eps, there = make(dtype=F64), draw(3, 2), draw(3, 2, seed=1), torch.tensor(to)
    start = z_t / noise.alphas[T][:, None]
    expected = start + (bars(noise, there) - bars(noise, T)) * eps
    assert torch.allclose(ddim_step(noise, z_t, eps, T, there) / noise.alphas[there][:, None], expected, atol=1e-9)


def test_fresh_noise_makes_the_ancestral_step_of_ddpm() -> None:
    """DDIM's published eta = 1 form, whose noise has the variance of the posterior q(z_s | z_t, z)."""
    noise, z_t, eps, fresh = NoiseProcess.stable_diffusion(dtype=F64), draw(3, 2), draw(3, 2, seed=1), draw(3, 2, seed=2)
    to = torch.tensor([60, 400, 870])
    here, there = (noise.alphas[level][:, None] ** 2 for level in (T, to))
    std = ((1 - there) / (1 - here) * (1 - here / there)).sqrt()
    clean = (z_t - (1 - here).sqrt() * eps) / here.sqrt()
    expected = there.sqrt() * clean + (1 - there - std**2).sqrt() * eps + std * fresh
    assert torch.allclose(ddim_step(noise, z_t, eps, T, to, fresh), expected, atol=1e-9)


def test_less_noisy_counts_in_fractions_of_all_timesteps_and_stops_at_zero() -> None:
    assert less_noisy(NoiseProcess.stable_diffusion(), torch.tensor([980, 50]), 0.08).tolist() == [900, 0]


def test_inversion_visits_each_items_own_levels_with_the_condition_asked_for() -> None:
    """A batch at different timesteps gives what each item gives alone; the last level is not evaluated."""
    prior, z, t = Network(), draw(2, 3), torch.tensor([500, 130])
    together = invert(prior.noise, free(prior), z, t, 0.2)
    assert prior.asked == [([0, 0], [""]), ([100, 0], [""]), ([300, 0], [""])]
    for i in range(2):
        alone = invert(prior.noise, free(prior), z[i : i + 1], t[i : i + 1], 0.2)
        assert torch.allclose(together[i], alone[0], atol=1e-9)
    assert prior.asked[-1] == ([0], [""])  # 130 is one hop from 0
    assert torch.equal(invert(prior.noise, free(prior), z, 0 * t, 0.2), prior.noise.alphas[0] * z)


def test_inversion_is_eulers_method_from_the_clean_latent() -> None:
    prior, z, t = Network(), draw(2, 3), torch.full((2,), 370)
    predict = partial(guided, prior, prompt=conditions(prior, 2), scale=-7.5)
    bar = prior.noise.sigmas / prior.noise.alphas
    point = z
    for low, high in ((0, 170), (170, 370)):
        level = torch.full((2,), low)
        y, n = (prior.eps(point * prior.noise.alphas[low], level, text) for text in ("y", ""))
        point = point + (bar[high] - bar[low]) * (n - 7.5 * (y - n))
    result = invert(prior.noise, predict, z, t, 0.2)
    assert torch.allclose(result / prior.noise.alphas[370], point, atol=1e-9)


def test_t_sdi_3_inversion_of_a_gaussian_tends_to_the_exact_ode() -> None:
    """(z_bar - m)² grows as rho² + sigma_bar²; b14: the error falls as the stride does."""
    prior, z, t = gaussian(0.8), draw(1, 2), torch.tensor([600])
    first, last = (0.64 + bars(prior.noise, level) ** 2 for level in (0 * t, t))
    errors = [
        (invert(prior.noise, free(prior), z, t, stride) / prior.noise.alphas[600] - MEAN)
        / (z - MEAN)
        - (last / first).sqrt()
        for stride in (0.02, 0.01, 0.005)
    ]
    first, second, third = (error.abs().max().item() for error in errors)
    assert third < 0.03 and first / second == pytest.approx(2, rel=0.05) == second / third


def test_t_ism_6_denoising_an_inverted_latent_returns_it_as_the_stride_shrinks() -> None:
    prior = Analytic(means=[[1.0, -2.0], [-1.0, 0.5]], stds=[0.5, 0.7], noise=noise_from_zero())
    z, t, prompt = draw(1, 2), torch.tensor([500]), conditions(prior, 1)
    errors = []
    for hop in (50, 25):
        z_t, level = invert(prior.noise, free(prior), z, t, hop / 1000), t
        while level.item():
            z_t = ddim_step(prior.noise, z_t, prior.predict(z_t, level, [prompt.negative])[0], level, level - hop)
            level = level - hop
        errors.append((z_t - z).abs().max().item())
    assert errors[1] < 0.6 * errors[0] < 0.2
