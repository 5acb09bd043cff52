"""The kernels against the field's libraries on the same device and inputs: python3 tests/gpu/libraries.py [FILE.json]

gsplat, nerfacc and tinycudann compute nearly the same things by rules of their own (`dreamforge doctor` says which), so
only time is compared. They build with nvcc at first use; one that is missing or does not build is left out, and said.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from dreamforge.cameras import sphere
from dreamforge.kernels.hashgrid import hash_encode
from dreamforge.kernels.splat import splat
from dreamforge.kernels.volume import composite

DEVICE = torch.device("cuda")


def milliseconds(function: Callable[[], object], repeats: int = 30) -> float:
    """The median of a call on the device, after five to warm up."""
    times = []
    for _ in range(repeats + 5):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times[5:])


def splats(count: int, size: int = 512, views: int = 1) -> tuple[Callable[[], object], Callable[[], object]]:
    """Forward and backward of ours and of gsplat's, antialiased as ours are."""
    random = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=-1)
    means = 0.6 * direction * torch.rand(count, 1, generator=random) ** (1 / 3)
    scales = 0.6 * count ** (-1 / 3) * torch.exp(0.4 * torch.randn(count, 3, generator=random))
    values = [means, scales, torch.randn(count, 4, generator=random), 0.05 + 0.9 * torch.rand(count, generator=random)]
    leaves = [value.to(DEVICE).requires_grad_() for value in (*values, torch.rand(count, 3, generator=random))]
    cameras, black = sphere(views, size).to(DEVICE), torch.zeros(views, 3, device=DEVICE)
    pull = torch.randn(views, 3, size, size, device=DEVICE)

    def ours() -> object:
        return torch.autograd.grad(splat(*leaves, cameras, black)[0], leaves, pull)

    from gsplat import rasterization

    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], device=DEVICE))  # gsplat's cameras look along +z, y down
    intrinsics = torch.zeros(views, 3, 3, device=DEVICE)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = cameras.focal
    intrinsics[:, :2, 2], intrinsics[:, 2, 2] = size / 2, 1
    viewmats, (means, scales, rotations, opacities, colors) = flip @ cameras.w2c, leaves

    def theirs() -> object:
        image, *_ = rasterization(
            means, rotations, scales, opacities, colors, viewmats, intrinsics, size, size, near_plane=0.1,
            rasterize_mode="antialiased", packed=False, render_mode="RGB+ED",
        )  # fmt: skip
        return torch.autograd.grad(image[..., :3], leaves, pull.movedim(1, -1))

    return ours, theirs


def grid(count: int = 262144, levels: int = 16, bits: int = 19) -> tuple[Callable[[], object], Callable[[], object]]:
    """Forward and backward of the encoding, F=2; half precision for both, which is all that tinycudann has."""
    import tinycudann

    points = torch.rand(count, 3, device=DEVICE)
    table = (1e-4 * torch.randn(levels, 1 << bits, 2, device=DEVICE)).half().requires_grad_()
    resolutions = [round(16 * 1.38**level) for level in range(levels)]
    form = {
        "otype": "HashGrid", "n_levels": levels, "n_features_per_level": 2, "log2_hashmap_size": bits,
        "base_resolution": 16, "per_level_scale": 1.38,
    }  # fmt: skip
    encoding = tinycudann.Encoding(3, form)
    pull = torch.randn(count, 2 * levels, device=DEVICE)

    def ours() -> object:
        return torch.autograd.grad(hash_encode(points, table, resolutions), table, pull)

    def theirs() -> object:
        return torch.autograd.grad(encoding(points), encoding.params, pull.half())

    return ours, theirs


def compositing(rays: int = 65536, samples: int = 48) -> tuple[Callable[[], object], Callable[[], object]]:
    """Forward and backward of packed samples to colours and opacity."""
    import nerfacc

    counts = torch.randint(1, 2 * samples, (rays,), device=DEVICE)
    offsets = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    total, step = int(offsets[-1]), 0.02
    sigmas = (4 * torch.rand(total, device=DEVICE)).requires_grad_()
    colors = torch.rand(total, 3, device=DEVICE, requires_grad=True)
    t = step * (torch.arange(total, device=DEVICE) - offsets[:-1].repeat_interleave(counts))
    owner = torch.arange(rays, device=DEVICE).repeat_interleave(counts)

    def ours() -> object:
        color, alpha, *_ = composite(sigmas, colors, offsets, t, step)
        return torch.autograd.grad(color.sum() + alpha.sum(), [sigmas, colors])

    def theirs() -> object:
        weights, *_ = nerfacc.render_weight_from_density(t, t + step, sigmas, ray_indices=owner, n_rays=rays)
        color = nerfacc.accumulate_along_rays(weights, colors, owner, rays)
        alpha = nerfacc.accumulate_along_rays(weights, None, owner, rays)
        return torch.autograd.grad(color.sum() + alpha.sum(), [sigmas, colors])

    return ours, theirs


CASES: dict[str, Callable[[], tuple[Callable[[], object], Callable[[], object]]]] = {
    "gsplat, 50k Gaussians 512²": lambda: splats(50_000),
    "gsplat, 1M Gaussians 512²": lambda: splats(1_000_000),
    "tinycudann, L16 T2^19 F2 262k points": grid,
    "nerfacc, 65k rays of 48 samples": compositing,
}


def main() -> None:
    found = {}
    for name, make in CASES.items():
        try:
            ours, theirs = make()
            pair = milliseconds(ours), milliseconds(theirs)
        except Exception as error:  # a library that is missing or does not build is what this is to tell
            print(f"{name}: left out, {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            continue
        found[name] = {"ours_ms": pair[0], "theirs_ms": pair[1], "device": torch.cuda.get_device_name()}
        print(f"{name}: ours {pair[0]:.3f} ms, theirs {pair[1]:.3f} ms, {pair[1] / pair[0]:.2f}x")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
