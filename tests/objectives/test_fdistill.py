"""The f-divergence weighting of VSD (METHODS.md 3.22)."""

from __future__ import annotations

import math

import pytest
import torch

from dreamforge.objectives.fdistill import DIVERGENCES, fdistill, log_ratio, ratio
from dreamforge.objectives.vsd import vsd
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import conditions
from tests.objectives.networks import F64, Network, answering, draw

T = torch.tensor([20, 300, 600, 980])

F = {
    "reverse_kl": lambda r: -r.log(),
    "forward_kl": lambda r: r * r.log(),
    "jensen_shannon": lambda r: 0.5 * (r * r.log() - (r + 1) * ((r + 1) / 2).log()),
    "pearson": lambda r: (r - 1) ** 2,
    "hellinger": lambda r: (r.sqrt() - 1) ** 2,
    "soft_reverse_kl": lambda r: (1 + r) * ((1 + r) / r).log(),
    "neyman": lambda r: (r - 1) ** 2 / r,
    "jeffreys": lambda r: (r - 1) * r.log(),
}


def test_a20_weights_are_r_squared_times_the_second_derivative_of_f() -> None:
    """By finite differences of f. Catches an entry of the table that is another divergence's."""
    r, h = torch.tensor([0.2, 0.7, 1.0, 3.0, 12.0], dtype=F64), 1e-4
    assert F.keys() == DIVERGENCES.keys()
    for name, f in F.items():
        second = (f(r + h) - 2 * f(r) + f(r - h)) / h**2
        assert torch.allclose(DIVERGENCES[name](r), r**2 * second, rtol=1e-4), name


def test_t_f_1_the_reverse_kl_is_vsd() -> None:
    prior, z, eps, learned = Network(), draw(4, 3), draw(4, 3, seed=1), draw(4, 3, seed=2)
    prompt, phi = conditions(prior, 4), answering(learned)
    grad = fdistill(z, T, eps, prior, prompt, divergence="reverse_kl", phi=phi).grad
    assert torch.allclose(grad, vsd(z, T, eps, prior, prompt, phi=phi).grad, atol=1e-12)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_t_f_3_a32_weights_have_mean_one_and_are_one_for_a_single_view(divergence: str) -> None:
    """Catches a normalization by the sum, and one over elements."""
    prior, z, eps = Network(), draw(4, 3), draw(4, 3, seed=1)
    learned = prior.eps(prior.noise.add(z, eps, T), T, "y") + 0.05 * draw(4, 3, seed=2)
    prompt, options = conditions(prior, 4), {"guidance": 1.0, "divergence": divergence}
    plain = vsd(z, T, eps, prior, prompt, guidance=1, phi=answering(learned)).grad
    share = fdistill(z, T, eps, prior, prompt, **options, phi=answering(learned)).grad / plain
    assert torch.allclose(share, share[:, :1].expand(4, 3)) and share[:, 0].mean().item() == pytest.approx(1)
    assert (share[:, 0].std() > 1e-3) == (divergence != "reverse_kl") and (share > 0).all()
    one = fdistill(z[:1], T[:1], eps[:1], prior, conditions(prior, 1), **options, phi=answering(learned[:1]))
    assert torch.allclose(one.grad, plain[:1])


