"""The part of an asset that an edit may change: a box, the faces of a material, what somebody painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, maximum_filter
from scipy.spatial import cKDTree

from dreamforge.config import RegionConfig
from dreamforge.contracts import Mesh, Splats
from dreamforge.editing.canvas import split_off
from dreamforge.editing.coverage import Layer, coverage
from dreamforge.editing.original import Original
from dreamforge.errors import UserError, did_you_mean
from dreamforge.export import load_asset
from dreamforge.export.reading import faces_by_material
from dreamforge.kernels.splat import rotation_matrices

SPREAD = 2.0  # standard deviations of a splat that have to lie inside
PAINTED = 0.5  # mean of the colour from which on a vertex is painted

Holds = Callable[[np.ndarray, np.ndarray | None], np.ndarray]
"""Whether points `[N,3]`, on faces `[N]` of a mesh, are inside."""


def confined(original: Original, region: RegionConfig, path: Path) -> Original:
    """The original with what the region lets change. UserError for a region that nothing of it is in."""
    tests = _tests(original.asset, region, path)
    if not tests:
        return original

    def holds(points: np.ndarray, faces: np.ndarray | None) -> np.ndarray:
        return np.logical_and.reduce([test(points, faces) for test in tests])

    if isinstance(original.asset, Splats):
        confinement = replace(original, free=_splats_inside(original.asset, holds))
    else:
        confinement = _mesh_confined(original, holds)
    if not confinement.free.any():
        points = original.asset.means if isinstance(original.asset, Splats) else original.asset.vertices
        low, high = (", ".join(f"{value:.4g}" for value in corner) for corner in (points.min(0), points.max(0)))
        raise UserError(f"region: nothing of {path} is in it; the asset lies between {low} and {high} (x, y, z)")
    return confinement


def _tests(asset: Mesh | Splats, region: RegionConfig, path: Path) -> list[Holds]:
    tests: list[Holds] = []
    if region.box:
        low, high = np.float64(region.box[:3]), np.float64(region.box[3:])
        tests.append(lambda points, faces: ((points >= low) & (points <= high)).all(axis=1))
    if region.material:
        wearing = _faces_of_material(asset, region.material, path)
        tests.append(lambda points, faces: wearing[faces])
    if region.painted:
        tree, white = _painted_vertices(Path(region.painted).expanduser())
        tests.append(lambda points, faces: white[tree.query(points, workers=-1)[1]])
    return tests


def _faces_of_material(asset: Mesh | Splats, name: str, path: Path) -> np.ndarray:
    if not isinstance(asset, Mesh) or path.is_dir():
        raise UserError(f"region.material: {path} has no materials by name; use a box instead, such as --box 0,0,0,1,1,1")
    known = faces_by_material(path)
    if name not in known:
        raise UserError(f"region.material: {path} has no material '{name}'{did_you_mean(name, known)}")
    return known[name]


def _painted_vertices(path: Path) -> tuple[cKDTree, np.ndarray]:
    mesh = load_asset(path)
    if not isinstance(mesh, Mesh) or mesh.colors is None:
        raise UserError(f"region.painted: {path} has no colours of vertices; paint what may change white on black")
    return cKDTree(mesh.vertices), mesh.colors.mean(axis=1) > PAINTED


def _splats_inside(splats: Splats, holds: Holds) -> np.ndarray:
    """`[N]` the splats of which the middle and the ends of all axes are inside."""
    axes = rotation_matrices(torch.from_numpy(splats.quaternions)).numpy() * (SPREAD * splats.scales[:, None])
    inside = holds(splats.means, None)
    for axis in np.moveaxis(axes, 2, 0):
        inside &= holds(splats.means + axis, None) & holds(splats.means - axis, None)
    return inside


def _mesh_confined(original: Original, holds: Holds) -> Original:
    """Texels that only what is inside shows, and vertices all of whose faces are inside.

    Where faces inside and outside share texels, those inside get a copy of the texture first.
    """
    mesh = original.asset
    layers = coverage(mesh)
    points = mesh.vertices[mesh.faces].reshape(-1, 3)
    corners = holds(points, np.repeat(np.arange(len(mesh.faces)), 3)).reshape(-1, 3)
    inside = [_inside(layer, holds) for layer in layers]
    if (inside[0] != inside[1]).any():
        touched = corners.any(axis=1)
        for layer, within in zip(layers, inside, strict=True):
            touched[np.unique(layer[0][within])] = True
        mesh = split_off(mesh, touched)
        layers = coverage(mesh)
        inside = [_inside(layer, holds) for layer in layers]
    free = _free_texels(mesh, layers[0][0] >= 0, inside[0] & inside[1], corners)
    places, same = np.unique(mesh.vertices, axis=0, return_inverse=True)
    fixed = np.zeros(len(places), bool)
    fixed[same.reshape(-1)[mesh.faces[~corners.all(axis=1)]]] = True
    return replace(original, asset=mesh, free=free, free_vertices=~fixed[same.reshape(-1)])


def _inside(layer: Layer, holds: Holds) -> np.ndarray:
    face, place = layer
    there = face >= 0
    inside = np.zeros(face.shape, bool)
    inside[there] = holds(place[there], face[there])
    return inside


def _free_texels(mesh: Mesh, covered: np.ndarray, inside: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Texels inside, and gaps between charts beside them, but for those that a point outside mixes in."""
    height, width = covered.shape
    outside = covered & ~inside
    beyond = mesh.uv[mesh.faces[~corners]]  # faces may be too narrow to cover a texel
    place = np.floor([(1 - beyond[:, 1]) * height, beyond[:, 0] * width]).astype(int)
    outside[place[0].clip(0, height - 1), place[1].clip(0, width - 1)] = True
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return inside[row, column] & ~maximum_filter(outside, 3, mode="wrap")
