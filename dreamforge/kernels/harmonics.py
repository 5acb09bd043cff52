"""Colours that depend on the direction they are seen from: real spherical harmonics up to degree 3.

The convention of 3D Gaussian splatting and its .ply files: colour = max(0, 1/2 + sum_k c_k Y_k(d)), d the unit
direction from the camera to the Gaussian in the world's axes.
"""

from __future__ import annotations

import importlib
import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dreamforge.kernels import backend, check_finite

BANDS = {1: 0, 4: 1, 9: 2, 16: 3}
"""Degree by number of coefficients."""

Y0 = math.sqrt(1 / math.pi) / 2
Y1 = math.sqrt(3 / math.pi) / 2
Y2_CROSS, Y2_ZONAL, Y2_SQUARES = math.sqrt(15 / math.pi) / 2, math.sqrt(5 / math.pi) / 4, math.sqrt(15 / math.pi) / 4
Y3_SIDE, Y3_CROSS = math.sqrt(35 / 2 / math.pi) / 4, math.sqrt(105 / math.pi) / 2
Y3_TILT = math.sqrt(21 / 2 / math.pi) / 4
Y3_ZONAL, Y3_SQUARES = math.sqrt(7 / math.pi) / 4, math.sqrt(105 / math.pi) / 4


def view_colors(coefficients: Tensor, means: Tensor, positions: Tensor) -> Tensor:
    """Colours `[B,N,3]` >= 0 of N points `[N,3]` seen from B positions `[B,3]`.

    coefficients: `[N,K,3]`, K = (degree + 1)^2 up to 16. Differentiable once in the coefficients and the points.
    Raises ValueError for inputs that are not finite.
    """
    if coefficients.shape[1] not in BANDS:
        raise ValueError(f"spherical harmonics have 1, 4, 9 or 16 coefficients, not {coefficients.shape[1]}")
    check_finite("view_colors", coefficients=coefficients, means=means, positions=positions)
    serves = backend(means.device, "harmonics")
    if coefficients.dtype == means.dtype == torch.float32 and serves != "torch":
        kernels = importlib.import_module(f"dreamforge.kernels.harmonics_{serves}")
        return _Colors.apply(kernels, coefficients, means, positions)
    return reference(coefficients, means, positions)


def reference(coefficients: Tensor, means: Tensor, positions: Tensor) -> Tensor:
    """`view_colors` in plain torch."""
    directions = torch.nn.functional.normalize(means - positions[:, None].to(means), dim=-1)
    values = basis(directions, BANDS[coefficients.shape[1]])
    return (torch.einsum("bnk,nkc->bnc", values, coefficients) + 0.5).relu()


def basis(directions: Tensor, degree: int) -> Tensor:
    """Y_k of unit directions `[...,3]`: `[...,(degree + 1)^2]`."""
    x, y, z = directions.unbind(-1)
    values = [torch.full_like(x, Y0)]
    if degree > 0:
        values += [-Y1 * y, Y1 * z, -Y1 * x]
    if degree > 1:
        xx, yy, zz = x * x, y * y, z * z
        values += [Y2_CROSS * x * y, -Y2_CROSS * y * z, Y2_ZONAL * (2 * zz - xx - yy), -Y2_CROSS * x * z]
        values += [Y2_SQUARES * (xx - yy)]
    if degree > 2:
        values += [-Y3_SIDE * y * (3 * xx - yy), Y3_CROSS * x * y * z, -Y3_TILT * y * (4 * zz - xx - yy)]
        values += [Y3_ZONAL * z * (2 * zz - 3 * xx - 3 * yy), -Y3_TILT * x * (4 * zz - xx - yy)]
        values += [Y3_SQUARES * z * (xx - yy), -Y3_SIDE * x * (xx - 3 * yy)]
    return torch.stack(values, -1)


class _Colors(torch.autograd.Function):
    """The passes of one of the modules `harmonics_numba` and `harmonics_cuda` as a differentiable operation."""

    @staticmethod
    def forward(ctx: Any, kernels: ModuleType, coefficients: Tensor, means: Tensor, positions: Tensor) -> Tensor:
        tensors = [t.detach().float().contiguous() for t in (coefficients, means, positions)]
        colors = kernels.forward(*tensors)
        ctx.save_for_backward(*tensors, colors)
        ctx.kernels = kernels
        return colors

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.kernels.backward(*ctx.saved_tensors, gradient.contiguous()), None
