"""Spherical harmonics on the CPU. Threads share out the Gaussians and each adds up its own views, so that results do
not depend on how many threads there are."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dreamforge.kernels import harmonics
from dreamforge.kernels.jit import inline, kernel, prange

CHUNK = 256  # Gaussians a thread takes at a time
ZERO, HALF, ONE, TWO, THREE, FOUR, SIX, EIGHT = [np.float32(x) for x in (0, 0.5, 1, 2, 3, 4, 6, 8)]
Y0, Y1 = np.float32(harmonics.Y0), np.float32(harmonics.Y1)
C2, Z2, S2 = [np.float32(x) for x in (harmonics.Y2_CROSS, harmonics.Y2_ZONAL, harmonics.Y2_SQUARES)]
A3, C3, T3 = [np.float32(x) for x in (harmonics.Y3_SIDE, harmonics.Y3_CROSS, harmonics.Y3_TILT)]
Z3, S3 = np.float32(harmonics.Y3_ZONAL), np.float32(harmonics.Y3_SQUARES)


@inline
def direction(mean, position):
    """The unit vector from a position to a mean, and one over the distance."""
    x, y, z = mean[0] - position[0], mean[1] - position[1], mean[2] - position[2]
    inverse = ONE / max(math.sqrt(x * x + y * y + z * z), np.float32(1e-12))
    return x * inverse, y * inverse, z * inverse, inverse


@inline
def fill_basis(x, y, z, count, out):
    """Fill out [count] with the Y_k of a unit direction."""
    out[0] = Y0
    if count > 1:
        out[1], out[2], out[3] = -Y1 * y, Y1 * z, -Y1 * x
    if count > 4:
        xx, yy, zz = x * x, y * y, z * z
        out[4], out[5], out[6] = C2 * x * y, -C2 * y * z, Z2 * (TWO * zz - xx - yy)
        out[7], out[8] = -C2 * x * z, S2 * (xx - yy)
    if count > 9:
        out[9], out[10], out[11] = -A3 * y * (THREE * xx - yy), C3 * x * y * z, -T3 * y * (FOUR * zz - xx - yy)
        out[12], out[13] = Z3 * z * (TWO * zz - THREE * xx - THREE * yy), -T3 * x * (FOUR * zz - xx - yy)
        out[14], out[15] = S3 * z * (xx - yy), -A3 * x * (xx - THREE * yy)


@inline
def slope(x, y, z, count, w):
    """The gradient in (x, y, z) of sum_k w_k Y_k, the Y_k taken as polynomials."""
    dx, dy, dz = -Y1 * w[3], -Y1 * w[1], Y1 * w[2]
    if count > 4:
        dx += C2 * (y * w[4] - z * w[7]) + TWO * x * (S2 * w[8] - Z2 * w[6])
        dy += C2 * (x * w[4] - z * w[5]) - TWO * y * (S2 * w[8] + Z2 * w[6])
        dz += -C2 * (y * w[5] + x * w[7]) + FOUR * Z2 * z * w[6]
    if count > 9:
        xx, yy, zz = x * x, y * y, z * z
        dx += -SIX * A3 * x * y * w[9] + C3 * y * z * w[10] + TWO * T3 * x * y * w[11] - SIX * Z3 * x * z * w[12]
        dx += -T3 * (FOUR * zz - THREE * xx - yy) * w[13] + TWO * S3 * x * z * w[14] - THREE * A3 * (xx - yy) * w[15]
        dy += -THREE * A3 * (xx - yy) * w[9] + C3 * x * z * w[10] - T3 * (FOUR * zz - xx - THREE * yy) * w[11]
        dy += -SIX * Z3 * y * z * w[12] + TWO * T3 * x * y * w[13] - TWO * S3 * y * z * w[14] + SIX * A3 * x * y * w[15]
        dz += C3 * x * y * w[10] - EIGHT * T3 * y * z * w[11] + Z3 * (SIX * zz - THREE * xx - THREE * yy) * w[12]
        dz += -EIGHT * T3 * x * z * w[13] + S3 * (xx - yy) * w[14]
    return dx, dy, dz


@inline
def forward_range(first, last, coefficients, means, positions, colors):
    """Gaussians `first` to `last` of `forward_pass`."""
    count = coefficients.shape[1]
    values = np.empty(count, np.float32)
    for n in range(first, last):
        for v in range(positions.shape[0]):
            x, y, z, _ = direction(means[n], positions[v])
            fill_basis(x, y, z, count, values)
            for c in range(3):
                total = HALF
                for k in range(count):
                    total += values[k] * coefficients[n, k, c]
                colors[v, n, c] = max(total, ZERO)


@inline
def backward_range(first, last, coefficients, means, positions, colors, gradient, to_coefficients, to_means):
    """Gaussians `first` to `last` of `backward_pass`."""
    count = coefficients.shape[1]
    values, weights = np.empty(count, np.float32), np.empty(count, np.float32)
    to_coefficients[first:last] = ZERO
    to_means[first:last] = ZERO
    for n in range(first, last):
        for v in range(positions.shape[0]):
            x, y, z, inverse = direction(means[n], positions[v])
            fill_basis(x, y, z, count, values)
            weights[:] = ZERO
            for c in range(3):
                g = gradient[v, n, c] if colors[v, n, c] > ZERO else ZERO
                for k in range(count):
                    to_coefficients[n, k, c] += values[k] * g
                    weights[k] += coefficients[n, k, c] * g
            if count > 1:
                dx, dy, dz = slope(x, y, z, count, weights)
                along = dx * x + dy * y + dz * z  # a move along the line of sight changes no direction
                to_means[n, 0] += inverse * (dx - along * x)
                to_means[n, 1] += inverse * (dy - along * y)
                to_means[n, 2] += inverse * (dz - along * z)


@kernel
def forward_pass(coefficients, means, positions, colors):
    """Fill colors [B,N,3]."""
    count = means.shape[0]
    for chunk in prange((count + CHUNK - 1) // CHUNK):
        forward_range(chunk * CHUNK, min((chunk + 1) * CHUNK, count), coefficients, means, positions, colors)


@kernel
def backward_pass(coefficients, means, positions, colors, gradient, to_coefficients, to_means):
    """Fill the gradients on the coefficients [N,K,3] and the means [N,3] from those on the colours [B,N,3]."""
    count = means.shape[0]
    for chunk in prange((count + CHUNK - 1) // CHUNK):
        backward_range(
            chunk * CHUNK, min((chunk + 1) * CHUNK, count),
            coefficients, means, positions, colors, gradient, to_coefficients, to_means,
        )  # fmt: skip


def forward(coefficients: Tensor, means: Tensor, positions: Tensor) -> Tensor:
    """Colours `[B,N,3]` of contiguous coefficients `[N,K,3]`, means `[N,3]` and positions `[B,3]`."""
    colors = torch.empty(len(positions), len(means), 3)
    forward_pass(*[t.numpy() for t in (coefficients, means, positions, colors)])
    return colors


def backward(
    coefficients: Tensor, means: Tensor, positions: Tensor, colors: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients on the coefficients and the means, from those on the colours."""
    answers = torch.empty_like(coefficients), torch.empty_like(means)
    backward_pass(*[t.numpy() for t in (coefficients, means, positions, colors, gradient, *answers)])
    return answers
