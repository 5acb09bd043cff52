"""Where each face lies on the texture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xatlas

from dreamforge.contracts import Mesh

MOST_PART_FACES = 12_000  # 1 s of CPU; xatlas' time grows nearly with the square of the faces it is given at once
PADDING = 3  # texels between charts, so that bilinear and a few mip levels do not reach across


def unwrap(mesh: Mesh, size: int) -> Mesh:
    """The mesh with uv for a texture of `size`² texels; vertices are split along seams, faces keep their order.

    A mesh of many faces is halved in space until its parts are small, and each part has charts of its own, all of one
    scale and packed together: the time is linear in the face count, and the result does not depend on the machine.
    """
    parts = _halved(mesh.vertices[mesh.faces].mean(axis=1), np.arange(len(mesh.faces)))
    atlas, corners = xatlas.Atlas(), [np.unique(mesh.faces[part], return_inverse=True) for part in parts]
    for used, local in corners:
        normals = None if mesh.normals is None else mesh.normals[used]
        atlas.add_mesh(mesh.vertices[used], local.reshape(-1, 3).astype(np.uint32), normals)
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_iterations = 1
    packing.resolution, packing.padding, packing.bilinear = size, PADDING, True
    atlas.generate(charts, packing)
    faces, sources, uvs, count = np.empty_like(mesh.faces), [], [], 0
    for number, (part, (used, _)) in enumerate(zip(parts, corners, strict=True)):
        source, local, uv = atlas[number]
        faces[part] = local + count
        sources.append(used[source])
        uvs.append(uv)
        count += len(source)
    source = np.concatenate(sources)
    return replace(
        mesh, vertices=mesh.vertices[source], faces=faces, colors=None, uv=np.concatenate(uvs).astype(np.float32),
        normals=None if mesh.normals is None else mesh.normals[source],
    )  # fmt: skip


def _halved(centers: np.ndarray, part: np.ndarray) -> list[np.ndarray]:
    """The indices `part` into `centers` `[F,3]` in groups small enough, cut across their longest side at the median."""
    if len(part) <= MOST_PART_FACES:
        return [part]
    axis = np.ptp(centers[part], axis=0).argmax()
    halves = np.array_split(part[np.argsort(centers[part, axis], kind="stable")], 2)
    return [group for half in halves for group in _halved(centers, np.sort(half))]
