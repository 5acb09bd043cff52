"""Binary .stl: triangles and nothing else, in our axes (slicers, whose z is up, have a button to lay a part flat)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamforge.contracts import Mesh
from dreamforge.export.checks import checked
from dreamforge.export.reading import read
from dreamforge.runs import write_atomic

ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def save(mesh: Mesh, path: Path, name: str, image: str = "png") -> None:
    """Write the triangles of a mesh; colours and textures have no place in the format, nor do `name` and `image`."""
    corners = checked(mesh, path).vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    rows = np.zeros(len(corners), ROW)
    rows["corners"] = corners
    rows["normal"] = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    write_atomic(path, b"DreamForge".ljust(80) + np.uint32(len(rows)).tobytes() + rows.tobytes())


def load(path: Path) -> Mesh:
    """Read any .stl, its corners joined where they lie at one place. UserError where there is no triangle in it."""
    mesh = read(path)
    vertices, back = np.unique(mesh.vertices, axis=0, return_inverse=True)
    return Mesh(vertices, back.reshape(-1)[mesh.faces].astype(np.int32))
