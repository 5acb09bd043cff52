"""What a mesh has to be before it is written, and after it has been read; and what files beside its own are called."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError


def beside(path: Path, ending: str) -> Path:
    """A file that goes with `path`, called so that every reader finds it: no spaces, which .mtl files cannot name, and
    nothing that the addresses in a .gltf would have to escape."""
    return path.with_name((re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem) or "mesh") + ending)


def checked(mesh: Mesh, path: Path) -> Mesh:
    """The mesh, if it has triangles, all of vertices that it has, at finite places. UserError naming the file if not."""
    if not len(mesh.faces):
        raise UserError(f"{path}: there is no triangle in it")
    low, high = int(mesh.faces.min()), int(mesh.faces.max())
    if low < 0 or high >= len(mesh.vertices):
        raise UserError(f"{path}: a triangle names vertex {low if low < 0 else high}; there are {len(mesh.vertices):,}")
    for name, values in (("position", mesh.vertices), ("normal", mesh.normals), ("texture coordinate", mesh.uv)):
        if values is not None and not np.isfinite(values).all():
            raise UserError(f"{path}: vertex {int((~np.isfinite(values)).any(1).argmax())} has a {name} that is no finite number")
    return mesh
