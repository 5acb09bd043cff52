"""Marching and compositing on the CPU: rays are independent, so threads share them out and nothing is accumulated
between rays."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dreamforge.kernels.jit import inline, kernel, prange
from dreamforge.kernels.volume import STOP, slot_count

# plain numbers would turn the arithmetic around them to double precision
ZERO, ONE, TWO, THIRD = [np.float32(x) for x in (0, 1, 2, 1 / 3)]
DEEP = np.float32(-math.log(STOP))  # the optical depth at which a ray ends


@inline
def _chord(ox, oy, oz, dx, dy, dz):
    """Where a ray enters and leaves the unit sphere; the same distance twice where it misses."""
    along = ox * dx + oy * dy + oz * dz
    square = along * along - (ox * ox + oy * oy + oz * oz) + ONE
    reach = np.float32(math.sqrt(max(square, ZERO)))
    return max(-along - reach, ZERO), -along + reach


@kernel
def _find(origins, directions, occupancy, floor, step, jitter, slots, counts):
    """Note the steps of each ray that fall into occupied cells, up to where it is sure to have ended."""
    size = occupancy.shape[0]
    half = np.float32(0.5 * size)
    for ray in prange(origins.shape[0]):
        ox, oy, oz = origins[ray, 0], origins[ray, 1], origins[ray, 2]
        dx, dy, dz = directions[ray, 0], directions[ray, 1], directions[ray, 2]
        near, far = _chord(ox, oy, oz, dx, dy, dz)
        near += jitter[ray] * step
        count = 0
        passed = ZERO  # optical depth, at least
        for slot in range(slots.shape[1]):
            t = near + np.float32(slot) * step
            if t >= far or passed > DEEP:
                break
            i = min(max(int((ox + t * dx + ONE) * half), 0), size - 1)
            j = min(max(int((oy + t * dy + ONE) * half), 0), size - 1)
            k = min(max(int((oz + t * dz + ONE) * half), 0), size - 1)
            slots[ray, count] = slot
            passed += floor[i, j, k] * step
            count += occupancy[i, j, k]  # without a branch: which way it would go is hard to predict
        counts[ray] = count


@kernel
def _fill(origins, directions, step, jitter, slots, offsets, points, distances):
    for ray in prange(origins.shape[0]):
        ox, oy, oz = origins[ray, 0], origins[ray, 1], origins[ray, 2]
        dx, dy, dz = directions[ray, 0], directions[ray, 1], directions[ray, 2]
        near = _chord(ox, oy, oz, dx, dy, dz)[0] + jitter[ray] * step
        start = offsets[ray]
        for n in range(start, offsets[ray + 1]):
            t = near + np.float32(slots[ray, n - start]) * step
            points[n, 0], points[n, 1], points[n, 2], distances[n] = ox + t * dx, oy + t * dy, oz + t * dz, t


def march(
    origins: Tensor, directions: Tensor, occupancy: Tensor, floor: Tensor, step: float, jitter: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Points `[M,3]`, distances `[M]` and offsets `[R+1]`; see `dreamforge.kernels.volume.march`."""
    rays = (origins.numpy(), directions.numpy())
    along = (np.float32(step), jitter.numpy())
    slots = np.empty((len(origins), slot_count(step)), np.int16)
    offsets = torch.zeros(len(origins) + 1, dtype=torch.int64)
    _find(*rays, occupancy.numpy(), floor.numpy(), *along, slots, offsets.numpy()[1:])
    torch.cumsum(offsets, 0, out=offsets)
    points, distances = torch.empty(int(offsets[-1]), 3), torch.empty(int(offsets[-1]))
    _fill(*rays, *along, slots, offsets.numpy(), points.numpy(), distances.numpy())
    return points, distances, offsets


