"""Texels for every face to be painted on: where a mesh has none of its own, or hardly any, it is given some."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import trimesh
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from dreamforge.contracts import Mesh
from dreamforge.export.atlas import unwrap
from dreamforge.export.clean import with_normals
from dreamforge.export.parts import NEUTRAL, Part, joined
from dreamforge.kernels.raster import interpolate, rasterize, sample_texture
from dreamforge.rendering.raster import GREY, texture_image

PICTURES = ("texture", "metallic_roughness", "normal_map")
COARSE = 256  # times fewer texels than it would be given: then a face has hardly any of its own
BLOCK = 0.6, 4  # texels of a face that has a block to itself (`export.parts`), and how many times fewer make it coarse
WORTH = 0.005  # share of the surface below which it is not worth it


def with_canvas(mesh: Mesh, size: int) -> Mesh:
    """The mesh, all faces in their order, with texels for each: its own texture where that has them, to the byte; else
    a texture of `size`² that shows the same colours, beside it."""
    mesh = with_normals(mesh) if mesh.normals is None else mesh
    bare, area = _bare(mesh, size)
    if area[bare].sum() < WORTH * area.sum():
        return mesh
    painted = _painted(_part_of(mesh, bare), size)
    if bare.all():
        return painted
    both = joined([_as_part(_part_of(mesh, ~bare)), _as_part(painted)])
    order = np.concatenate([np.flatnonzero(~bare), np.flatnonzero(bare)])
    return replace(both, faces=both.faces[np.argsort(order)])


def split_off(mesh: Mesh, chosen: np.ndarray) -> Mesh:
    """The mesh with the faces `chosen` `[F]` on a copy of its texture, to the right of it."""
    used, local = np.unique(mesh.faces[chosen], return_inverse=True)
    faces = mesh.faces.copy()
    faces[chosen] = local.reshape(-1, 3) + len(mesh.vertices)
    uv = np.concatenate([mesh.uv * [0.5, 1], mesh.uv[used] * [0.5, 1] + [0.5, 0]]).astype(np.float32)
    twice = {name: getattr(mesh, name) for name in PICTURES}
    twice = {name: np.concatenate([picture, picture], axis=1) for name, picture in twice.items() if picture is not None}
    vertices, normals = (np.concatenate([x, x[used]]) for x in (mesh.vertices, mesh.normals))
    return replace(mesh, vertices=vertices, faces=faces, normals=normals, uv=uv, **twice)


def _bare(mesh: Mesh, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which faces `[F]` have hardly a texel of their own, and their areas."""
    area = trimesh.triangles.area(mesh.vertices[mesh.faces].astype(np.float64))
    if mesh.uv is None or mesh.texture is None:
        return np.ones(len(area), bool), area
    height, width = mesh.texture.shape[:2]
    corner = mesh.uv[mesh.faces] * np.float64([width, height])
    own = trimesh.triangles.area(np.concatenate([corner, np.zeros_like(corner[..., :1])], axis=-1))
    wanted = 0.5 * size**2 * area / max(area.sum(), 1e-30)
    return (own * COARSE < wanted) | ((own < BLOCK[0]) & (own * BLOCK[1] < wanted)), area


def _part_of(mesh: Mesh, chosen: np.ndarray) -> Mesh:
    """The faces `chosen` `[F]` with the vertices they use."""
    used, local = np.unique(mesh.faces[chosen], return_inverse=True)
    rows = {name: getattr(mesh, name) for name in ("vertices", "normals", "colors", "uv")}
    rows = {name: values[used] for name, values in rows.items() if values is not None}
    return replace(mesh, faces=local.reshape(-1, 3).astype(np.int32), **rows)


def _as_part(mesh: Mesh) -> Part:
    pictures = {name: getattr(mesh, name) for name in PICTURES if getattr(mesh, name) is not None}
    return Part(mesh.vertices, mesh.faces, mesh.normals, uv=mesh.uv.astype(np.float64), pictures=pictures)


def _painted(mesh: Mesh, size: int) -> Mesh:
    """The mesh unwrapped anew, its colours and material on the new texels. A normal map, which would have to turn with
    them, is left out."""
    numbered = replace(mesh, uv=None, texture=None, colors=None)
    fresh = unwrap(numbered, size)
    where = torch.from_numpy(fresh.uv * np.float32([size, -size]) + np.float32([0, size]))[None]
    fragments = rasterize(where, torch.ones(1, len(where[0])), torch.from_numpy(fresh.faces), size, size)
    faces = torch.from_numpy(np.ascontiguousarray(mesh.faces))  # the same faces in the same order, with the old corners
    inside = (fragments.face[0] >= 0).numpy()
    row, column = distance_transform_edt(~inside, return_distances=False, return_indices=True)

    def picture(values: Tensor) -> np.ndarray:
        pixels = (values[0].movedim(0, -1).numpy() * 255).round().clip(0, 255).astype(np.uint8)
        return pixels[row, column]

    def carried(rows: np.ndarray) -> Tensor:
        return interpolate(torch.from_numpy(np.ascontiguousarray(rows, np.float32)), faces, fragments)

    if mesh.uv is None or mesh.texture is None:
        colors = np.full_like(mesh.vertices, GREY) if mesh.colors is None else mesh.colors
        return replace(fresh, texture=picture(carried(colors)))
    uv = carried(mesh.uv)
    shown = {name: getattr(mesh, name) for name in ("texture", "metallic_roughness")}
    shown = {name: picture(sample_texture(texture_image(old), uv)) for name, old in shown.items() if old is not None}
    neutral = None if mesh.normal_map is None else NEUTRAL["normal_map"]
    return replace(fresh, **shown, normal_map=neutral)
