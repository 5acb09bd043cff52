"""HiFA's several-step target (METHODS.md 3.17)."""

from __future__ import annotations

import torch

from dreamforge.contracts import Views
from dreamforge.objectives.hifa import hifa
from dreamforge.objectives.sds import sds
from dreamforge.schedules import annealed
from tests.conftest import conditions
from tests.objectives.networks import Network, bars, draw, gaussian_colors, seeded

T = torch.tensor([300, 980])


def test_t_hifa_1_a18_one_step_is_sds_with_weight_sigma_bar() -> None:
    prior, z, eps = Network(), draw(2, 4), draw(2, 4, seed=1)
    prompt = conditions(prior, 2)
    expected = sds(z, T, eps, prior, prompt, guidance=100, weight="uniform").grad
    grad = hifa(z, T, eps, prior, prompt, steps=1, image_weight=0, rendered=None, generator=seeded()).grad
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
    grad = hifa(z, T, eps, prior, prompt, guidance=7.5, steps=3, scale=1, image_weight=0, rendered=None, generator=seeded(5)).grad
    assert torch.allclose(grad, z - clean, atol=1e-9)


def test_t_hifa_2_root_schedule_ends_where_it_should() -> None:
    ends = [annealed(p, 1, seeded(), high=0.98, low=0.3, power=0.5).item() for p in (0.0, 0.25, 1.0)]
    assert torch.allclose(torch.tensor(ends), torch.tensor([0.98, 0.64, 0.3]))


def test_the_image_term_pulls_the_picture_toward_the_decoded_one() -> None:
    """c k (x - D(z0_hat)) on the picture, at its own size. Catches a missing factor, the sign, and the undecoded z0."""
    prior, z, eps = gaussian_colors(0.3), draw(2, 3, 8, 8), draw(2, 3, 8, 8, seed=1)
    x = draw(2, 3, 4, 4, seed=2).sigmoid()
    options = {"guidance": 1, "steps": 1, "scale": 0.05, "image_weight": 0.1, "generator": seeded()}
    views = Views(x, x[:, :1], x[:, :1])
    result = hifa(z, T, eps, prior, conditions(prior, 2, ""), rendered=views, **options)
    clean = z - result.grad / 0.05
    expected = torch.nn.functional.avg_pool2d((0.5 * clean + 0.5).clamp(0, 1), 2)  # no aliasing: a plain colour
    assert torch.allclose(result.rgb, 0.05 * 0.1 * (x - expected), atol=2e-3) and result.rgb.abs().max() > 1e-3
