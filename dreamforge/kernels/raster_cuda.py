"""Mesh rasterization on a GPU: the host's side of `cuda_ext/raster.cu`. The same functions as `raster_numba`."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.kernels import raster_reference
from dreamforge.kernels.nvrtc import Program, blocks_for

THREADS, WARP = 128, 32
PROGRAM = Program.of("raster.cu", exact=True, MIN_AREA=raster_reference.MIN_AREA)


def rasterize(
    pixels: Tensor, depth: Tensor, faces: Tensor, height: int, width: int, cull_back: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Face, barycentrics and depth from pixels and depth in float64."""
    views, vertices, count = len(pixels), pixels.shape[1], len(faces)
    shape, geometry = (views, height, width), (pixels, depth, faces)
    nearest = pixels.new_zeros(shape, dtype=torch.int64)
    face = torch.full(shape, count, dtype=torch.int32, device=pixels.device)
    barycentric, distance = (pixels.new_empty(size, dtype=torch.float32) for size in ((*shape, 3), shape))
    sizes = (count, vertices, *shape)
    for seen in (None, face):
        blocks = blocks_for(views * count * WARP, THREADS)
        PROGRAM.launch("draw", blocks, THREADS, *geometry, nearest, seen, *sizes, int(cull_back))
    tensors = (*geometry, face, barycentric, distance)
    PROGRAM.launch("resolve", blocks_for(face.numel(), THREADS), THREADS, *tensors, *sizes)
    return face, barycentric, distance


def rasterize_backward(
    pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, to_barycentric: Tensor, to_distance: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients `[B,V,2]` on pixels and `[B,V]` on depth."""
    to_pixels, to_depth = torch.zeros_like(pixels, dtype=torch.float32), torch.zeros_like(depth, dtype=torch.float32)
    tensors = (pixels, depth, faces, face, to_barycentric, to_distance, to_pixels, to_depth)
    blocks = blocks_for(face.numel(), THREADS)
    PROGRAM.launch("rasterize_backward", blocks, THREADS, *tensors, pixels.shape[1], *face.shape)
    return to_pixels, to_depth


def interpolate(attributes: Tensor, barycentric: Tensor, faces: Tensor, face: Tensor, samples: int) -> Tensor:
    """`[B,C,H/samples,W/samples]` of contiguous inputs."""
    sizes = _sizes(attributes, face, samples)
    out = attributes.new_empty(sizes[3], sizes[2], *sizes[4:6])
    blocks = blocks_for(sizes[3] * sizes[4] * sizes[5], THREADS)
    PROGRAM.launch("interpolate", blocks, THREADS, attributes, barycentric, faces, face, out, *sizes)
    return out


def interpolate_backward(
    attributes: Tensor, barycentric: Tensor, faces: Tensor, face: Tensor, samples: int, grad: Tensor,
    of_attributes: bool, of_barycentric: bool,
) -> tuple[Tensor | None, Tensor | None]:  # fmt: skip
    """The gradients asked for, shaped as attributes and barycentric are."""
    to_attributes = torch.zeros_like(attributes) if of_attributes else None
    to_barycentric = torch.empty_like(barycentric) if of_barycentric else None
    tensors = (attributes, barycentric, faces, face, grad, to_attributes, to_barycentric)
    blocks = blocks_for(face.numel(), THREADS)
    PROGRAM.launch("interpolate_backward", blocks, THREADS, *tensors, *_sizes(attributes, face, samples))
    return to_attributes, to_barycentric


def _sizes(attributes: Tensor, face: Tensor, samples: int) -> tuple[int, ...]:
    """Views and vertices of the attributes, channels; views, height and width of the answer, and samples a side."""
    views, height, width = face.shape
    vertices, channels = attributes.shape[-2:]
    own = len(attributes) if attributes.dim() == 3 else 1
    return own, vertices, channels, views, height // samples, width // samples, samples