def test_t_f_3_the_mean_is_of_the_step_unless_a_running_one_is_kept() -> None:
    """By default a single view is VSD whatever came before; with `keep` its weight is h over the mean so far."""
    prior, means = Network(), []
    prompt, z, t, options = conditions(prior, 1), draw(1, 3), torch.tensor([500]), {"guidance": 1.0, "divergence": "forward_kl"}

    def running(value: torch.Tensor, keep: float) -> torch.Tensor:
        means.append(value if not means else keep * means[-1] + (1 - keep) * value)
        return means[-1]

    found = []
    for step in range(2):
        eps = draw(1, 3, seed=step + 1)
        phi = answering(prior.eps(prior.noise.add(z, eps, t), t, "y") + 0.1 * draw(1, 3, seed=step + 5))
        plain = vsd(z, t, eps, prior, prompt, guidance=1, phi=phi).grad
        phi.running = lambda value, keep: value + 1e6 * keep
        assert torch.allclose(fdistill(z, t, eps, prior, prompt, **options, phi=phi).grad, plain)
        phi.running = running
        kept = fdistill(z, t, eps, prior, prompt, **options, keep=0.9, phi=phi)
        found.append(kept.info["ratio"])
        assert torch.allclose(kept.grad, found[-1] / (0.9 * found[0] + 0.1 * found[-1]) * plain)
    assert abs(found[0] / found[1] - 1) > 1e-3


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_t_f_4_a32_equal_ratios_are_vsd(divergence: str) -> None:
    """Where phi is the prior no view is likelier than another under it, and any weight is 1 (as is the zero gradient)."""
    prior, z, eps = Network(), draw(4, 3), draw(4, 3, seed=1)
    prompt = conditions(prior, 4)
    same = prior.eps(prior.noise.add(z, eps, T), T, "y")
    found = fdistill(z, T, eps, prior, prompt, guidance=1, divergence=divergence, phi=answering(same))
    assert found.info["ratio"].item() == pytest.approx(1) and found.grad.abs().max() < 1e-12


def test_ratios_keep_within_the_authors_limits() -> None:
    """However far the two predictions are apart; catches limits on the logarithm alone."""
    noise, eps, t = NoiseProcess.stable_diffusion(dtype=F64), draw(2, 3), torch.tensor([300, 300])
    far = eps + torch.tensor([[10.0], [0.0]], dtype=F64)
    assert ratio(noise, t, eps, far, far.flip(0)).tolist() == pytest.approx([0.1, 20])


def test_t_f_2_the_ratio_is_that_of_two_gaussians() -> None:
    """The estimate, averaged over all timesteps and over noise (exactly, for a Gaussian), is log p(z) / q(z). Catches
    the two swapped, a missing half and a missing slope of the log-SNR."""
    noise = NoiseProcess.stable_diffusion(dtype=F64)
    (m, rho), (mu, nu) = (0.5, 0.4), (-0.3, 0.7)
    t, eps = torch.arange(1000), torch.tensor([1.0, -1.0], dtype=F64)  # E over eps of a square: two points suffice
    for point in (-0.5, 0.0, 0.8):
        total = 0.0
        for sign in eps:
            e = torch.full((1000, 1), sign.item(), dtype=F64)
            z_t = noise.add(torch.full((1000, 1), point, dtype=F64), e, t)
            alpha, sigma = noise.alpha_sigma(t, z_t)
            p, q = (sigma * (z_t - alpha * a) / (alpha**2 * s**2 + sigma**2) for a, s in ((m, rho), (mu, nu)))
            total += log_ratio(noise, t, e, p, q).mean().item() / 2
        expected = sum(
            w * (-0.5 * ((point - a) / s) ** 2 - math.log(s)) for w, a, s in ((1, m, rho), (-1, mu, nu))
        )
        assert total == pytest.approx(expected, abs=0.05), point


def test_t_f_2_the_forward_kl_weighs_what_the_prior_finds_likely() -> None:
    """Two views of the same score difference, one that p explains and one that q explains."""
    prior, eps = Network(), draw(2, 3, seed=1)
    z, t = draw(2, 3), torch.tensor([500, 500])
    ahead = prior.eps(prior.noise.add(z, eps, t), t, "y")
    learned = torch.stack([2 * ahead[0] - eps[0], 0.5 * (eps[1] + ahead[1])])  # farther from eps than p, and nearer
    prompt, phi = conditions(prior, 2), answering(learned)
    plain = vsd(z, t, eps, prior, prompt, guidance=1, phi=phi).grad
    for divergence, first in (("forward_kl", True), ("neyman", False)):
        share = (fdistill(z, t, eps, prior, prompt, guidance=1, divergence=divergence, phi=phi).grad / plain)[:, 0]
        assert (share[0] > share[1]) == first
