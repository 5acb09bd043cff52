"""What the splat formats share: axes, harmonics, and the bounds that every value has to keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dreamforge.contracts import Splats
from dreamforge.errors import UserError
from dreamforge.kernels.harmonics import Y0
from dreamforge.kernels.splat import rotation_matrices

# of the 16 harmonics up to degree 3, in 3D Gaussian Splatting's order, under y, z -> -y, -z
TURN_SIGNS = np.array([1, -1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1], np.float32)
LEAST_SCALE = 1e-20  # whose logarithm is still a number
MOST_OPACITY = 1 - 1e-6  # whose logit is


def turned(splats: Splats) -> Splats:
    """Half a turn about x: from our axes (y up, z toward the viewer) to those of camera captures (y down, z away),
    which .ply and .splat files are in, and back."""
    flip = np.array([1, -1, -1], np.float32)
    return replace(
        splats,
        means=splats.means * flip,
        quaternions=splats.quaternions * np.array([1, 1, -1, -1], np.float32),  # the axes' own signs do not matter
        sh=splats.sh * TURN_SIGNS[: splats.sh.shape[1], None],
    )


def checked(path: Path, means: np.ndarray, scales: np.ndarray, quaternions: np.ndarray, opacities: np.ndarray, sh: np.ndarray) -> Splats:
    """Splats as read from a file, float32, quaternions normalised. UserError where a value is not a finite number."""
    arrays = [np.ascontiguousarray(values, np.float32) for values in (means, scales, quaternions, opacities, sh)]
    if not len(means):
        raise UserError(f"{path}: there is no splat in it")
    for name, values in zip(("position", "scale", "rotation", "opacity", "colour"), arrays, strict=True):
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
        if bad.any():
            raise UserError(f"{path}: splat {int(bad.argmax())} has a {name} that is not a finite number")
    length = np.linalg.norm(arrays[2], axis=1, keepdims=True)
    arrays[2] = np.where(length > 1e-12, arrays[2] / np.maximum(length, 1e-12), np.float32([1, 0, 0, 0]))
    return Splats(*arrays)


def covariances(splats: Splats) -> np.ndarray:
    """`[N,3,3]` in world coordinates."""
    axes = rotation_matrices(torch.from_numpy(splats.quaternions)).numpy() * splats.scales[:, None]
    return axes @ axes.transpose(0, 2, 1)


def constant_colors(splats: Splats) -> np.ndarray:
    """`[N,3]` uint8 sRGB: the part of the colours that does not depend on the view."""
    return np.clip((0.5 + Y0 * splats.sh[:, 0]) * 255 + 0.5, 0, 255).astype(np.uint8)
