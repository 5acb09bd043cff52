"""The .splat of web viewers: 32 bytes a splat, one colour each, the ones that matter most first.

Position and scale are float32; colour and opacity bytes; the rotation (wxyz) bytes around 128. View-dependent colour
is left out, the format has no place for it. Axes as in the .ply it was made from: y down, z away.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamforge.contracts import Splats
from dreamforge.errors import UserError
from dreamforge.export.splats import checked, constant_colors, turned
from dreamforge.kernels.harmonics import Y0
from dreamforge.runs import write_atomic

ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])


def save(splats: Splats, path: Path, name: str) -> None:
    """Write a .splat file; the format has no place for `name`."""
    turn = turned(splats)
    importance = turn.opacities * turn.scales.astype(np.float64).prod(1)
    turn_order = np.argsort(-importance, kind="stable")
    rows = np.empty(len(turn.means), ROW)
    rows["mean"], rows["scale"] = turn.means, turn.scales
    rows["rgba"][:, :3] = constant_colors(turn)
    rows["rgba"][:, 3] = _byte(turn.opacities * 255)
    rows["rotation"] = _byte(turn.quaternions * 128 + 128)
    write_atomic(path, rows[turn_order].tobytes())


def load(path: Path) -> Splats:
    """Read a .splat file. UserError for one that is cut off or holds what is no number."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.stat().st_size % ROW.itemsize:
        raise UserError(f"{path}: not a .splat file: its size is no multiple of {ROW.itemsize} bytes")
    rows = np.fromfile(path, ROW)
    rgba = rows["rgba"].astype(np.float32) / 255
    rotation = (rows["rotation"].astype(np.float32) - 128) / 128
    sh = (rgba[:, None, :3] - 0.5) / Y0
    return turned(checked(path, rows["mean"], rows["scale"], rotation, rgba[:, 3], sh))


def _byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
