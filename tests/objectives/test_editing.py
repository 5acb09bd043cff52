"""DDS and PDS against closed forms (METHODS.md 3.18, 3.19)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from dreamforge.contracts import Source
from dreamforge.objectives.dds import dds
from dreamforge.objectives.pds import coefficients, pds
from dreamforge.objectives.sds import sds
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import conditions
from tests.objectives.networks import F64, Network, bars, draw

Make = Callable[[list[list[float]], list[float]], Analytic]
T = torch.tensor([20, 500, 980])


@pytest.mark.parametrize("method", [dds, pds])
def test_t_dds_1_t_pds_1_a16_vanish_on_identical_pairs(method: Callable) -> None:
    """And not where only the latents, or only the prompts, are alike."""
    prior, z, eps = Network(), draw(3, 4), draw(3, 4, seed=1)
    prompt, other = conditions(prior, 3), conditions(prior, 3, "before")
    assert torch.equal(method(z, T, eps, prior, prompt, source=Source(z, prompt)).grad, 0 * z)
    for source in (Source(z, other), Source(z + 1, prompt)):
        assert method(z, T, eps, prior, prompt, source=source).grad.abs().max() > 1e-3


def test_t_dds_2_a16_is_sds_of_the_target_minus_sds_of_the_source() -> None:
    """Catches noise that is not shared, exchanged prompts, exchanged latents, and guidance on one side only."""
    prior, z, start, eps = Network(), draw(3, 4), draw(3, 4, seed=2), draw(3, 4, seed=1)
    prompt, before = conditions(prior, 3), conditions(prior, 3, "before", "n")
    for weight in ("uniform", "sigma2"):
        grad = dds(z, T, eps, prior, prompt, guidance=7.5, weight=weight, source=Source(start, before)).grad
        target = sds(z, T, eps, prior, prompt, guidance=7.5, weight=weight).grad
        assert torch.allclose(grad, target - sds(start, T, eps, prior, before, guidance=7.5, weight=weight).grad, atol=1e-9)


def test_t_dds_3_b10_translates_the_source_by_the_difference_of_means(gaussians: Make) -> None:
    """From any source, off its mode too, and exactly: the fixed point is z_src + m_y - m_src."""
    prior, t = gaussians([[1.0, -2.0], [0.3, 0.5]], [0.6, 0.6]), torch.full((3,), 400)
    start = draw(3, 2, seed=2)
    source, prompt = Source(start, conditions(prior, 3, "")), conditions(prior, 3)
    star = start + prior.means[0] - prior.means[1]
    assert torch.allclose(dds(star, t, draw(3, 2), prior, prompt, guidance=1, source=source).grad, 0 * star, atol=1e-9)
    z = start
    for step in range(200):
        z = z - 0.5 * dds(z, t, draw(3, 2, seed=step), prior, prompt, guidance=1, source=source).grad
    assert torch.allclose(z, star, atol=1e-6)


def stochastic_latent(noise: NoiseProcess, x0: torch.Tensor, eps_hat: torch.Tensor, eps: torch.Tensor, fresh: torch.Tensor,
                      consistent: bool) -> torch.Tensor:  # fmt: skip
    """The released code's (x_t' - mu) / s from its own definitions, with its stride of two timesteps."""
    bar = (noise.alphas / (noise.alphas**2 + noise.sigmas**2).sqrt()) ** 2
    here, there, last = (bar[t][:, None] for t in (T, T - 2, T - 1))
    alpha = here / (there if consistent else last)
    x_t = here.sqrt() * x0 + (1 - here).sqrt() * eps
    x_before = there.sqrt() * x0 + (1 - there).sqrt() * fresh
    clean = (x_t - (1 - here).sqrt() * eps_hat) / here.sqrt()
    mean = there.sqrt() * (1 - alpha) / (1 - here) * clean + alpha.sqrt() * (1 - there) / (1 - here) * x_t
    return (x_before - mean) / ((1 - there) / (1 - here) * (1 - alpha)).sqrt()


@pytest.mark.parametrize("consistent", [False, True])
def test_t_pds_2_a16_is_the_difference_of_stochastic_latents(consistent: bool) -> None:
    """The closed form against the definition, noises shared. Catches any coefficient and the order of the pair."""
    prior, z, start, eps = Network(), draw(3, 4), draw(3, 4, seed=2), draw(3, 4, seed=1)
    prompt, before = conditions(prior, 3), conditions(prior, 3, "before")
    parts = []
    for x0, text in ((z, "y"), (start, "before")):
        z_t = prior.noise.add(x0, eps, T)
        y, n = prior.eps(z_t, T, text), prior.eps(z_t, T, "")
        parts.append(stochastic_latent(prior.noise, x0, n + 100 * (y - n), eps, draw(3, 4, seed=7), consistent))
    grad = pds(z, T, eps, prior, prompt, consistent_betas=consistent, source=Source(start, before)).grad
    assert torch.allclose(grad, parts[0] - parts[1], rtol=1e-7, atol=1e-7)


def test_t_pds_3_a23_the_pull_to_the_source_is_an_artefact_of_the_stride() -> None:
    """Consistent betas leave no identity term, and then PDS is DDS times a weight; the released ones leave METHODS.md's
    0.318, 0.032 and 0.006 beside 0.116, 0.082 and 0.103."""
    noise, t, like = NoiseProcess.stable_diffusion(dtype=F64), torch.tensor([100, 500, 900]), draw(3, 4)
    keep, change = coefficients(noise, t, like, 2, True)
    assert keep.abs().max() < 1e-11 and change.min() > 0.05
    released = torch.cat(coefficients(noise, t, like, 2, False), 1)
    expected = torch.tensor([[0.318, 0.116], [0.032, 0.082], [0.006, 0.103]], dtype=F64)
    assert torch.allclose(released, expected, atol=6e-4)
    prior, z = Network(), draw(3, 4)
    options = {"guidance": 7.5, "source": Source(draw(3, 4, seed=2), conditions(prior, 3, "before"))}
    grad = pds(z, t, z, prior, conditions(prior, 3), consistent_betas=True, **options).grad
    delta = dds(z, t, z, prior, conditions(prior, 3), **options).grad
    assert torch.allclose(grad, change * delta, atol=1e-8) and bars(noise, t).min() > 0
