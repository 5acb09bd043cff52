"""HiFA's several-step target (METHODS.md 3.17)."""

from __future__ import annotations

import torch

from dreamforge.objectives.hifa import hifa
from dreamforge.objectives.sds import sds
from dreamforge.schedules import annealed
from tests.conftest import conditions
from tests.objectives.networks import Network, bars, draw, seeded

T = torch.tensor([300, 980])


def test_t_hifa_1_a18_one_step_is_sds_with_weight_sigma_bar() -> None:
    prior, z, eps = Network(), draw(2, 4), draw(2, 4, seed=1)
    prompt = conditions(prior, 2)
    expected = sds(z, T, eps, prior, prompt, guidance=100, weight="uniform").grad
    grad = hifa(z, T, eps, prior, prompt, steps=1, generator=seeded()).grad
    assert torch.allclose(grad, 0.05 * bars(prior.noise, T) * expected, atol=1e-9)


def test_several_steps_are_guided_ddim_with_eta_one_at_equal_spacing() -> None:
    """Against the published form of DDIM: catches wrong levels, a step without guidance, noise drawn out of order."""
    prior, z, eps = Network(), draw(2, 4), draw(2, 4, seed=1)
    prompt, random = conditions(prior, 2), seeded(5)
    z_t = prior.noise.add(z, eps, T)
    for level, lower in (([300, 980], [200, 653]), ([200, 653], [100, 326]), ([100, 326], None)):
        t = torch.tensor(level)
        y, n = prior.eps(z_t, t, "y"), prior.eps(z_t, t, "")
        eps_hat = n + 7.5 * (y - n)
        here = prior.noise.alphas[t][:, None] ** 2
        clean = (z_t - (1 - here).sqrt() * eps_hat) / here.sqrt()
        if lower:
            there = prior.noise.alphas[torch.tensor(lower)][:, None] ** 2
            std = ((1 - there) / (1 - here) * (1 - here / there)).sqrt()
            fresh = torch.randn(2, 4, generator=random)
            z_t = there.sqrt() * clean + (1 - there - std**2).sqrt() * eps_hat + std * fresh
    grad = hifa(z, T, eps, prior, prompt, guidance=7.5, steps=3, scale=1, generator=seeded(5)).grad
    assert torch.allclose(grad, z - clean, atol=1e-9)


def test_t_hifa_2_root_schedule_ends_where_it_should() -> None:
    ends = [annealed(p, 1, seeded(), high=0.98, low=0.3, power=0.5).item() for p in (0.0, 0.25, 1.0)]
    assert torch.allclose(torch.tensor(ends), torch.tensor([0.98, 0.64, 0.3]))
