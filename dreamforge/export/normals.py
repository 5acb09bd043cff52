"""The detail that decimation took, as a normal map."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree

from dreamforge.contracts import Mesh
from dreamforge.export.tangents import tangents
from dreamforge.export.texture import dilate
from dreamforge.kernels.raster import interpolate, rasterize

NEIGHBOURS = 4  # vertices of the fine mesh that a texel's normal is the mean of, nearer ones above all


def bake_normals(mesh: Mesh, fine: Mesh, size: int) -> np.ndarray:
    """`[size,size,3]` uint8: the normals of `fine` around each texel of an unwrapped mesh, in its tangent frame.

    Vertices of the fine mesh that face away from the texel, beyond a thin wall, do not count.
    """
    where = torch.from_numpy(np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=-1)[None] * size)
    faces = torch.from_numpy(mesh.faces)
    fragments = rasterize(where, torch.ones_like(where[..., 0]), faces, size, size)
    texel = np.flatnonzero(fragments.face.flatten().numpy() >= 0)
    vertices = torch.from_numpy(np.concatenate([mesh.vertices, mesh.normals, tangents(mesh)], axis=1))
    carried = interpolate(vertices, faces, fragments)[0].flatten(1).T.numpy()[texel]
    place, normal, tangent = carried[:, :3], _unit(carried[:, 3:6]), _unit(carried[:, 6:9])
    across = np.cross(normal, tangent) * np.sign(carried[:, 9:])
    distance, near = cKDTree(fine.vertices).query(place, k=NEIGHBOURS, workers=-1)
    found = fine.normals[near]
    weight = np.where(np.einsum("nki,ni->nk", found, normal) > 0, 1 / np.maximum(distance, 1e-6), 1e-9)
    detail = _unit(np.einsum("nk,nki->ni", weight, found))
    local = np.stack([(detail * axis).sum(1) for axis in (tangent, across, normal)], axis=-1)
    local[:, 2] = np.maximum(local[:, 2], 0.05)  # a normal map cannot turn a surface around
    picture = np.zeros((size * size, 3), np.float32)
    picture[texel] = _unit(local)
    return np.round((dilate(picture, texel, size) + 1) * 127.5).astype(np.uint8).reshape(size, size, 3)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
