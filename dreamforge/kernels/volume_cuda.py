"""Marching and compositing on a GPU: the host's side of `cuda_ext/volume.cu`. The same functions as `volume_numba`."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from dreamforge.kernels.capacity import Capacity
from dreamforge.kernels.nvrtc import Program, blocks_for
from dreamforge.kernels.volume import STOP, slot_count

THREADS, WARP = 128, 32
PROGRAM = Program.of("volume.cu", STOP=STOP, DEEP=-math.log(STOP))


@functools.cache
def capacity(device: torch.device, rays: int, step: float) -> Capacity:
    """The room for samples that so many rays have needed."""
    return Capacity()


def march(
    origins: Tensor, directions: Tensor, occupancy: Tensor, floor: Tensor, step: float, jitter: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Points `[M,3]`, distances `[M]` and offsets `[R+1]`; see `dreamforge.kernels.volume.march`.

    Where gradients are recorded M is more than there are samples, so that nothing waits for their number: those past
    the last ray's end belong to no ray and lie at the origin.
    """
    rays = len(origins)
    counts = torch.zeros(rays + 1, dtype=torch.int64, device=origins.device)
    grids = (origins, directions, occupancy, floor, jitter)
    sizes = (rays, occupancy.shape[0], slot_count(step))
    blocks = blocks_for(rays, THREADS)
    PROGRAM.launch("march", blocks, THREADS, *grids, None, counts[1:], None, None, *sizes, 0, step)
    offsets = torch.cumsum(counts, 0)
    room = capacity(origins.device, rays, step).room(offsets[-1], exact=not torch.is_grad_enabled())
    points, distances = origins.new_zeros(room, 3), origins.new_zeros(room)
    if room:
        PROGRAM.launch("march", blocks, THREADS, *grids, offsets, None, points, distances, *sizes, room, step)
    return points, distances, offsets.clamp(max=room)


def composite(sigmas: Tensor, colors: Tensor, offsets: Tensor, t: Tensor, step: float) -> tuple[Tensor, ...]:
    """Weights `[M]`, then the outputs of `dreamforge.kernels.volume.composite`."""
    rays, channels = len(offsets) - 1, colors.shape[1]
    if channels > WARP:
        raise ValueError(f"compositing on CUDA takes up to {WARP} channels, not {channels}")
    weights, color = torch.empty_like(sigmas), colors.new_empty(rays, channels)
    outputs = (color, *colors.new_empty(3, rays).unbind())
    tensors = (sigmas, colors, offsets, t, weights, *outputs)
    PROGRAM.launch("composite", blocks_for(rays * WARP, THREADS), THREADS, *tensors, rays, channels, step)
    return weights, *outputs


def composite_backward(
    colors: Tensor, offsets: Tensor, t: Tensor, weights: Tensor, step: float, *gradients: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients on the densities `[M]` and colours `[M,C]`, from those on the four outputs."""
    rays, channels = len(offsets) - 1, colors.shape[1]
    to_sigmas, to_colors = torch.zeros_like(weights), torch.zeros_like(colors)  # what belongs to no ray stays 0
    tensors = (colors, offsets, t, weights, *gradients, to_sigmas, to_colors)
    PROGRAM.launch("composite_backward", blocks_for(rays * WARP, THREADS), THREADS, *tensors, rays, channels, step)
    return to_sigmas, to_colors
