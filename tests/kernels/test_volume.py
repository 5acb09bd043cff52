"""Marching and compositing: parity with the references, physics, and results that do not depend on threads."""

from __future__ import annotations

import math

import numba
import pytest
import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.kernels.jit import use_torch_threads
from dreamforge.kernels.volume import STOP, Samples, composite, composite_reference, march, march_reference

STEP = 2 / 31


def rays(size: int = 17) -> tuple[Tensor, Tensor]:
    origins, directions = orbit([10.0, 200.0], [20.0, -40.0], size=size).rays()
    return origins.reshape(-1, 3), directions.reshape(-1, 3)


def everything(cells: int = 9) -> tuple[Tensor, Tensor]:
    return torch.ones(cells, cells, cells, dtype=torch.bool), torch.zeros(cells, cells, cells)


def packed(counts: list[int], dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Densities, colours, offsets and distances of rays with so many samples."""
    random = torch.Generator().manual_seed(sum(counts))
    total = sum(counts)
    sigmas = (6 * torch.rand(total, generator=random, dtype=dtype)).requires_grad_()
    colors = torch.rand(total, 3, generator=random, dtype=dtype).requires_grad_()
    offsets = torch.tensor([0, *counts]).cumsum(0)
    t = 2 + 0.02 * torch.rand(total, generator=random, dtype=dtype).cumsum(0)
    return sigmas, colors, offsets, t


def close(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    assert not len(actual) or (actual - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_marching_matches_the_reference() -> None:
    jitter = torch.rand(2 * 17 * 17)
    for floor in (0.0, 12.0):
        occupancy, floors = everything()
        scene = (*rays(), occupancy, floors + floor, STEP, jitter)
        actual, expected = march(*scene), march_reference(*scene)
        assert torch.equal(actual.offsets, expected.offsets)
        assert torch.allclose(actual.points, expected.points, atol=1e-5)
        assert torch.allclose(actual.t, expected.t, atol=1e-5)


def test_marching_keeps_occupied_cells_only() -> None:
    occupancy = torch.rand(9, 9, 9, generator=torch.Generator().manual_seed(1)) < 0.3
    samples = march(*rays(), occupancy, everything()[1], STEP)
    x, y, z = ((samples.points + 1) * 4.5).long().unbind(-1)
    assert len(samples.t) and occupancy[x, y, z].float().mean() > 0.999  # rounding at the faces of cells
    share = len(samples.t) / len(march(*rays(), *everything(), STEP).t)
    assert 0.2 < share < 0.4


def test_samples_cover_the_chord_in_order() -> None:
    origins, directions = torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    samples = march(origins, directions, *everything(), 0.1)
    assert torch.allclose(samples.t, 2.05 + 0.1 * torch.arange(20), atol=1e-5)
    inside = march(torch.zeros(1, 3), directions, *everything(), 0.1)
    assert torch.allclose(inside.t, 0.05 + 0.1 * torch.arange(10), atol=1e-5)


def test_a_ray_ends_where_it_is_sure_to_be_hidden() -> None:
    origins, directions = torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    occupancy, floor = everything()
    samples = march(origins, directions, occupancy, floor + 20.0, 0.1)
    assert len(samples.t) == math.ceil(-math.log(STOP) / 2)


@pytest.mark.parametrize("function", [march, march_reference])
def test_rays_that_meet_nothing(function) -> None:  # type: ignore[no-untyped-def]
    occupancy, floor = everything()
    past = torch.tensor([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]])
    away = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    half = torch.full((2,), 0.5)
    for scene in (
        (past, away, occupancy, floor, STEP, half),
        (*rays(), occupancy & False, floor, STEP, torch.full((2 * 17 * 17,), 0.5)),
        (past[:0], away[:0], occupancy, floor, STEP, half[:0]),
    ):
        samples: Samples = function(*scene)
        assert samples.points.shape == (0, 3) and not samples.t.numel()
        assert torch.equal(samples.offsets, torch.zeros(len(scene[0]) + 1, dtype=torch.int64))


@pytest.mark.parametrize("counts", [[5, 0, 31, 1, 0], [0, 0], [], [70] * 300])
def test_compositing_matches_the_reference(counts: list[int]) -> None:
    sigmas, colors, offsets, t = packed(counts)
    actual, expected = (f(sigmas, colors, offsets, t, STEP) for f in (composite, composite_reference))
    for mine, theirs in zip(actual, expected):
        close(mine, theirs)
    pull = [torch.randn_like(out) for out in expected]
    grads = [torch.autograd.grad(outs, (sigmas, colors), pull, allow_unused=True) for outs in (actual, expected)]
    for mine, theirs in zip(*grads):
        close(mine, theirs)


def test_the_reference_has_exact_derivatives() -> None:
    sigmas, colors, offsets, t = packed([4, 0, 3], torch.float64)
    assert torch.autograd.gradcheck(lambda s, c: composite_reference(s, c, offsets, t, STEP), (sigmas, colors))


def test_a_slab_lets_through_what_beer_and_lambert_say() -> None:
    offsets, t = torch.tensor([0, 50]), 2 + 0.01 * torch.arange(50)
    color, alpha, depth, _ = composite(torch.full((50,), 3.0), torch.ones(50, 2), offsets, t, 0.01)
    assert alpha.item() == pytest.approx(1 - math.exp(-1.5), abs=1e-6)
    assert torch.allclose(color, alpha.expand(1, 2))
    assert 2 < (depth / alpha).item() < 2.25


def test_distortion_is_the_double_sum() -> None:
    sigmas, _, offsets, t = packed([40, 1], torch.float64)
    t = t.view(-1).sort().values
    one = torch.eye(41, dtype=torch.float64)  # a colour for each sample gives its weight
    for function in (composite, composite_reference):
        inputs = [sigmas, one, t] if function is composite_reference else [x.float() for x in (sigmas, one, t)]
        weights, *_, distortion = function(inputs[0], inputs[1], offsets, inputs[2], STEP)
        for w, found in zip(weights.double(), distortion.double(), strict=True):
            apart = (t[:, None] - t).abs()
            expected = (w[:, None] * w * apart).sum() + w.square().sum() * STEP / 3
            assert torch.allclose(found, expected, rtol=1e-5)


def test_what_is_hidden_pulls_on_nothing() -> None:
    sigmas = torch.tensor([1.0, 1e4, 5.0, 0.0]).requires_grad_()
    colors = torch.rand(4, 3).requires_grad_()
    outs = composite(sigmas, colors, torch.tensor([0, 4]), torch.arange(4.0), 0.1)
    torch.autograd.backward(outs, [torch.ones_like(out) for out in outs])
    assert sigmas.grad[0] != 0 and colors.grad[1].all()
    assert not sigmas.grad[2:].any() and not colors.grad[2:].any()


def test_bit_identical_with_one_thread_and_two() -> None:
    def run() -> tuple[Tensor, ...]:
        jitter = torch.rand(2 * 31 * 31, generator=torch.Generator().manual_seed(3))
        samples = march(*rays(31), *everything(), STEP, jitter)
        colors = samples.points.abs().requires_grad_()
        sigmas = (9 * samples.points[:, 0].abs()).requires_grad_()
        outs = composite(sigmas, colors, samples.offsets, samples.t, STEP)
        grads = torch.autograd.grad(sum(out.square().sum() for out in outs), (sigmas, colors))
        return samples.points, samples.t, samples.offsets, *outs, *grads

    runs = [run(), run()]
    try:
        numba.set_num_threads(1)
        runs.append(run())
    finally:
        use_torch_threads()
    assert all(torch.equal(a, b) for other in runs[1:] for a, b in zip(runs[0], other))
