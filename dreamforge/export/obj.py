"""Wavefront .obj, with a .mtl and a .png of the same name beside it where the mesh has a texture.

Vertex colours, which the format does not know, follow the positions as most programs read them.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from dreamforge.contracts import Mesh
from dreamforge.export.checks import beside, checked
from dreamforge.export.reading import read
from dreamforge.pictures import encoded
from dreamforge.runs import write_atomic


def save(mesh: Mesh, path: Path, name: str, image: str = "png") -> None:
    """Write a mesh as .obj, its material and textures first, so that what the .obj names is there when it is."""
    checked(mesh, path)
    word = "_".join(name.split()) or "mesh"  # names end at white space in this format
    textured = mesh.uv is not None and mesh.texture is not None
    text = io.StringIO()
    text.write("# DreamForge\n")
    if textured:
        library = beside(path, ".mtl")
        write_atomic(library, _material(mesh, path, word, image).encode())
        text.write(f"mtllib {library.name}\nusemtl {word}\n")
    text.write(f"o {word}\n")
    positions = mesh.vertices
    if not textured and mesh.colors is not None:
        positions = np.concatenate([mesh.vertices, mesh.colors], axis=1)
    _rows(text, "v", positions)
    if textured:
        _rows(text, "vt", mesh.uv)
    if mesh.normals is not None:
        _rows(text, "vn", mesh.normals)
    corner = {(True, True): "{0}/{0}/{0}", (True, False): "{0}/{0}", (False, True): "{0}//{0}", (False, False): "{0}"}
    form = corner[textured, mesh.normals is not None]
    face = "f " + " ".join(form.replace("0", str(k)) for k in range(3)) + "\n"
    text.writelines(face.format(*row) for row in (mesh.faces + 1).tolist())
    write_atomic(path, text.getvalue().encode())


def _material(mesh: Mesh, path: Path, word: str, image: str) -> str:
    """The text of the .mtl, whose textures it writes: a plain one, or the PBR extension with roughness and metallic
    each in a picture of its own."""
    pictures = {"map_Kd": ("", mesh.texture)}
    if mesh.metallic_roughness is not None:
        pictures |= {
            "map_Pr": (".roughness", mesh.metallic_roughness[..., 1]),
            "map_Pm": (".metallic", mesh.metallic_roughness[..., 2]),
        }
    if mesh.normal_map is not None:
        pictures["norm"] = (".normal", mesh.normal_map)
    lines = ["# DreamForge", f"newmtl {word}", f"illum {2 if mesh.lit else 0}", "Kd 1 1 1"]
    for key, (suffix, picture) in pictures.items():
        kind = image if key == "map_Kd" else "png"
        file = beside(path, f"{suffix}.{kind}")
        write_atomic(file, encoded(picture, kind))
        lines.append(f"{key} {file.name}")
    return "\n".join(lines) + "\n"


def load(path: Path) -> Mesh:
    """Read any .obj with what it names beside it. UserError where there is no triangle in it."""
    return read(path)


def _rows(text: io.StringIO, key: str, values: np.ndarray) -> None:
    np.savetxt(text, values, fmt=key + " %.7g" * values.shape[1])
