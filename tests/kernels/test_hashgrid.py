"""The hash grid: parity with the reference, exact derivatives, and results that do not depend on threads."""

from __future__ import annotations

import numba
import pytest
import torch
from torch import Tensor

from dreamforge.kernels.hashgrid import hash_encode, reference
from dreamforge.kernels.jit import use_torch_threads

RESOLUTIONS = (3, 7, 15, 40, 130)  # the first three fit 2^12 entries, the others are hashed


def inputs(count: int, features: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(count)
    points = torch.rand(count, 3, generator=random, dtype=dtype)
    table = torch.randn(len(RESOLUTIONS), 1 << 12, features, generator=random, dtype=dtype)
    return points.requires_grad_(), table.requires_grad_()


def close(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("features", [2, 4])
def test_values_and_gradients_match_the_reference(features: int, summed: bool) -> None:
    points, table = inputs(1201, features)
    with torch.no_grad():
        points[:8] = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)  # the corners of the cube
    actual, expected = (f(points, table, RESOLUTIONS, summed) for f in (hash_encode, reference))
    close(actual, expected)
    pull = torch.randn_like(expected)
    for mine, theirs in zip(*(torch.autograd.grad(out, (points, table), pull) for out in (actual, expected))):
        close(mine, theirs)


@pytest.mark.parametrize("function", [hash_encode, reference])
def test_a_half_precision_table_is_computed_in_single(function) -> None:  # type: ignore[no-untyped-def]
    points, table = inputs(701, 2)
    half = table.detach().half().requires_grad_()
    out, wide = function(points, half, RESOLUTIONS), half.detach().float().requires_grad_()
    expected = function(points, wide, RESOLUTIONS)
    assert torch.equal(out, expected)
    grads = [torch.autograd.grad(x.square().sum(), (points, t)) for x, t in ((out, half), (expected, wide))]
    assert torch.equal(grads[0][0], grads[1][0]) and torch.equal(grads[0][1], grads[1][1].half())


@pytest.mark.parametrize(("levels", "bits", "features"), [(16, 19, 2), (12, 15, 4)])
def test_large_grids(levels: int, bits: int, features: int) -> None:
    """The largest that are asked for: 16 levels of 2^19 entries."""
    random = torch.Generator().manual_seed(0)
    resolutions = [round(16 * 1.38**level) for level in range(levels)]
    points = torch.rand(513, 3, generator=random).requires_grad_()
    table = torch.randn(levels, 1 << bits, features, generator=random).requires_grad_()
    actual, expected = (f(points, table, resolutions) for f in (hash_encode, reference))
    close(actual, expected)
    pull = torch.randn(expected.shape, generator=random)
    for mine, theirs in zip(*(torch.autograd.grad(out, (points, table), pull) for out in (actual, expected))):
        close(mine, theirs)


def test_summing_is_summing_over_levels() -> None:
    points, table = inputs(65, 4)
    apart = hash_encode(points, table, RESOLUTIONS).view(65, len(RESOLUTIONS), 4)
    close(hash_encode(points, table, RESOLUTIONS, summed=True), apart.sum(1))


def test_a_linear_function_is_reproduced() -> None:
    axis = torch.arange(16.0) / 15
    values = 2 * axis[None, None] - 3 * axis[None, :, None] + axis[:, None, None]  # indexed [z,y,x]
    points = torch.rand(99, 3)
    expected = points @ torch.tensor([2.0, -3.0, 1.0])
    close(hash_encode(points, values.reshape(1, 4096, 1), (15,))[:, 0], expected)


def test_the_reference_has_exact_derivatives() -> None:
    points, table = inputs(7, 2, torch.float64)
    table = table.detach()[:, :64].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p, t: reference(p, t, RESOLUTIONS), (points, table))


def test_no_points() -> None:
    points, table = inputs(0, 2)
    out = hash_encode(points, table, RESOLUTIONS)
    assert out.shape == (0, 10)
    out.sum().backward()
    assert table.grad is not None and not table.grad.any()


def test_bit_identical_with_one_thread_and_two() -> None:
    def run() -> tuple[Tensor, ...]:
        points, table = inputs(5001, 4)
        out = hash_encode(points, table, RESOLUTIONS)
        return out, *torch.autograd.grad(out.square().sum(), (points, table))

    runs = [run(), run()]
    try:
        numba.set_num_threads(1)
        runs.append(run())
    finally:
        use_torch_threads()
    assert all(torch.equal(a, b) for other in runs[1:] for a, b in zip(runs[0], other))


@pytest.mark.parametrize(("shape", "levels"), [((2, 100, 2), 2), ((3, 64, 2), 2)])
def test_a_table_of_the_wrong_shape_is_refused(shape: tuple[int, int, int], levels: int) -> None:
    with pytest.raises(ValueError):
        hash_encode(torch.rand(4, 3), torch.zeros(shape), (8,) * levels)
