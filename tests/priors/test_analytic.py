"""The analytic prior is the yardstick of every objective, so it is held to autograd."""

from __future__ import annotations

import pytest
import torch

from dreamforge.errors import UserError
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.mixture import mixture_epsilon
from dreamforge.priors.noise import NoiseProcess

F64 = torch.float64


def log_density(z_t: torch.Tensor, alpha: float, sigma: float, means: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    variance = alpha**2 * std**2 + sigma**2
    terms = [
        torch.distributions.MultivariateNormal(alpha * m, v * torch.eye(len(m), dtype=F64)).log_prob(z_t)
        for m, v in zip(means, variance, strict=True)
    ]
    return torch.logsumexp(torch.stack(terms), 0)


def test_epsilon_is_minus_sigma_times_the_score() -> None:
    noise = NoiseProcess.stable_diffusion(dtype=F64)
    prior = Analytic(means=[[1.0, 0.0], [-1.0, 2.0], [0.0, -1.0]], stds=[0.2, 0.5, 0.9], noise=noise)
    z_t = torch.randn(6, 2, dtype=F64, requires_grad=True)
    for t in (50, 400, 900):
        score = torch.autograd.grad(
            log_density(z_t, noise.alphas[t].item(), noise.sigmas[t].item(), prior.means, prior.stds).sum(), z_t
        )[0]
        eps = prior.predict(z_t.detach(), torch.full((6,), t), [prior.condition([""] * 6)])[0]
        assert torch.allclose(eps, -noise.sigmas[t] * score, atol=1e-9)


def test_joint_posterior_is_that_of_the_concatenated_batch() -> None:
    """Views of one object share the component: the same as one longer vector."""
    z_t, means = torch.randn(3, 4, dtype=F64), torch.randn(3, 5, 4, dtype=F64)
    one = torch.ones(3, 1, dtype=F64)
    eps = mixture_epsilon(z_t, 0.8 * one, 0.6 * one, means, 0.3, torch.zeros(3, 5, dtype=F64), joint=True)
    whole = mixture_epsilon(
        z_t.reshape(1, 12), 0.8 * one[:1], 0.6 * one[:1], means.transpose(0, 1).reshape(1, 5, 12), 0.3, 0.0
    )
    assert torch.allclose(eps.reshape(1, 12), whole, atol=1e-12)


def test_plain_colours_broadcast_over_pictures() -> None:
    prior = Analytic(means=[[1.0, -1.0, 0.0]], stds=[0.1])
    z_t = torch.randn(2, 3, 5, 7)
    eps = prior.predict(z_t, torch.tensor([10, 900]), [prior.condition(["", ""])])[0]
    alpha, sigma = prior.noise.alpha_sigma(torch.tensor([10, 900]), z_t)
    mean = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)
    assert torch.allclose(eps, sigma * (z_t - alpha * mean) / (alpha**2 * 0.01 + sigma**2), atol=1e-5)


def test_unknown_prompts_and_uneven_lists_are_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'left'"):
        Analytic(means=[[0.0], [1.0]], stds=[1.0, 1.0], prompts={"left": [1.0, 0.0]}).check("leff")
    with pytest.raises(UserError, match="2 numbers for 1 means"):
        Analytic(means=[[0.0]], stds=[1.0, 1.0])
