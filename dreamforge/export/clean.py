"""From a raw isosurface to a mesh one would hand over: no floaters, few faces, smooth, closed, outward."""

from __future__ import annotations

import fast_simplification
import numpy as np
import trimesh

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError

FLOATER = 0.005  # share of the largest part's area below which a part is dropped: an eye is kept, a speck is not
SMOOTHING_STEPS = 6  # of Taubin's filter: takes off the marching-cubes steps, keeps the volume
COURSES = (7, 5, 4, 6)  # of decimation: how fast the error it allows grows; the first is the usual one


def clean(mesh: Mesh, faces: int) -> Mesh:
    """The mesh without floaters, inner bubbles, degenerate faces and small holes, smoothed, with at most about `faces`
    faces, counter-clockwise seen from outside, and with smooth unit normals.

    Only the geometry is kept: colours come back with the texture. UserError where nothing is left.
    """
    shape = trimesh.Trimesh(mesh.vertices.astype(np.float64), mesh.faces, process=False)
    shape.merge_vertices(merge_tex=True, merge_norm=True)
    shape.update_faces(np.diff(np.sort(shape.faces)).all(axis=1))  # slivers stay: without them there is a slit
    shape.update_faces(shape.unique_faces())
    if not shape.area > 0:
        raise UserError("nothing is left of the surface after clean-up: it had no face with an area")
    shape = _without_floaters(shape)
    trimesh.smoothing.filter_taubin(shape, iterations=SMOOTHING_STEPS)
    if len(shape.faces) > faces:
        shape = _decimated(shape, faces)
    shape.fill_holes()
    shape.remove_unreferenced_vertices()
    if shape.volume < 0:
        shape.invert()
    return with_normals(Mesh(np.array(shape.vertices, np.float32, subok=False), np.array(shape.faces, np.int32, subok=False)))


def with_normals(mesh: Mesh) -> Mesh:
    """The mesh with smooth vertex normals, each face's weighted by its angle at the vertex."""
    shape = trimesh.Trimesh(mesh.vertices.astype(np.float64), mesh.faces, process=False)
    normals = trimesh.geometry.weighted_vertex_normals(
        len(shape.vertices), shape.faces, shape.face_normals, shape.face_angles
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 1e-8, normals / np.maximum(length, 1e-8), [0.0, 1.0, 0.0])  # any, where faces cancel
    return Mesh(mesh.vertices, mesh.faces, normals.astype(np.float32), mesh.colors, mesh.uv, mesh.texture)


def _decimated(shape: trimesh.Trimesh, faces: int) -> trimesh.Trimesh:
    """With about `faces` faces. A collapse now and then leaves an edge of four faces; then another course is tried,
    and where all have such edges the one with the fewest taken."""
    tried = []
    for course in COURSES:
        vertices, simplified = fast_simplification.simplify(
            shape.vertices.astype(np.float32), shape.faces.astype(np.int32), target_count=faces, agg=course
        )
        tried.append(trimesh.Trimesh(vertices, simplified, process=False))
        if _unpaired(tried[-1]) <= _unpaired(shape):
            return tried[-1]
    return min(tried, key=_unpaired)


def _unpaired(shape: trimesh.Trimesh) -> int:
    """How many edges do not have exactly two faces."""
    return int((np.bincount(shape.edges_unique_inverse) != 2).sum())


def _without_floaters(shape: trimesh.Trimesh) -> trimesh.Trimesh:
    """Without the parts much smaller than the largest, and without bubbles, the parts that face inward."""
    label = trimesh.graph.connected_component_labels(shape.face_adjacency, node_count=len(shape.faces))
    area = np.bincount(label, shape.area_faces)
    corners = shape.triangles
    volume = np.bincount(label, np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)
    outward = np.sign(volume[area.argmax()]) or 1.0
    keep = (area >= FLOATER * area.max()) & (volume * outward >= 0)
    shape.update_faces(keep[label])
    shape.remove_unreferenced_vertices()
    return shape