@kernel
def _composite_pass(sigmas, colors, offsets, t, step, weights, color, alpha, depth, distortion):
    channels = colors.shape[1]
    for ray in prange(len(alpha)):
        light, total, placed, pairs, squares = ONE, ZERO, ZERO, ZERO, ZERO
        start = offsets[ray]
        for n in range(start, offsets[ray + 1]):
            if light < np.float32(STOP):
                weights[n] = ZERO
                continue
            passed = light * np.float32(math.exp(-sigmas[n] * step))
            weight = light - passed
            light = passed
            weights[n] = weight
            for c in range(channels):
                color[ray, c] += weight * colors[n, c]
            place = t[n] - t[start]
            pairs += weight * (place * total - placed)
            squares += weight * weight
            total += weight
            placed += weight * place
        alpha[ray] = total
        if total > ZERO:
            depth[ray] = placed + total * t[start]
        distortion[ray] = TWO * pairs + squares * step * THIRD


@kernel
def _composite_back(
    colors, offsets, t, weights, step, to_color, to_alpha, to_depth, to_distortion, to_sigmas, to_colors
):
    channels = colors.shape[1]
    for ray in prange(len(to_alpha)):
        start = offsets[ray]
        before, placed_before = ZERO, ZERO  # what lies in front of a sample, and where
        for n in range(start, offsets[ray + 1]):
            before += weights[n]
            placed_before += weights[n] * (t[n] - t[start])
        light = ONE - before
        behind, placed_behind = ZERO, ZERO
        later = ZERO  # what the samples behind contribute to the loss, per unit of it being seen
        for n in range(offsets[ray + 1] - 1, start - 1, -1):
            weight = weights[n]
            if weight == ZERO and behind == ZERO and light < np.float32(STOP):
                to_sigmas[n] = ZERO
                for c in range(channels):
                    to_colors[n, c] = ZERO
                continue
            place = t[n] - t[start]
            before -= weight
            placed_before -= weight * place
            spread = place * (before - behind) - (placed_before - placed_behind) + weight * step * THIRD
            value = to_alpha[ray] + to_depth[ray] * t[n] + TWO * to_distortion[ray] * spread
            for c in range(channels):
                value += to_color[ray, c] * colors[n, c]
                to_colors[n, c] = weight * to_color[ray, c]
            to_sigmas[n] = step * (light * value - later)
            light += weight
            later += weight * value
            behind += weight
            placed_behind += weight * place


def composite(sigmas: Tensor, colors: Tensor, offsets: Tensor, t: Tensor, step: float) -> tuple[Tensor, ...]:
    """Weights `[M]`, then the outputs of `dreamforge.kernels.volume.composite`."""
    rays = len(offsets) - 1
    weights = torch.empty_like(sigmas)
    outputs = (torch.zeros(rays, colors.shape[1]), *torch.zeros(3, rays).unbind())
    inputs = (sigmas.numpy(), colors.numpy(), offsets.numpy(), t.numpy(), np.float32(step))
    _composite_pass(*inputs, weights.numpy(), *[output.numpy() for output in outputs])
    return weights, *outputs


def composite_backward(
    colors: Tensor, offsets: Tensor, t: Tensor, weights: Tensor, step: float, *gradients: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients on the densities `[M]` and colours `[M,C]`, from those on the four outputs: back to front along each
    ray, dL/dsigma_i = step (T_{i+1} q_i - sum_{j>i} w_j q_j), where q_j = dL/dw_j is what sample j would add if wholly
    seen. The distortion adds 2 sum_i w_i |t_i - t_j| + 2 w_j step / 3, from sums over what lies before and behind.
    """
    to_sigmas, to_colors = torch.empty_like(weights), torch.empty_like(colors)
    inputs = (colors.numpy(), offsets.numpy(), t.numpy(), weights.numpy(), np.float32(step))
    _composite_back(*inputs, *[gradient.numpy() for gradient in gradients], to_sigmas.numpy(), to_colors.numpy())
    return to_sigmas, to_colors
