"""3D Gaussian Splatting's own .ply: float32, logarithms of scales, logits of opacities, every harmonic by name.

Axes are those of camera captures, y down and z away, as converters and viewers expect of this format.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dreamforge.contracts import Splats
from dreamforge.errors import UserError
from dreamforge.export.splats import LEAST_SCALE, MOST_OPACITY, checked, turned
from dreamforge.runs import write_atomic

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2", "ushort": "<u2",
    "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4", "float": "<f4", "float32": "<f4",
    "double": "<f8", "float64": "<f8",
}  # fmt: skip
LONGEST_HEADER = 1 << 16  # bytes
REST = {0: 0, 9: 1, 24: 2, 45: 3}  # number of f_rest properties -> degree


def save(splats: Splats, path: Path, name: str) -> None:
    """Write the layout of the original code: position, normal (zero), f_dc, f_rest (all red coefficients, then all
    green, then all blue), opacity, scale, rotation (wxyz). The format has no place for `name`."""
    turn, count = turned(splats), len(splats.means)
    rest = turn.sh[:, 1:].transpose(0, 2, 1).reshape(count, -1)
    opacity = np.clip(turn.opacities, 1 - MOST_OPACITY, MOST_OPACITY)
    columns = {
        **_named("xyz", turn.means), **_named(("nx", "ny", "nz"), np.zeros((count, 3))),
        **_named([f"f_dc_{i}" for i in range(3)], turn.sh[:, 0]),
        **_named([f"f_rest_{i}" for i in range(rest.shape[1])], rest),
        "opacity": np.log(opacity) - np.log1p(-opacity),
        **_named([f"scale_{i}" for i in range(3)], np.log(np.maximum(turn.scales, LEAST_SCALE))),
        **_named([f"rot_{i}" for i in range(4)], turn.quaternions),
    }  # fmt: skip
    header = ["ply", "format binary_little_endian 1.0", "comment DreamForge", f"element vertex {count}"]
    header += [f"property float {key}" for key in columns] + ["end_header", ""]
    body = np.stack([np.asarray(column, "<f4") for column in columns.values()], axis=1)
    write_atomic(path, "\n".join(header).encode() + body.tobytes())


def _named(names: str | tuple[str, ...] | list[str], columns: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(names, columns.T, strict=True))


def load(path: Path) -> Splats:
    """Read any binary .ply with these properties, in any order. UserError for what is not one."""
    table = _table(path)
    try:
        means, opacity = _columns(table, "x", "y", "z"), table["opacity"].astype(np.float64)
        scales, quaternions = (_columns(table, *(f"{k}_{i}" for i in range(n))) for k, n in (("scale", 3), ("rot", 4)))
        constant = _columns(table, "f_dc_0", "f_dc_1", "f_dc_2")
        rest = [f"f_rest_{i}" for i in range(sum(key.startswith("f_rest_") for key in table.dtype.names))]
        if len(rest) not in REST:
            raise UserError(f"{path}: {len(rest)} f_rest properties are no degree of harmonics; 0, 9, 24 or 45 are")
        higher = _columns(table, *rest).reshape(len(table), 3, -1).transpose(0, 2, 1)
    except (KeyError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a .ply of splats ({error.args[0]})") from error
    with np.errstate(over="ignore"):
        opacities, scales = 1 / (1 + np.exp(-opacity)), np.exp(scales)
    return turned(checked(path, means, scales, quaternions, opacities, np.concatenate([constant[:, None], higher], 1)))


def _columns(table: np.ndarray, *names: str) -> np.ndarray:
    if not names:
        return np.zeros((len(table), 0), np.float32)
    return np.stack([table[name].astype(np.float32) for name in names], axis=1)


def header_of(path: Path) -> tuple[list[list[str]], int]:
    """The lines of a .ply's header as words, and where its data begins. UserError where there is none."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with open(path, "rb") as stream:
        start = stream.read(LONGEST_HEADER)
    end = re.search(rb"\nend_header\r?\n", start)
    if not start.startswith(b"ply") or end is None:
        raise UserError(f"{path}: not a .ply file (it has no header)")
    return [line.split() for line in start[: end.start()].decode("ascii", "replace").splitlines()], end.end()


def _table(path: Path) -> np.ndarray:
    """The element "vertex", which has to come first, as a structured array."""
    lines, data = header_of(path)
    if ["format", "binary_little_endian", "1.0"] not in lines:
        raise UserError(f"{path}: only binary little-endian .ply files hold splats here; convert it first")
    elements = [line for line in lines if line[:1] == ["element"]]
    if not elements or len(elements[0]) != 3 or elements[0][1] != "vertex" or not elements[0][2].isdigit():
        raise UserError(f"{path}: its first element is no list of splats; a compressed .ply has to be unpacked first")
    count, fields = int(elements[0][2]), []
    for line in lines[lines.index(elements[0]) + 1 :]:
        if line[:1] == ["element"]:
            break
        if line[:1] == ["property"]:
            if len(line) != 3 or line[1] not in TYPES:
                raise UserError(f"{path}: cannot read the property '{' '.join(line)}'")
            fields.append((line[2], TYPES[line[1]]))
    try:
        row = np.dtype(fields)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    if count * row.itemsize > path.stat().st_size - data:
        raise UserError(f"{path}: cut off: its header promises {count:,} splats, which do not fit in the file")
    return np.fromfile(path, row, count, offset=data)
