"""Tangents: the frame in which a normal map is read."""

from __future__ import annotations

import numpy as np

from dreamforge.contracts import Mesh


def tangents(mesh: Mesh) -> np.ndarray:
    """`[V,4]` unit tangents along +u, orthogonal to the normals, and the sign of the bitangent: cross(n, t) * sign
    points along +v. Each face counts by its area; where uv say nothing, any direction across the normal."""
    corner, uv = mesh.vertices[mesh.faces].astype(np.float64), mesh.uv[mesh.faces].astype(np.float64)
    (e1, e2), (d1, d2) = ((x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]) for x in (corner, uv))
    turn = np.sign(d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0])[:, None]
    size = np.linalg.norm(np.cross(e1, e2), axis=1, keepdims=True)
    along_u, along_v = (_unit(turn * (e1 * b - e2 * a)) * size for a, b in ((d1[:, 1:], d2[:, 1:]), (-d1[:, :1], -d2[:, :1])))
    total_u, total_v = np.zeros((2, len(mesh.vertices), 3))
    for k in range(3):
        np.add.at(total_u, mesh.faces[:, k], along_u)
        np.add.at(total_v, mesh.faces[:, k], along_v)
    normal = mesh.normals.astype(np.float64)
    tangent = total_u - normal * (total_u * normal).sum(1, keepdims=True)
    lost = np.linalg.norm(tangent, axis=1) < 1e-12
    axis = np.eye(3)[np.abs(normal[lost]).argmin(1)]
    tangent[lost] = np.cross(normal[lost], axis)
    tangent = _unit(tangent)
    sign = np.where((np.cross(normal, tangent) * total_v).sum(1) < 0, -1.0, 1.0)
    return np.concatenate([tangent, sign[:, None]], axis=1).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
