"""Polygon .ply, binary: positions, normals, colours; a texture as a .png beside it, named as MeshLab and Blender do.

The format's own way to say that a vertex has a colour is in 8 bits; a textured mesh has the texture's there too, for
programs that look no further.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dreamforge.contracts import Mesh
from dreamforge.export.checks import beside, checked
from dreamforge.export.reading import read
from dreamforge.kernels.raster import sample_texture
from dreamforge.pictures import encoded
from dreamforge.rendering.raster import texture_image
from dreamforge.runs import write_atomic


def save(mesh: Mesh, path: Path, name: str, image: str = "png") -> None:
    """Write a mesh as binary .ply, its texture, stored as `image` says, first; the format has no place for `name`."""
    checked(mesh, path)
    fields, columns = [(key, "<f4") for key in "xyz"], [mesh.vertices]
    comments = ["DreamForge"]
    if mesh.normals is not None:
        fields += [(key, "<f4") for key in ("nx", "ny", "nz")]
        columns.append(mesh.normals)
    colors = mesh.colors
    if mesh.texture is not None and mesh.uv is not None:
        picture = beside(path, f".{image}")
        write_atomic(picture, encoded(mesh.texture, image))
        comments.append(f"TextureFile {picture.name}")
        fields += [("s", "<f4"), ("t", "<f4")]
        columns.append(mesh.uv)
        uv = torch.from_numpy(np.ascontiguousarray(mesh.uv.T, np.float32))[None, :, None]
        colors = sample_texture(texture_image(mesh.texture), uv)[0, :, 0].T.numpy()
    if colors is not None:
        fields += [(key, "u1") for key in ("red", "green", "blue")]
        columns.append(np.clip(colors * 255 + 0.5, 0, 255))
    vertices = np.empty(len(mesh.vertices), fields)
    for (key, _), column in zip(fields, np.concatenate(columns, axis=1).T, strict=True):
        vertices[key] = column
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("vertices", "<i4", 3)])
    faces["count"], faces["vertices"] = 3, mesh.faces
    kinds = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in comments)]
    header += [f"element vertex {len(vertices)}", *(f"property {kinds[kind]} {key}" for key, kind in fields)]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    write_atomic(path, "\n".join(header).encode() + vertices.tobytes() + faces.tobytes())


def load(path: Path) -> Mesh:
    """Read any .ply of triangles, with its texture if it names one. UserError where there is no triangle in it."""
    return read(path)
