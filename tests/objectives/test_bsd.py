"""Balanced SD's shortest mix (METHODS.md 3.12)."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.objectives.bsd import bsd
from dreamforge.priors.guidance import dot
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import Recorder, conditions
from tests.objectives.networks import F64, Network, draw

T = torch.tensor([20, 300, 500, 980])


def mix(classifier: Tensor, denoise: Tensor, guidance: float = 1.0) -> Tensor:
    """BSD's gradient without alpha and scale, for predictions that give these two directions."""
    prior = Recorder(NoiseProcess.stable_diffusion(dtype=F64), {"y": denoise + classifier / guidance, "": denoise})
    t = torch.full((len(denoise),), 500)
    grad = bsd(0 * denoise, t, 0 * denoise, prior, conditions(prior, len(t)), guidance=guidance, scale=1).grad
    return grad / prior.noise.alphas[500]


def test_t_bsd_1_a14_descends_on_both_directions() -> None:
    """KKT: <g, g_i> >= |g|², with equality for both where the share is inside (0,1), on any network. Catches the
    share given to the wrong direction, the weight alpha and noise that is subtracted."""
    prior, z, eps = Network(), draw(4, 5), draw(4, 5, seed=1)
    z_t = prior.noise.add(z, eps, T)
    y, n = prior.eps(z_t, T, "y"), prior.eps(z_t, T, "")
    inside = 0
    for guidance in (0.3, 1.0, 15.0):
        grad = bsd(z, T, eps, prior, conditions(prior, 4), guidance=guidance).grad
        g = grad / (0.1 * prior.noise.alphas[T][:, None])
        products = torch.stack([dot(g, guidance * (y - n)), dot(g, n)])
        assert (products >= dot(g, g) - 1e-9).all() and g.abs().max() > 0.01
        inside += torch.isclose(products, dot(g, g), atol=1e-9).all(0).sum()
    assert inside > 2


def test_t_bsd_2_a_short_aligned_direction_takes_it_all() -> None:
    short, long = torch.tensor([[0.5, 0.1]], dtype=F64), torch.tensor([[3.0, -1.0]], dtype=F64)
    assert torch.allclose(mix(short, long), short, atol=1e-9)
    assert torch.allclose(mix(long, short), short, atol=1e-9)


def test_t_bsd_2_two_alike_are_no_zero_over_zero() -> None:
    same = draw(2, 5)
    assert torch.allclose(mix(same, same), same, atol=1e-9)


def test_t_bsd_2_opposite_directions_cancel_by_length() -> None:
    """Items of a batch are balanced each by itself."""
    first = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=F64)
    second = torch.tensor([[-3.0, 0.0], [1.0, 0.0]], dtype=F64)
    assert torch.allclose(mix(first, second), torch.tensor([[0.0, 0.0], [0.8, 0.4]], dtype=F64), atol=1e-9)


def test_t_bsd_3_no_guidance_no_gradient() -> None:
    prior, z = Network(), draw(4, 5)
    result = bsd(z, T, z, prior, conditions(prior, 4), guidance=0)
    assert torch.allclose(result.grad, 0 * z, atol=1e-12) and result.info["classifier_share"] == 1
