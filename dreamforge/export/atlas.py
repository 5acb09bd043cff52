"""Where each face lies on the texture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xatlas

from dreamforge.contracts import Mesh

MOST_CHART_FACES = 30_000  # xatlas' time grows faster than the face count: beyond this it would take half a minute
PADDING = 3  # texels between charts, so that bilinear and a few mip levels do not reach across


def unwrap(mesh: Mesh, size: int) -> Mesh:
    """The mesh with uv for a texture of `size`² texels; vertices are split along seams, faces keep their order."""
    if len(mesh.faces) > MOST_CHART_FACES:
        source, faces, uv = _square_per_pair(len(mesh.faces), mesh.faces, size)
    else:
        atlas = xatlas.Atlas()
        atlas.add_mesh(mesh.vertices, mesh.faces.astype(np.uint32), mesh.normals)
        charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
        charts.max_iterations = 1
        packing.resolution, packing.padding, packing.bilinear = size, PADDING, True
        atlas.generate(charts, packing)
        source, faces, uv = atlas[0]
    normals = None if mesh.normals is None else mesh.normals[source]
    return replace(
        mesh, vertices=mesh.vertices[source], faces=faces.astype(np.int32), normals=normals, colors=None,
        uv=uv.astype(np.float32),
    )  # fmt: skip


def _square_per_pair(count: int, faces: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two faces to each square of a regular grid, one below and one above its diagonal: crude, but never overlapping."""
    side = int(np.ceil(np.sqrt((count + 1) // 2)))
    pair = np.arange(count) // 2
    corner = np.stack([pair % side, pair // side], axis=-1) / side  # [F,2]
    inset = min(1.5 / (size / side), 0.2)  # of a square: keeps bilinear reads inside the own half
    low, high = inset, 1 - 2.4 * inset
    lower = np.array([[low, low], [high, low], [low, high]])
    local = np.where((np.arange(count) % 2 == 0)[:, None, None], lower, 1 - lower)  # [F,3,2]
    uv = corner[:, None] + local / side
    return faces.reshape(-1), np.arange(3 * count).reshape(-1, 3), uv.reshape(-1, 2)
