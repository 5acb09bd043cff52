"""What `dreamforge bench kernels` times: each kernel at sizes that runs have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dreamforge.cameras import Cameras, sphere
from dreamforge.kernels import backend
from dreamforge.kernels.harmonics import view_colors
from dreamforge.kernels.hashgrid import hash_encode
from dreamforge.kernels.raster import antialias, interpolate, rasterize, sample_texture, texture_level
from dreamforge.kernels.splat import picture_views, splat
from dreamforge.kernels.splat import reference as dense_splat
from dreamforge.kernels.volume import composite, march

DENSE_PAIRS = 1 << 22  # of Gaussian and pixel at a time: what the dense reference then holds fits into 1 GB


@dataclass(frozen=True)
class Case:
    """A kernel at one size. make: given a device, the call to time. reference: how often it is timed; once, without a
    call before that, where it takes seconds, and never where it takes minutes."""

    kernel: str
    size: str
    make: Callable[[torch.device], Callable[[], object]]
    reference: Literal["as often", "once", "never"] = "as often"


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
    """Means, scales, rotations, opacities and colours of Gaussians in a ball, as large as their spacing."""
    random = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=-1)
    means = 0.6 * direction * torch.rand(count, 1, generator=random) ** (1 / 3)
    scales = 0.6 * count ** (-1 / 3) * torch.exp(0.4 * torch.randn(count, 3, generator=random))
    rotations, opacities = torch.randn(count, 4, generator=random), torch.rand(count, generator=random) * 0.9 + 0.05
    return _leaves(device, means, scales, rotations, opacities, torch.rand(count, 3, generator=random))


def _splat(device: torch.device, count: int, views: int, size: int) -> Callable[[], object]:
    leaves = _gaussians(device, count)
    cameras, black = sphere(views, size).to(device), torch.zeros(views, 3, device=device)
    if backend(device, "splat") == "torch":
        return functools.partial(_splat_in_bands, leaves, cameras)

    def picture() -> Tensor:
        return torch.cat(splat(*leaves, cameras, black), 1)

    return _there_and_back(picture, leaves)


def _splat_in_bands(leaves: list[Tensor], cameras: Cameras) -> list[Tensor]:
    """The gradients of the dense reference, some rows of one view at a time: all at once would take tens of GB."""
    views, focals = picture_views(cameras, leaves[0])
    size = (cameras.height, cameras.width)
    rows = max(1, DENSE_PAIRS // (len(leaves[0]) * cameras.width))
    total = [torch.zeros_like(leaf) for leaf in leaves]
    for b in range(len(views)):
        for top in range(0, cameras.height, rows):
            image = dense_splat(*leaves, views[b : b + 1], focals[b : b + 1], size, rows=slice(top, top + rows))
            for sum_so_far, part in zip(total, torch.autograd.grad(image.sum(), leaves), strict=True):
                sum_so_far += part
    return total


def _harmonics(device: torch.device, count: int, views: int) -> Callable[[], object]:
    means, coefficients = _leaves(device, torch.randn(count, 3), torch.randn(count, 16, 3))
    positions = sphere(views, 8).to(device).position
    return _there_and_back(lambda: view_colors(coefficients, means, positions), [means, coefficients])


def _torus(device: torch.device, around: int) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices `[V,3]`, faces `[2 V,3]` and uv `[V,2]` of a closed surface, V = around²."""
    turn = torch.arange(around) / around
    u, v = torch.meshgrid(turn, turn, indexing="ij")
    radius, angle = 0.5 + 0.25 * torch.cos(2 * torch.pi * v), 2 * torch.pi * u
    vertices = torch.stack([radius * angle.cos(), 0.25 * torch.sin(2 * torch.pi * v), radius * angle.sin()], -1)
    here = torch.arange(around**2).view(around, around)
    right, below = here.roll(-1, 0), here.roll(-1, 1)
    faces = torch.stack([here, right, below, right, right.roll(-1, 1), below], -1).view(-1, 3).int()
    return vertices.view(-1, 3).to(device), faces.to(device), torch.stack([u, v], -1).view(-1, 2).to(device)


def _mesh(device: torch.device, around: int, views: int, size: int, texels: int) -> Callable[[], object]:
    """All that rendering a textured mesh takes, with three attributes a vertex beside the texture."""
    places, faces, uv = _torus(device, around)
    leaves = _leaves(device, places, torch.rand(len(places), 3), torch.rand(3, texels, texels))
    vertices, attributes, texture = leaves
    cameras, corners = sphere(views, size).to(device), uv[faces.long()]

    def picture() -> Tensor:
        pixels, depth = cameras.project(vertices)
        seen = rasterize(pixels, depth, faces, size, size)
        level = texture_level(corners, pixels, depth, faces, seen, (texels, texels))
        colors = sample_texture(texture, interpolate(uv, faces, seen), level)
        hit = (seen.face >= 0)[:, None]
        image = torch.cat([colors * hit, hit, seen.depth[:, None], interpolate(attributes, faces, seen)], 1)
        return antialias(image, seen, pixels, depth, faces)

    return _there_and_back(picture, leaves)


def _texture(device: torch.device, texels: int, views: int, size: int) -> Callable[[], object]:
    """Trilinear, at places in order, as on a surface seen from the front."""
    axis = torch.linspace(0, 1, size)
    uv = torch.stack(torch.meshgrid(axis, axis, indexing="xy")).expand(views, -1, -1, -1)
    leaves = _leaves(device, torch.rand(3, texels, texels), uv.contiguous())
    level = torch.full((views, size, size), 1.5, device=device)
    return _there_and_back(lambda: sample_texture(*leaves, level), leaves)


CASES = [
    Case("hashgrid", "L12 T2^15 65k, forward", lambda d: _hashgrid(d, 12, 15, 65536, back=False)),
    Case("hashgrid", "L12 T2^15 65k, table", lambda d: _hashgrid(d, 12, 15, 65536)),
    Case("hashgrid", "L12 T2^15 65k, table and points", lambda d: _hashgrid(d, 12, 15, 65536, to_points=True)),
    Case("hashgrid", "L16 T2^19 262k, table", lambda d: _hashgrid(d, 16, 19, 262144), "once"),
    Case("volume", "16384 rays x 64", lambda d: _volume(d, 4, 64, 64)),
    Case("volume", "16384 rays x 128", lambda d: _volume(d, 4, 64, 128)),
    Case("splat", "2k, 4 x 64^2", lambda d: _splat(d, 2000, 4, 64)),
    Case("splat", "10k, 4 x 128^2", lambda d: _splat(d, 10000, 4, 128), "once"),
    Case("splat", "50k, 4 x 256^2", lambda d: _splat(d, 50000, 4, 256), "never"),
    Case("raster", "mesh of 20k faces, 4 x 256^2", lambda d: _mesh(d, 100, 4, 256, 512)),
    Case("raster", "texture 1024^2, 4 x 256^2", lambda d: _texture(d, 1024, 4, 256)),
    Case("harmonics", "degree 3, 10k, 4 views", lambda d: _harmonics(d, 10000, 4)),
]
"""All are forward and backward unless they say otherwise."""
