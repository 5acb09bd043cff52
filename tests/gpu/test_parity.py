"""Every CUDA kernel on the device against the reference: values and gradients, on random and adversarial inputs.

The references run on the CPU in float64 where they are exact, and the Numba kernels, themselves held to the references,
where the dense ones would take too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, look_at, orbit
from dreamforge.kernels import backend, harmonics, hashgrid, raster, volume
from dreamforge.kernels.splat import SplatStatistics, splat
from tests.kernels import test_harmonics as harmonics_cases
from tests.kernels import test_hashgrid as hashgrid_cases
from tests.kernels import test_splat as splat_cases
from tests.kernels import test_volume as volume_cases

pytestmark = pytest.mark.gpu
DEVICE = torch.device("cuda")


def moved(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().to(DEVICE).requires_grad_(tensor.requires_grad) for tensor in tensors]


def agree(actual: Tensor | None, expected: Tensor | None, tolerance: float = 1e-4) -> None:
    """Equal to `tolerance` of the largest number, and nowhere without value."""
    if expected is None:
        assert actual is None
        return
    actual, expected = actual.detach().double().cpu(), expected.detach().double()
    assert actual.shape == expected.shape and actual.isfinite().all()
    assert not expected.numel() or (actual - expected).abs().max() <= tolerance * expected.abs().max() + 1e-9


Outputs = Callable[..., Sequence[Tensor]]


def compare(function: Outputs, inputs: Sequence[Tensor], reference: Outputs) -> None:
    """Outputs and gradients of a function of tensors on the device and of its reference on the CPU."""
    mine = moved(inputs)
    actual, expected = function(*mine), reference(*inputs)
    for a, e in zip(actual, expected, strict=True):
        agree(a, e)
    chosen = [i for i, tensor in enumerate(inputs) if tensor.requires_grad]
    pull = [torch.randn(e.shape, dtype=e.dtype, generator=torch.Generator().manual_seed(5)) for e in expected]
    theirs = torch.autograd.grad(expected, [inputs[i] for i in chosen], pull, allow_unused=True)
    moved_pull = [p.to(a) for p, a in zip(pull, actual, strict=True)]
    ours = torch.autograd.grad(actual, [mine[i] for i in chosen], moved_pull, allow_unused=True)
    for a, e in zip(ours, theirs, strict=True):
        agree(a, e)


@pytest.mark.parametrize("kernel", ["hashgrid", "volume", "splat", "harmonics", "raster"])
def test_cuda_serves(kernel: str) -> None:
    assert backend(DEVICE, kernel) == "cuda"


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("features", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [0, 1, 100_003])
def test_hashgrid(count: int, features: int, summed: bool) -> None:
    def encode(function: Callable[..., Tensor]) -> Callable[..., Sequence[Tensor]]:
        return lambda points, table: [function(points, table, hashgrid_cases.RESOLUTIONS, summed)]

    compare(encode(hashgrid.hash_encode), hashgrid_cases.inputs(count, features), encode(hashgrid.reference))


@pytest.mark.parametrize("features", [2, 4])
def test_hashgrid_with_a_half_precision_table(features: int) -> None:
    points, table = hashgrid_cases.inputs(50_000, features)
    half = (0.1 * table.detach()).half()
    wide = half.float().requires_grad_()
    mine = half.to(DEVICE).requires_grad_()
    expected = hashgrid.reference(points, wide, hashgrid_cases.RESOLUTIONS, True)
    actual = hashgrid.hash_encode(points.detach().to(DEVICE), mine, hashgrid_cases.RESOLUTIONS, True)
    agree(actual, expected)
    pull = torch.randn_like(expected)
    actual.backward(pull.to(DEVICE))
    expected.backward(pull)
    assert mine.grad.dtype == torch.float16
    agree(mine.grad, wide.grad, 1e-3)


def test_marching() -> None:
    origins, directions = volume_cases.rays(64)
    jitter = torch.rand(len(origins))
    for share, floor in ((1.0, 0.0), (1.0, 12.0), (0.3, 0.0), (0.0, 0.0)):
        occupancy = torch.rand(9, 9, 9, generator=torch.Generator().manual_seed(1)) < share
        scene = (origins, directions, occupancy, torch.full((9, 9, 9), floor))
        expected = volume.march_reference(*scene, volume_cases.STEP, jitter)
        with torch.no_grad():
            actual = volume.march(*moved(scene), volume_cases.STEP, jitter.to(DEVICE))
        flips = (actual.offsets.cpu().diff() != expected.offsets.diff()).float().mean()  # at the faces of cells
        assert flips < 1e-3
        if not flips:
            agree(actual.points, expected.points)
            agree(actual.t, expected.t)
    nothing = volume.march(*moved((origins[:0], directions[:0], *scene[2:])), volume_cases.STEP)
    assert nothing.offsets.tolist() == [0]


COUNTS = [[5, 0, 31, 1, 0], [0, 0], [], [70] * 3000, [32, 64, 33, 200]]


@pytest.mark.parametrize("counts", COUNTS, ids=lambda counts: str(len(counts)))
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_compositing(counts: list[int], channels: int) -> None:
    sigmas, _, offsets, t = volume_cases.packed(counts)
    colors = torch.rand(len(t), channels, requires_grad=True)
    step = volume_cases.STEP
    compare(
        lambda s, c: volume.composite(s, c, offsets.to(DEVICE), t.to(DEVICE), step), [sigmas, colors],
        lambda s, c: volume.composite_reference(s, c, offsets, t, step),
    )  # fmt: skip


def splats_agree(params: list[Tensor], views: Cameras, flips: float = 2e-3) -> None:
    """Pictures, gradients and statistics agree, but for the few pixels where rounding decides a threshold."""
    background = torch.linspace(0, 1, 3 * len(views)).reshape(-1, 3)
    mine, figures = moved(params), [SplatStatistics.zeros(len(params[0]), d) for d in (DEVICE, "cpu")]
    fast = torch.cat(splat(*mine, views.to(DEVICE), background.to(DEVICE), figures[0]), 1)
    slow = torch.cat(splat(*params, views, background, figures[1]), 1)
    error = (fast.detach().cpu() - slow.detach()).abs().amax(1, keepdim=True)
    same = error < 1e-4 * max(1.0, float(slow.detach().abs().max()))
    assert (~same).float().mean() <= flips
    pull = torch.randn(slow.shape, generator=torch.Generator().manual_seed(1)) * same
    ours = torch.autograd.grad(fast, mine, pull.to(DEVICE))
    theirs = torch.autograd.grad(slow, params, pull)
    for a, e in zip(ours, theirs, strict=True):
        assert a.isfinite().all()
        assert (a.cpu() - e).norm() <= 2e-4 * e.norm() + 1e-9
    assert torch.allclose(figures[0].seen.cpu(), figures[1].seen)
    assert torch.allclose(figures[0].radius.cpu(), figures[1].radius, rtol=1e-3)
    assert (figures[0].gradient.cpu() - figures[1].gradient).norm() <= 1e-3 * figures[1].gradient.norm() + 1e-9


@pytest.mark.parametrize("size", [(40, 40), (37, 61), (5, 3), (512, 512)], ids=str)
def test_splats(size: tuple[int, int]) -> None:
    splats_agree(splat_cases.gaussians(5000), splat_cases.cameras(3, *size))


@pytest.mark.parametrize("scale", [1e-6, 0.005, 0.6, 50.0, 1e5])
def test_splats_at_any_scale(scale: float) -> None:
    splats_agree(splat_cases.gaussians(60, scale=scale), splat_cases.cameras(2))


def test_splats_many_and_small() -> None:
    splats_agree(splat_cases.gaussians(200_000, scale=0.004), splat_cases.cameras(2, 512, 512))


def test_splats_with_the_camera_among_them() -> None:
    inside = Cameras(look_at(torch.tensor([[0.2, 0.1, 0.3]])), torch.tensor([1.2]), 32, 32)
    splats_agree(splat_cases.gaussians(3000), inside)


@pytest.mark.parametrize("kind", ["none", "behind", "transparent"])
def test_splats_that_nobody_sees(kind: str) -> None:
    params = splat_cases.gaussians(0 if kind == "none" else 3000, scale=0.01)
    with torch.no_grad():
        if kind == "behind":
            params[0].mul_(0.1).add_(torch.tensor([0.0, 0.0, 10.0]))
        elif kind == "transparent":
            params[3].fill_(1e-3)
    mine = moved(params)
    rgb, alpha, depth = splat(*mine, orbit([0.0], 0.0, size=24).to(DEVICE), torch.zeros(1, 3, device=DEVICE))
    (rgb.sum() + alpha.sum() + depth.sum()).backward()
    assert not alpha.any() and all(not p.grad.any() for p in mine)


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_harmonics(coefficients: int) -> None:
    values, means, positions = harmonics_cases.inputs(3001, coefficients)
    compare(
        lambda v, m: [harmonics.view_colors(v, m, positions.to(DEVICE))], [values, means],
        lambda v, m: [harmonics.reference(v, m, positions)],
    )  # fmt: skip


def ball(rings: int = 40) -> tuple[Tensor, Tensor]:
    """Vertices and faces of a bumpy ball: closed, with silhouettes within its outline."""
    from skimage.measure import marching_cubes

    axis = torch.linspace(-1, 1, rings)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    field = x * x + y * y + z * z + 0.1 * torch.sin(7 * x) * torch.sin(6 * y) * torch.sin(5 * z)
    vertices, faces, *_ = marching_cubes(field.numpy(), 0.4)
    places = torch.tensor(vertices * (2 / (rings - 1)) - 1, dtype=torch.float32)
    return places, torch.tensor(faces.copy(), dtype=torch.int32)


@pytest.mark.parametrize("size", [(64, 64), (37, 61), (256, 256)], ids=str)
def test_mesh_pictures(size: tuple[int, int]) -> None:
    """The whole path, from vertices to an antialiased picture with mip-mapped texture, and back to all of them."""
    vertices, faces = ball()
    views = splat_cases.cameras(3, *size)
    generator = torch.Generator().manual_seed(2)
    texture = torch.rand(3, 64, 128, generator=generator)
    uv = torch.rand(len(vertices), 2, generator=generator)

    def picture(vertices: Tensor, texture: Tensor, uv: Tensor) -> list[Tensor]:
        place, depth = views.to(vertices.device).project(vertices)
        corners = faces.to(vertices.device)
        seen = raster.rasterize(place, depth, corners, *size)
        spots = raster.interpolate(uv, corners, seen)
        level = raster.texture_level(uv[corners.long()], place, depth, corners, seen, (64, 128))
        colors = raster.sample_texture(texture, spots, level) * (seen.face >= 0)[:, None]
        return [raster.antialias(colors, seen, place, depth, corners), seen.depth, seen.barycentric, level]

    inputs = [tensor.requires_grad_() for tensor in (vertices, texture, uv)]
    mine = moved(inputs)
    actual, expected = picture(*mine), picture(*inputs)
    same = (actual[2].cpu() - expected[2]).abs().amax(-1) < 1e-3  # another face here and there
    assert (~same).float().mean() < 1e-3
    colors = (actual[0].cpu() - expected[0]).abs().amax(1)
    assert (colors > 1e-3).float().mean() < 5e-3
    pull = torch.randn(expected[0].shape, generator=generator) * (colors < 1e-3)[:, None]
    ours = torch.autograd.grad(actual[0], mine, pull.to(DEVICE))
    theirs = torch.autograd.grad(expected[0], inputs, pull)
    for a, e in zip(ours, theirs, strict=True):
        assert (a.cpu() - e).norm() <= 5e-3 * e.norm()


def test_what_runs_on_another_stream_waits_for_nothing_else() -> None:
    """Kernels go to torch's current stream: results that depend on the order of work are right on a side stream."""
    points, table = (tensor.detach().to(DEVICE) for tensor in hashgrid_cases.inputs(100_000, 2))
    expected = hashgrid.hash_encode(points, table, hashgrid_cases.RESOLUTIONS)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(100_000_000)  # about 50 ms: what is launched on another stream would not wait for it
        late = torch.zeros_like(points).add_(points)
        actual = hashgrid.hash_encode(late, table, hashgrid_cases.RESOLUTIONS)
    side.synchronize()
    assert torch.equal(actual, expected)
