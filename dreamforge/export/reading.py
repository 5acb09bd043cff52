"""Files of meshes as they come, through trimesh: all parts in one mesh, in world coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from dreamforge.contracts import Mesh


def read(path: Path) -> Mesh:
    """A mesh file with its texture, or its vertex colours in [0,1] as the file holds them.

    ValueError, naming the file, where it cannot be read or has no triangles.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        scene = trimesh.load_scene(path, process=False)
    except Exception as error:  # readers of third-party files fail in every way there is
        raise ValueError(f"{path}: not a readable {path.suffix} file ({error})") from error
    shapes = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    if not shapes:
        raise ValueError(f"{path}: there is no triangle in it")
    shape = trimesh.util.concatenate(shapes)
    mesh = Mesh(
        np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32),
        np.asarray(shape.vertex_normals, np.float32),
    )  # fmt: skip
    visual = shape.visual
    if visual.kind == "texture":
        image, factor = _base_color(visual.material)
        if image is not None and visual.uv is not None:
            mesh.uv = np.asarray(visual.uv, np.float32)
            mesh.texture = np.clip(image * factor + 0.5, 0, 255).astype(np.uint8)
        else:
            mesh.colors = np.tile(np.asarray(factor, np.float32), (len(mesh.vertices), 1))
    elif visual.kind is not None:
        mesh.colors = np.asarray(visual.vertex_colors[:, :3], np.float32) / 255
    return mesh


def _base_color(material: PBRMaterial | SimpleMaterial) -> tuple[np.ndarray | None, np.ndarray]:
    """A material's colour picture `[H,W,3]` uint8, or None, and the RGB factor in [0,1] that multiplies it."""
    if isinstance(material, PBRMaterial):
        picture, factor = material.baseColorTexture, material.baseColorFactor
    else:
        picture, factor = material.image, None if material.image is not None else material.diffuse
    image = None if picture is None else np.asarray(picture.convert("RGB"))
    return image, np.ones(3) if factor is None else np.asarray(factor[:3], np.float64) / 255
