"""Spherical harmonics on a GPU: the host's side of `cuda_ext/harmonics.cu`."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from dreamforge.kernels import harmonics
from dreamforge.kernels.nvrtc import Program, blocks_for

THREADS = 128
CONSTANTS = {name: value for name, value in vars(harmonics).items() if name.startswith("Y") and name[1].isdigit()}


@functools.cache
def program(count: int) -> Program:
    """The kernels for a number of coefficients."""
    return Program.of("harmonics.cu", COUNT=count, **CONSTANTS)


def forward(coefficients: Tensor, means: Tensor, positions: Tensor) -> Tensor:
    """Colours `[B,N,3]` of contiguous coefficients `[N,K,3]`, means `[N,3]` and positions `[B,3]`."""
    colors = means.new_empty(len(positions), len(means), 3)
    _launch("forward", coefficients, means, positions, colors)
    return colors


def backward(
    coefficients: Tensor, means: Tensor, positions: Tensor, colors: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients on the coefficients and the means, from those on the colours."""
    to_coefficients, to_means = torch.empty_like(coefficients), torch.empty_like(means)
    _launch("backward", coefficients, means, positions, colors, gradient, to_coefficients, to_means)
    return to_coefficients, to_means


def _launch(kernel: str, coefficients: Tensor, means: Tensor, positions: Tensor, *others: Tensor) -> None:
    count, sizes = len(means), (len(means), len(positions))
    tensors = (coefficients, means, positions, *others)
    program(coefficients.shape[1]).launch(kernel, blocks_for(count, THREADS), THREADS, *tensors, *sizes)
