"""The splatting kernels against their dense torch reference, and the reference against finite differences."""

from __future__ import annotations

import math

import numba
import pytest
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, look_at, orbit
from dreamforge.kernels.harmonics import view_colors
from dreamforge.kernels.splat import SplatStatistics, facing_normals, splat


def gaussians(count: int, seed: int = 0, scale: float = 0.06, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    means = 0.4 * torch.randn(count, 3, generator=g, dtype=dtype)
    scales = scale * torch.exp(0.6 * torch.randn(count, 3, generator=g, dtype=dtype))
    rotations = torch.randn(count, 4, generator=g, dtype=dtype)
    opacities = 0.02 + 0.96 * torch.rand(count, generator=g, dtype=dtype)
    colors = torch.rand(count, 3, generator=g, dtype=dtype)
    return [t.requires_grad_() for t in (means, scales, rotations, opacities, colors)]


def cameras(count: int = 3, height: int = 40, width: int = 40) -> Cameras:
    poses = orbit([130.0 * i for i in range(count)], [15.0, -20.0, 70.0, 0.0][:count])
    return poses.resized(height, width)


def run(
    params: list[Tensor], views: Cameras, gradient: Tensor | None = None, statistics: SplatStatistics | None = None
) -> tuple[Tensor, list[Tensor]]:
    """The picture `[B,5,H,W]` and, for a gradient on it, those of the parameters."""
    background = torch.linspace(0, 1, 3 * len(views)).reshape(-1, 3).to(params[0])
    image = torch.cat(splat(*params, views, background, statistics), 1)
    if gradient is None:
        return image.detach(), []
    return image.detach(), list(torch.autograd.grad(image, params, gradient))


def run_reference(params: list[Tensor], views: Cameras, gradient: Tensor | None = None, **options):  # noqa: ANN201
    """The same by the reference, which is what serves float64."""
    wide = [p.detach().double().requires_grad_() for p in params]
    return run(wide, views, None if gradient is None else gradient.double(), **options)


def assert_parity(params: list[Tensor], views: Cameras, flips: float = 2e-3) -> None:
    """Values and gradients agree, but for the few pixels where rounding decides a threshold."""
    fast, _ = run(params, views)
    slow, _ = run_reference(params, views)
    same = (fast - slow).abs().amax(1, keepdim=True) < 1e-4
    assert (~same).float().mean() <= flips
    gradient = torch.randn(fast.shape, generator=torch.Generator().manual_seed(1)) * same
    _, fast_gradients = run(params, views, gradient)
    _, slow_gradients = run_reference(params, views, gradient)
    for ours, theirs in zip(fast_gradients, slow_gradients, strict=True):
        assert torch.isfinite(ours).all()
        assert (ours - theirs).norm() <= 1e-4 * theirs.norm() + 1e-9


@pytest.mark.parametrize("size", [(40, 40), (37, 61), (5, 3)], ids=str)
def test_matches_reference(size: tuple[int, int]) -> None:
    assert_parity(gaussians(400), cameras(3, *size))


@pytest.mark.parametrize("scale", [1e-6, 0.005, 0.6, 50.0, 1e5])
def test_matches_reference_at_any_scale(scale: float) -> None:
    assert_parity(gaussians(60, scale=scale), cameras(2))


def test_matches_reference_among_the_gaussians() -> None:
    """A camera inside the cloud: Gaussians behind it, before the near plane, and far off to the sides."""
    views = Cameras(look_at(torch.tensor([[0.2, 0.1, 0.3]])), torch.tensor([1.2]), 32, 32)
    assert_parity(gaussians(300), views)


def test_one_gaussian_over_everything() -> None:
    params = gaussians(1, scale=20.0)
    assert_parity(params, cameras(2))
    assert_parity([*params[:4], torch.rand(1, 3, requires_grad=True)], cameras(1, 9, 23))


def test_thousands_behind_the_camera() -> None:
    params = gaussians(3000, scale=0.02)
    with torch.no_grad():
        params[0][100:, 2] += 8.0
    assert_parity(params, orbit([0.0], 0.0, size=24))


@pytest.mark.parametrize("coefficients", [4, 16])
def test_colours_of_each_view(coefficients: int) -> None:
    """Through the harmonics too: gradients of all coefficients, and of positions through the direction of sight."""
    *shape, _ = gaussians(200)
    random = torch.Generator().manual_seed(5)
    values = (0.3 * torch.randn(200, coefficients, 3, generator=random)).requires_grad_()
    views = cameras()

    def picture(means: Tensor, *rest: Tensor) -> Tensor:
        colors = view_colors(rest[-1], means, views.position)
        return torch.cat(splat(means, *rest[:-1], colors, views, torch.zeros(3, 3).to(means)), 1)

    wide = [p.detach().double().requires_grad_() for p in (*shape, values)]
    fast, slow = picture(*shape, values), picture(*wide)
    same = (fast - slow).abs().amax(1, keepdim=True).detach() < 1e-4
    assert (~same).float().mean() < 2e-3
    pull = torch.randn(fast.shape, generator=random) * same
    ours = torch.autograd.grad(fast, (*shape, values), pull)
    for mine, theirs in zip(ours, torch.autograd.grad(slow, wide, pull.double()), strict=True):
        assert (mine - theirs).norm() <= 1e-4 * theirs.norm()


def test_normals_of_flat_gaussians_face_the_camera() -> None:
    """A disc that lies in the plane z = 0 shows +z to the front and -z to the back."""
    turned = torch.tensor([[1.0, 0, 0, 0], [math.cos(0.25 * math.pi), 0, math.sin(0.25 * math.pi), 0]])
    scales = torch.tensor([[0.5, 0.5, 0.01], [0.01, 0.5, 0.5]])
    views = orbit([10.0, 190.0], 20.0, size=8)
    normals = facing_normals(torch.zeros(2, 3), scales, turned, views.position)
    expected = torch.tensor([[0.0, 0, 1], [0.0, 0, -1]])[:, None].expand(2, 2, 3)
    assert torch.allclose(normals, expected, atol=1e-6)


def test_needles_and_sheets() -> None:
    means, _, rotations, opacities, colors = gaussians(50)
    scales = torch.tensor([[0.5, 1e-4, 1e-4], [0.3, 0.3, 1e-5]]).repeat(25, 1).requires_grad_()
    assert_parity([means, scales, rotations, opacities, colors], cameras(2))


def test_reference_gradients_are_true() -> None:
    params = gaussians(5, scale=0.3, dtype=torch.float64)
    views = cameras(2, 6, 7)

    def picture(*tensors: Tensor) -> Tensor:
        return torch.cat(splat(*tensors, views, torch.full((2, 3), 0.3, dtype=torch.float64)), 1)

    assert torch.autograd.gradcheck(picture, params, eps=1e-7, atol=1e-5, fast_mode=True)


def test_one_gaussian_by_hand() -> None:
    """In the middle of the picture: alpha = o v / (v + 0.3) exp(-r^2 / 2 (v + 0.3)) with v = (f s / z)^2."""
    views = orbit([0.0], 0.0, distance=4.0, size=33)
    params = [
        torch.zeros(1, 3), torch.full((1, 3), 0.2), torch.tensor([[2.0, 0, 0, 0]]), torch.tensor([0.8]),
        torch.tensor([[1.0, 0.5, 0.25]]),
    ]  # fmt: skip
    rgb, alpha, depth = splat(*params, views, torch.zeros(1, 3))
    variance = (float(views.focal) * 0.2 / 4.0) ** 2 + 0.3
    peak = 0.8 * (variance - 0.3) / variance
    for offset in (0, 3, 5):
        expected = peak * math.exp(-0.5 * offset**2 / variance)
        assert float(alpha[0, 0, 16, 16 + offset]) == pytest.approx(expected, rel=1e-5)
        assert float(depth[0, 0, 16 + offset, 16]) == pytest.approx(4.0 * expected, rel=1e-5)
    assert torch.allclose(rgb[0, :, 16, 16], peak * torch.tensor([1.0, 0.5, 0.25]))


def test_position_and_order_on_the_picture() -> None:
    """The right way up and round, and the nearer Gaussian in front whatever the order in memory."""
    means = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.5]])
    colors = torch.eye(3)[:2]
    views = orbit([0.0, 180.0], 0.0, size=32)
    rgb, _, _ = splat(
        means, torch.full((2, 3), 0.1), torch.tensor([[1.0, 0, 0, 0]] * 2), torch.full((2,), 0.98), colors, views,
        torch.zeros(2, 3),
    )  # fmt: skip
    for view, nearer in ((0, 1), (1, 0)):
        at, _ = views.project(means)
        x, y = at[view, nearer].long().tolist()
        assert rgb[view, nearer, y, x] > 0.8 > 0.15 > rgb[view, 1 - nearer, y, x]


