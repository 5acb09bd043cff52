"""Texture sampling on a GPU: the host's side of `cuda_ext/raster_texture.cu`, as `raster_texture_numba`."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from dreamforge.kernels import raster_reference
from dreamforge.kernels.nvrtc import Program, blocks_for

THREADS, MOST_LEVELS = 128, 16
PROGRAM = Program.of("raster_texture.cu", exact=True)


class Pyramid(ctypes.Structure):
    """Where the levels of a texture lie in one array, and their sizes."""

    _fields_ = [("count", ctypes.c_int)] + [(name, ctypes.c_int * MOST_LEVELS) for name in ("start", "height", "width")]


class Plan(NamedTuple):
    """What `sample_backward` needs of `sample`."""

    flat: Tensor
    uv: Tensor
    level: Tensor | None
    pyramid: Pyramid


def texture_level(
    corners: Tensor, pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, size: tuple[int, int]
) -> Tensor:
    """`[B,H,W]` of contiguous inputs."""
    out = torch.empty(face.shape, device=face.device)
    tensors = (corners, pixels.double(), depth.double(), faces, face, out)
    blocks = blocks_for(face.numel(), THREADS)
    PROGRAM.launch("texture_level", blocks, THREADS, *tensors, pixels.shape[1], *face.shape, *size)
    return out


def sample(texture: Tensor, uv: Tensor, level: Tensor | None) -> tuple[Tensor, Plan]:
    """`[B,C,H,W]` of contiguous inputs, and what `sample_backward` needs."""
    levels = [texture] if level is None else raster_reference.mip_pyramid(texture)
    shapes = [image.shape[1:] for image in levels]
    pyramid = Pyramid(len(levels))
    for number, (height, width) in enumerate(shapes):
        pyramid.height[number], pyramid.width[number] = height, width
        pyramid.start[number] = sum(high * wide for high, wide in shapes[:number])
    flat = torch.cat([image.flatten(1) for image in levels], dim=1)
    plan = Plan(flat, uv, level if len(levels) > 1 else None, pyramid)
    out = uv.new_empty(len(uv), len(texture), *uv.shape[2:])
    _launch("sample", plan, flat, uv, plan.level, out)
    return out, plan


def sample_backward(
    plan: Plan, grad: Tensor, of_texture: bool, of_uv: bool
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients asked for, on the texture and on uv."""
    to_flat = torch.zeros_like(plan.flat) if of_texture else None
    to_uv = torch.empty_like(plan.uv) if of_uv else None
    _launch("sample_backward", plan, plan.flat, plan.uv, plan.level, grad, to_flat, to_uv)
    return None if to_flat is None else _grown(to_flat, plan.pyramid), to_uv


def _grown(flat: Tensor, pyramid: Pyramid) -> Tensor:
    """Gradients of all levels carried to the first: each texel is the mean of four of the level before."""
    total: Tensor | None = None
    for number in reversed(range(pyramid.count)):
        start, size = pyramid.start[number], (pyramid.height[number], pyramid.width[number])
        level = flat[:, start : start + size[0] * size[1]].view(-1, *size)
        if total is not None:
            level = level + 0.25 * functional.interpolate(total[None], scale_factor=2)[0]
        total = level
    assert total is not None
    return total


def _launch(kernel: str, plan: Plan, *tensors: Tensor | None) -> None:
    views, _, height, width = plan.uv.shape
    sizes = (plan.pyramid, plan.flat.shape[1], plan.flat.shape[0], views, height, width)
    PROGRAM.launch(kernel, blocks_for(views * height * width, THREADS), THREADS, *tensors, *sizes)
