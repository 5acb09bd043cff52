"""Spherical harmonics: an orthonormal basis, exact gradients, parity, and results that do not depend on threads."""

from __future__ import annotations

import math

import numba
import pytest
import torch
from torch import Tensor

from dreamforge.kernels.harmonics import basis, reference, view_colors
from dreamforge.kernels.jit import use_torch_threads


def inputs(count: int, coefficients: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(count)
    values = torch.randn(count, coefficients, 3, generator=random, dtype=dtype)
    means = torch.randn(count, 3, generator=random, dtype=dtype)
    positions = 3 * torch.randn(3, 3, generator=random, dtype=dtype)
    return values.requires_grad_(), means.requires_grad_(), positions


def test_the_basis_is_orthonormal_on_the_sphere() -> None:
    """By the trapezoid rule, exact around z for these degrees and fine enough along it."""
    z = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    angle = torch.arange(16, dtype=torch.float64) * (2 * math.pi / 16)
    ring = (1 - z**2).sqrt()[:, None]
    points = torch.stack([ring * angle.cos(), ring * angle.sin(), z[:, None].expand(-1, 16)], -1)
    weight = torch.full_like(z, 2 / 2000)
    weight[[0, -1]] /= 2
    values = basis(points, 3) * (weight * 2 * math.pi / 16).sqrt()[:, None, None]
    gram = torch.einsum("zak,zal->kl", values, values)
    assert torch.allclose(gram, torch.eye(16, dtype=torch.float64), atol=1e-5)


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_values_and_gradients_match_the_reference(coefficients: int) -> None:
    values, means, positions = inputs(301, coefficients)
    actual, expected = (f(values, means, positions) for f in (view_colors, reference))
    assert torch.allclose(actual, expected, atol=1e-5) and (expected == 0).any()
    pull = torch.randn_like(expected)
    options = {"materialize_grads": True}  # the first harmonic is the same from everywhere
    grads = [torch.autograd.grad(out, (values, means), pull, **options) for out in (actual, expected)]
    for mine, theirs in zip(*grads):
        assert (mine - theirs).abs().max() <= 1e-4 * theirs.abs().max() + 1e-9


def test_the_reference_has_exact_derivatives() -> None:
    values, means, positions = inputs(4, 16, torch.float64)
    assert torch.autograd.gradcheck(lambda v, m: reference(v, m, positions), (values, means))


def test_the_first_harmonic_alone_is_a_colour() -> None:
    color = torch.tensor([[0.2, 0.5, 0.9]])
    seen = view_colors(((color - 0.5) * math.sqrt(4 * math.pi))[:, None], torch.rand(1, 3), torch.randn(5, 3))
    assert torch.allclose(seen, color.expand(5, 1, 3), atol=1e-6)


def test_light_from_one_side() -> None:
    """c_3 multiplies -x: with c_3 < 0 the Gaussian is brighter seen along +x."""
    values = torch.zeros(1, 4, 3)
    values[0, 3] = -0.5
    along, against = view_colors(values, torch.zeros(1, 3), torch.tensor([[-3.0, 0, 0], [3.0, 0, 0]]))
    assert (along > 0.5).all() and torch.allclose(along + against, torch.ones(1, 3), atol=1e-6)


def test_no_gaussians_and_wrong_numbers() -> None:
    values, means, positions = inputs(0, 4)
    assert view_colors(values, means, positions).shape == (3, 0, 3)
    with pytest.raises(ValueError, match="1, 4, 9 or 16"):
        view_colors(torch.zeros(2, 5, 3), torch.zeros(2, 3), positions)


def test_bit_identical_with_one_thread_and_two() -> None:
    def run() -> tuple[Tensor, ...]:
        values, means, positions = inputs(2000, 16)
        out = view_colors(values, means, positions)
        return out, *torch.autograd.grad(out.square().sum(), (values, means))

    runs = [run()]
    try:
        numba.set_num_threads(1)
        runs.append(run())
    finally:
        use_torch_threads()
    assert all(torch.equal(a, b) for a, b in zip(*runs))
