"""The CUDA spherical harmonics, run on the CPU, against the reference."""

from __future__ import annotations

import pytest
import torch

from dreamforge.kernels.harmonics import reference, view_colors
from tests.kernels.emulator import cuda_on_cpu, needs_compiler
from tests.kernels.test_harmonics import inputs

pytestmark = needs_compiler


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_values_and_gradients_match_the_reference(coefficients: int) -> None:
    values, means, positions = inputs(301, coefficients)
    with torch.no_grad():
        means[0] = positions[0]  # seen from within, from no direction at all
    expected = reference(values, means, positions)
    pull = torch.randn_like(expected)
    options = {"materialize_grads": True}  # the first harmonic is the same from everywhere
    with cuda_on_cpu():
        actual = view_colors(values, means, positions)
        mine = torch.autograd.grad(actual, (values, means), pull, **options)
    assert torch.allclose(actual, expected, atol=1e-5) and (expected == 0).any()
    for ours, theirs in zip(mine, torch.autograd.grad(expected, (values, means), pull, **options), strict=True):
        assert (ours[1:] - theirs[1:]).abs().max() <= 1e-4 * theirs[1:].abs().max() + 1e-9
        assert ours[0].isfinite().all()
