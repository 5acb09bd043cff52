"""The CUDA splatting kernels, run on the CPU, against the dense reference."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, look_at, orbit
from dreamforge.kernels import splat_cuda
from dreamforge.kernels.splat import SplatStatistics, splat
from tests.kernels import test_splat
from tests.kernels.emulator import cuda_on_cpu, needs_compiler
from tests.kernels.test_splat import assert_parity, cameras, gaussians, run, run_reference

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def emulated() -> Iterator[None]:
    splat_cuda.capacity.cache_clear()
    with cuda_on_cpu():
        yield


@pytest.mark.parametrize("size", [(37, 61), (5, 3)], ids=str)
def test_matches_reference(size: tuple[int, int]) -> None:
    assert_parity(gaussians(120), cameras(2, *size))


@pytest.mark.parametrize("scale", [1e-6, 0.6, 1e5])
def test_matches_reference_at_any_scale(scale: float) -> None:
    assert_parity(gaussians(60, scale=scale), cameras(2))


def test_matches_reference_among_the_gaussians() -> None:
    """A camera inside the cloud: Gaussians behind it, before the near plane, and far off to the sides."""
    views = Cameras(look_at(torch.tensor([[0.2, 0.1, 0.3]])), torch.tensor([1.2]), 32, 32)
    assert_parity(gaussians(200), views)


def crowd() -> list[Tensor]:
    """More Gaussians in a tile than a block has threads, so faint that no pixel fills up early."""
    params = gaussians(700, scale=0.2)
    with torch.no_grad():
        params[3].mul_(0.1)
    return params


def test_more_gaussians_in_a_tile_than_threads_in_a_block() -> None:
    assert_parity(crowd(), cameras(2, 20, 20))


@pytest.mark.parametrize(
    "test",
    [test_splat.test_one_gaussian_over_everything, functools.partial(test_splat.test_colours_of_each_view, 16)],
    ids=["one over everything", "colours of each view"],
)
def test_what_the_cpu_does(test: Callable[[], None]) -> None:
    test()


def test_needles_and_sheets() -> None:
    means, _, rotations, opacities, colors = gaussians(50)
    scales = torch.tensor([[0.5, 1e-4, 1e-4], [0.3, 0.3, 1e-5]]).repeat(25, 1).requires_grad_()
    assert_parity([means, scales, rotations, opacities, colors], cameras(2))


@pytest.mark.parametrize("kind", ["none", "behind", "transparent", "aside", "not a number"])
def test_nothing_to_see(kind: str) -> None:
    params = gaussians(0 if kind == "none" else 300, scale=0.01)
    with torch.no_grad():
        if kind == "behind":
            params[0].mul_(0.1).add_(torch.tensor([0.0, 0.0, 10.0]))
        elif kind == "aside":
            params[0].mul_(0.1).add_(torch.tensor([30.0, 0.0, 0.0]))
        elif kind == "transparent":
            params[3].fill_(1e-3)
    views = orbit([0.0], 0.0, size=24)
    background = torch.tensor([[0.1, 0.2, 0.3]])
    statistics = SplatStatistics.zeros(len(params[0]))
    if kind == "not a number":  # which only the host's side of `splat` looks for, and on a GPU nothing does
        with torch.no_grad():
            params[0].fill_(math.nan)
        size = (views.height, views.width)
        view = torch.eye(4)[None, :3].contiguous()
        image = splat_cuda.Splat.apply(*params, view, views.focal, size, statistics)
        assert not image.any()
        return
    rgb, alpha, depth = splat(*params, views, background, statistics)
    assert torch.equal(rgb, background[:, :, None, None].expand(1, 3, 24, 24))
    assert not alpha.any() and not depth.any()
    (rgb.sum() + alpha.sum() + depth.sum()).backward()
    assert all(not p.grad.any() for p in params) and not statistics.seen.any()


def test_the_order_of_threads_and_blocks_does_not_matter() -> None:
    """But for the rounding of sums that are added up in the order of arrival."""
    params, views = crowd(), cameras(2, 20, 20)
    gradient = torch.randn(2, 5, 20, 20)
    results = []
    for seed in range(3):
        with cuda_on_cpu(seed):
            results.append(run(params, views, gradient))
    for image, gradients in results[1:]:
        assert torch.equal(image, results[0][0])
        for mine, theirs in zip(gradients, results[0][1], strict=True):
            assert (mine - theirs).norm() <= 1e-5 * theirs.norm()


def test_statistics_match_reference() -> None:
    params, views, gradient = gaussians(200), cameras(), torch.randn(3, 5, 40, 40)
    fast, slow = SplatStatistics.zeros(200), SplatStatistics.zeros(200)
    for _ in range(2):
        run(params, views, gradient, fast)
        run_reference(params, views, gradient, statistics=slow)
    assert torch.equal(fast.seen, slow.seen)
    assert torch.allclose(fast.radius, slow.radius, rtol=1e-4)
    assert (fast.gradient - slow.gradient).norm() < 1e-3 * slow.gradient.norm()


def test_room_is_learned_from_the_step_before() -> None:
    """A second picture of the same size has room for more than it needs, and looks the same; one that needs more than
    there is room for is drawn in part, is warned of, and the next is whole."""
    views = cameras(1)
    few, many = gaussians(20), gaussians(400)

    def picture(params: list[Tensor]) -> Tensor:
        return run(params, views)[0]

    first, second = picture(few), picture(few)
    assert torch.equal(first, second)
    assert splat_cuda.capacity(few[0].device, 1, 40, 40).given > 0
    short = picture(many)
    with pytest.warns(UserWarning, match="had room for"):
        whole = picture(many)
    with torch.no_grad():
        exact = picture(many)
    assert not torch.equal(short, exact) and torch.equal(whole, exact)
