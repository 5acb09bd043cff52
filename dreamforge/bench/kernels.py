"""`dreamforge bench kernels`: each kernel by each implementation that can serve it here, at sizes that runs have."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamforge.bench.clock import Clock, Times
from dreamforge.cameras import sphere
from dreamforge.kernels import backend
from dreamforge.kernels.harmonics import view_colors
from dreamforge.kernels.hashgrid import hash_encode
from dreamforge.kernels.splat import splat
from dreamforge.kernels.volume import composite, march

SECONDS, FEWEST, MOST = 4.0, 2, 25
"""How long a case may take (its first calls, which compile, not counted), and how often it is repeated."""


@dataclass(frozen=True)
class Case:
    """A kernel at one size. make: given a device, the call to time. slow: the reference is too dear to wait for."""

    kernel: str
    size: str
    make: Callable[[torch.device], Callable[[], object]]
    slow: bool = False


@dataclass(frozen=True)
class Row:
    """What a case took by each implementation, the fastest path first."""

    kernel: str
    size: str
    times: dict[str, Times]

    @property
    def ratio(self) -> float | None:
        """How many times as long the reference takes, by medians."""
        if len(self.times) < 2:
            return None
        first, *_, reference = self.times.values()
        return reference.median / first.median


def _leaves(device: torch.device, *tensors: Tensor) -> list[Tensor]:
    return [tensor.to(device).requires_grad_() for tensor in tensors]


def _there_and_back(function: Callable[[], Tensor], leaves: list[Tensor]) -> Callable[[], object]:
    """A call of forward and backward, with the gradient of a plain sum."""
    pull = torch.ones_like(function())

    def run() -> object:
        return torch.autograd.grad(function(), leaves, pull)

    return run


def _hashgrid(
    device: torch.device, levels: int, bits: int, count: int, back: bool = True, to_points: bool = False
) -> Callable[[], object]:
    random = torch.Generator().manual_seed(0)
    points, table = _leaves(
        device, torch.rand(count, 3, generator=random), torch.randn(levels, 1 << bits, 2, generator=random)
    )
    resolutions = [round(16 * 1.38**level) for level in range(levels)]
    encode = functools.partial(hash_encode, points, table, resolutions)
    if not back:
        return torch.no_grad()(encode)
    return _there_and_back(encode, [points, table] if to_points else [table])


def _volume(device: torch.device, views: int, size: int, samples: int) -> Callable[[], object]:
    """March and composite with half the cells occupied, as around an object."""
    origins, directions = (rays.reshape(-1, 3) for rays in sphere(views, size).to(device).rays())
    axis = torch.linspace(-1, 1, 64, device=device)
    occupied = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0) < 0.8
    floor, step = torch.zeros(64, 64, 64, device=device), 2 / samples
    many = march(origins, directions, occupied, floor, step)
    sigmas, colors = _leaves(device, 5 * many.points[:, 0].abs(), many.points.abs())

    def picture() -> Tensor:
        found = march(origins, directions, occupied, floor, step)
        color, *scalars = composite(sigmas, colors, found.offsets, found.t, step)
        return torch.cat([color, torch.stack(scalars, -1)], -1)

    return _there_and_back(picture, [sigmas, colors])


def _gaussians(device: torch.device, count: int) -> list[Tensor]:
    """Means, scales, rotations and opacities of Gaussians in a ball, as large as their spacing."""
    random = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=-1)
    means = 0.6 * direction * torch.rand(count, 1, generator=random) ** (1 / 3)
    scales = 0.6 * count ** (-1 / 3) * torch.exp(0.4 * torch.randn(count, 3, generator=random))
    rotations, opacities = torch.randn(count, 4, generator=random), torch.rand(count, generator=random) * 0.9 + 0.05
    return _leaves(device, means, scales, rotations, opacities)


def _splat(device: torch.device, count: int, views: int, size: int) -> Callable[[], object]:
    shape, (colors,) = _gaussians(device, count), _leaves(device, torch.rand(count, 3))
    cameras, black = sphere(views, size).to(device), torch.zeros(views, 3, device=device)

    def picture() -> Tensor:
        return torch.cat(splat(*shape, colors, cameras, black), 1)

    return _there_and_back(picture, [*shape, colors])


def _harmonics(device: torch.device, count: int, views: int) -> Callable[[], object]:
    means, coefficients = _leaves(device, torch.randn(count, 3), torch.randn(count, 16, 3))
    positions = sphere(views, 8).to(device).position
    return _there_and_back(lambda: view_colors(coefficients, means, positions), [means, coefficients])


CASES = [
    Case("hashgrid", "L12 T2^15 65k, forward", lambda d: _hashgrid(d, 12, 15, 65536, back=False)),
    Case("hashgrid", "L12 T2^15 65k, table", lambda d: _hashgrid(d, 12, 15, 65536)),
    Case("hashgrid", "L12 T2^15 65k, table and points", lambda d: _hashgrid(d, 12, 15, 65536, to_points=True)),
    Case("hashgrid", "L16 T2^19 262k, table", lambda d: _hashgrid(d, 16, 19, 262144), slow=True),
    Case("volume", "16384 rays x 64", lambda d: _volume(d, 4, 64, 64)),
    Case("volume", "16384 rays x 128", lambda d: _volume(d, 4, 64, 128)),
    Case("splat", "2k, 4 x 64^2", lambda d: _splat(d, 2000, 4, 64)),
    Case("splat", "10k, 4 x 128^2", lambda d: _splat(d, 10000, 4, 128), slow=True),
    Case("splat", "50k, 4 x 256^2", lambda d: _splat(d, 50000, 4, 256), slow=True),
    Case("harmonics", "degree 3, 10k, 4 views", lambda d: _harmonics(d, 10000, 4)),
]
"""All are forward and backward unless they say otherwise."""


@contextmanager
def forced(implementation: str) -> Iterator[None]:
    """Let one implementation serve every kernel."""
    before = os.environ.get("DREAMFORGE_KERNELS")
    os.environ["DREAMFORGE_KERNELS"] = implementation
    try:
        yield
    finally:
        if before is None:
            del os.environ["DREAMFORGE_KERNELS"]
        else:
            os.environ["DREAMFORGE_KERNELS"] = before


def measure(case: Case, device: torch.device, seconds: float = SECONDS) -> Row:
    """Time a case by each implementation in turn."""
    clock, served = Clock(device), backend(device, case.kernel)
    names = [served] if served == "torch" or case.slow else [served, "torch"]
    calls: dict[str, Callable[[], object]] = {}
    for name in names:
        with forced(name):
            calls[name] = case.make(device)
            calls[name]()
    found: dict[str, list[float]] = {name: [] for name in names}
    began = time.perf_counter()
    while len(found[names[0]]) < FEWEST or (
        len(found[names[0]]) < MOST and time.perf_counter() - began < seconds
    ):
        for name in names:
            with forced(name):
                clock.wait()
                start = clock.mark()
                calls[name]()
                found[name].append(clock.between(start, clock.mark()))
    return Row(case.kernel, case.size, {name: Times.of(values) for name, values in found.items()})