@pytest.mark.parametrize("kind", ["none", "behind", "transparent", "aside"])
def test_nothing_to_see(kind: str) -> None:
    params = gaussians(0 if kind == "none" else 3000, scale=0.01)
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
    rgb, alpha, depth = splat(*params, views, background, statistics)
    assert torch.equal(rgb, background[:, :, None, None].expand(1, 3, 24, 24))
    assert not alpha.any() and not depth.any()
    (rgb.sum() + alpha.sum() + depth.sum()).backward()
    assert all(not p.grad.any() for p in params) and not statistics.seen.any()


def test_bit_identical_on_any_number_of_threads() -> None:
    params, views = gaussians(2000), cameras(4, 64, 64)
    gradient = torch.randn(4, 5, 64, 64)
    threads = numba.get_num_threads()
    results = []
    try:
        for count in (1, threads, threads):
            numba.set_num_threads(count)
            statistics = SplatStatistics.zeros(2000)
            image, gradients = run(params, views, gradient, statistics)
            results.append([image, *gradients, statistics.gradient, statistics.seen, statistics.radius])
    finally:
        numba.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_statistics_match_reference() -> None:
    params, views, gradient = gaussians(200), cameras(), torch.randn(3, 5, 40, 40)
    fast, slow = SplatStatistics.zeros(200), SplatStatistics.zeros(200)
    for _ in range(2):
        run(params, views, gradient, fast)
        run_reference(params, views, gradient, statistics=slow)
    assert torch.equal(fast.seen, slow.seen)
    assert torch.allclose(fast.radius, slow.radius, rtol=1e-4)
    assert (fast.gradient - slow.gradient).norm() < 1e-3 * slow.gradient.norm()


def test_gradient_of_the_background() -> None:
    background = torch.rand(3, 3, requires_grad=True)
    rgb, alpha, _ = splat(*gaussians(50), cameras(), background)
    rgb.sum().backward()
    assert torch.allclose(background.grad, (1 - alpha).sum((2, 3)).expand(3, 3), rtol=1e-4)
