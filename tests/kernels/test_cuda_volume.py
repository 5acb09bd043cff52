"""The CUDA marching and compositing kernels, run on the CPU, against the references."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dreamforge.kernels import volume_cuda
from dreamforge.kernels.volume import composite, composite_reference, march, march_reference
from tests.kernels.emulator import cuda_on_cpu, needs_compiler
from tests.kernels.test_volume import STEP, close, everything, packed, rays

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def emulated() -> Iterator[None]:
    volume_cuda.capacity.cache_clear()
    with cuda_on_cpu():
        yield


def test_marching_matches_the_reference() -> None:
    jitter = torch.rand(2 * 17 * 17)
    occupancy, floors = everything()
    some = torch.rand(9, 9, 9, generator=torch.Generator().manual_seed(1)) < 0.3
    for cells, floor in ((occupancy, 0.0), (occupancy, 12.0), (some, 0.0), (some, 12.0)):
        scene = (*rays(), cells, floors + floor, STEP, jitter)
        actual, expected = march(*scene), march_reference(*scene)
        count = len(expected.t)  # past it there may be room to spare
        assert torch.equal(actual.offsets, expected.offsets)
        assert torch.allclose(actual.points[:count], expected.points, atol=1e-5)
        assert torch.allclose(actual.t[:count], expected.t, atol=1e-5)


def test_rays_that_meet_nothing() -> None:
    occupancy, floor = everything()
    past = torch.tensor([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]])
    away = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    for scene in ((past, away, occupancy), (*rays(), occupancy & False), (past[:0], away[:0], occupancy)):
        samples = march(*scene, floor, STEP)
        assert not samples.offsets.any() and len(samples.offsets) == len(scene[0]) + 1
        assert samples.points.shape == (0, 3)


def gradients(outputs: tuple[Tensor, ...], inputs: list[Tensor], pull: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(outputs, inputs, pull)


@pytest.mark.parametrize("counts", [[5, 0, 31, 1, 0], [0, 0], [], [70] * 40, [32, 64, 33, 200]])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_compositing_matches_the_reference(counts: list[int], channels: int) -> None:
    sigmas, _, offsets, t = packed(counts)
    colors = torch.rand(len(t), channels, requires_grad=True)
    with torch.no_grad():
        sigmas[::7] = 0
        sigmas[50:51] = 1e5  # a wall
    actual, expected = (f(sigmas, colors, offsets, t, STEP) for f in (composite, composite_reference))
    for mine, theirs in zip(actual, expected, strict=True):
        close(mine, theirs)
    pull = [torch.randn_like(out) for out in expected]
    for mine, theirs in zip(*(gradients(out, [sigmas, colors], pull) for out in (actual, expected)), strict=True):
        close(mine, theirs)


def test_what_is_hidden_pulls_on_nothing() -> None:
    sigmas = torch.tensor([1.0, 1e4, 5.0, 0.0]).requires_grad_()
    colors = torch.rand(4, 3).requires_grad_()
    outs = composite(sigmas, colors, torch.tensor([0, 4]), torch.arange(4.0), 0.1)
    torch.autograd.backward(outs, [torch.ones_like(out) for out in outs])
    assert sigmas.grad[0] != 0 and colors.grad[1].all()
    assert not sigmas.grad[2:].any() and not colors.grad[2:].any()


def test_room_to_spare_changes_nothing() -> None:
    """The second march has more room than samples: what is past the last ray has no say and gets no gradient."""
    scene = (*rays(), *everything(), STEP)
    expected, padded = march(*scene), march(*scene)
    count = len(expected.t)
    assert torch.equal(padded.offsets, expected.offsets) and len(padded.t) == int(1.5 * count)
    assert torch.equal(padded.points[:count], expected.points) and not padded.points[count:].any()
    outputs, pulls = [], []
    for samples in (expected, padded):
        sigmas = (3 + samples.points[:, 0]).requires_grad_()
        colors = samples.points.sigmoid().requires_grad_()
        outputs.append(composite(sigmas, colors, samples.offsets, samples.t, STEP))
        pulls.append(gradients(outputs[-1], [sigmas, colors], [out.detach() for out in outputs[-1]]))
    assert all(torch.equal(a, b) for a, b in zip(*outputs, strict=True))
    for mine, theirs in zip(pulls[1], pulls[0], strict=True):
        assert torch.equal(mine[:count], theirs) and not mine[count:].any()


def test_too_little_room_cuts_the_last_rays_short() -> None:
    few, many = everything()[0] & False, everything()[0]
    few[4, 4, 4] = True
    floor = everything()[1]
    march(*rays(), few, floor, STEP)
    short = march(*rays(), many, floor, STEP)
    assert int(short.offsets[-1]) == len(short.t)
    with pytest.warns(UserWarning, match="had room for"):
        whole = march(*rays(), many, floor, STEP)
    assert torch.equal(whole.offsets, march_reference(*rays(), many, floor, STEP, torch.full((578,), 0.5)).offsets)
