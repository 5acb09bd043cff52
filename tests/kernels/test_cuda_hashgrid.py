"""The CUDA hash grid, run on the CPU, against the reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.kernels.hashgrid import hash_encode, reference
from tests.kernels.emulator import cuda_on_cpu, needs_compiler
from tests.kernels.test_hashgrid import RESOLUTIONS, close, inputs

pytestmark = needs_compiler


def encode(points: Tensor, table: Tensor, summed: bool) -> Tensor:
    with cuda_on_cpu():
        return hash_encode(points, table, RESOLUTIONS, summed)


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("features", [2, 4])
def test_values_and_gradients_match_the_reference(features: int, summed: bool) -> None:
    points, table = inputs(1201, features)
    with torch.no_grad():
        points[:8] = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)  # the corners of the cube
        points[8:16] = 1.5 * points[:8] - 0.25  # and outside it
    actual, expected = encode(points, table, summed), reference(points, table, RESOLUTIONS, summed)
    close(actual, expected)
    pull = torch.randn_like(expected) * (torch.rand(1201, 1) < 0.5)  # half of them pull on nothing
    with cuda_on_cpu(seed=1):
        mine = torch.autograd.grad(actual, (points, table), pull)
    for ours, theirs in zip(mine, torch.autograd.grad(expected, (points, table), pull), strict=True):
        close(ours, theirs)


@pytest.mark.parametrize("features", [2, 4])
def test_a_half_precision_table(features: int) -> None:
    """Values are those of the rounded table; its gradient is summed in float32 and rounded once."""
    points, table = inputs(700, features)
    table = (0.01 * table.detach()).half().requires_grad_()
    wide = table.detach().float().requires_grad_()
    actual, expected = encode(points, table, True), reference(points, wide, RESOLUTIONS, True)
    assert actual.dtype == torch.float32
    close(actual, expected)
    pull = torch.randn_like(expected)
    with cuda_on_cpu():
        to_points, to_table = torch.autograd.grad(actual, (points, table), pull)
    expected_points, expected_table = torch.autograd.grad(expected, (points, wide), pull)
    close(to_points, expected_points)
    assert to_table.dtype == torch.float16
    assert (to_table.float() - expected_table).abs().max() <= 1e-3 * expected_table.abs().max()


def test_every_half_precision_number_is_read_right() -> None:
    bits = torch.arange(-(1 << 15), 1 << 15).short().view(torch.float16)
    numbers = bits[bits.isfinite()]
    table = torch.zeros(1, 1 << 16, 1, dtype=torch.float16)
    table[0, : len(numbers), 0] = numbers
    where = torch.arange(len(numbers))
    side = torch.stack([where % 40, where // 40 % 40, where // 1600], dim=-1)  # 40^3 vertices of a grid of 39 cells
    dense = table.clone()
    with cuda_on_cpu():
        values = hash_encode(side[:64000].float() / 39, dense, (39,))
    expected = reference(side[:64000].float() / 39, dense.double(), (39,))
    assert torch.allclose(values.double(), expected, rtol=1e-4, atol=1e-3)


def test_no_points() -> None:
    points, table = inputs(0, 2)
    with cuda_on_cpu():
        out = hash_encode(points, table, RESOLUTIONS)
        out.sum().backward()
    assert out.shape == (0, 10) and not table.grad.any()


def test_a_table_the_kernels_were_not_written_for_is_refused() -> None:
    for levels, features in ((17, 2), (2, 3)):
        with pytest.raises(ValueError, match="16 levels"), cuda_on_cpu():
            hash_encode(torch.rand(4, 3), torch.zeros(levels, 64, features), (3,) * levels)
