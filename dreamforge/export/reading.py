"""Files of meshes as they come, through trimesh: all parts in one mesh, in world coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError


def read(path: Path) -> Mesh:
    """A mesh file with its texture, or its vertex colours in [0,1] as the file holds them.

    UserError, naming the file, where it cannot be read or has no triangles.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        scene = trimesh.load_scene(path, process=False)
    except Exception as error:  # readers of third-party files fail in every way there is
        raise UserError(f"{path}: not a readable {path.suffix} file ({error})") from error
    nodes = [node for node in scene.graph.nodes_geometry if _has_faces(scene, node)]
    if not nodes:
        raise UserError(f"{path}: there is no triangle in it")
    parts, normals, colors = zip(*(_placed(scene, node) for node in nodes), strict=True)
    shape = trimesh.util.concatenate(parts)
    mesh = Mesh(
        np.array(shape.vertices, np.float32, subok=False), np.array(shape.faces, np.int32, subok=False),
        np.concatenate(normals).astype(np.float32),
    )  # fmt: skip
    visual = shape.visual
    if visual.kind == "texture":
        image, factor = _base_color(visual.material)
        if image is not None and visual.uv is not None:
            mesh.uv = np.asarray(visual.uv, np.float32)
            mesh.texture = np.clip(image * factor + 0.5, 0, 255).astype(np.uint8)
        else:
            mesh.colors = np.concatenate(colors) * factor.astype(np.float32)
    elif visual.kind is not None:
        mesh.colors = np.asarray(visual.vertex_colors[:, :3], np.float32) / 255
    return mesh


def _has_faces(scene: trimesh.Scene, node: str) -> bool:
    part = scene.geometry[scene.graph[node][1]]
    return isinstance(part, trimesh.Trimesh) and len(part.faces) > 0


def _placed(scene: trimesh.Scene, node: str) -> tuple[trimesh.Trimesh, np.ndarray, np.ndarray]:
    """A part in world coordinates, its normals and its vertex colours as the file has them (trimesh forgets both on
    its way)."""
    transform, name = scene.graph[node]
    normals = scene.geometry[name].vertex_normals @ np.linalg.inv(transform[:3, :3])
    part = scene.geometry[name].copy()
    part.apply_transform(transform)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return part, normals, _vertex_colors(scene.geometry[name])


def _vertex_colors(part: trimesh.Trimesh) -> np.ndarray:
    """`[V,3]` colours in [0,1] that a part has besides its material, white where it has none."""
    colors = getattr(part.visual, "vertex_attributes", {}).get("color")
    if colors is None:
        return np.ones((len(part.vertices), 3), np.float32)
    scale = np.iinfo(colors.dtype).max if colors.dtype.kind == "u" else 1
    return colors[:, :3].astype(np.float32) / scale


def _base_color(material: PBRMaterial | SimpleMaterial) -> tuple[np.ndarray | None, np.ndarray]:
    """A material's colour picture `[H,W,3]` uint8, or None, and the RGB factor in [0,1] that multiplies it."""
    if isinstance(material, PBRMaterial):
        picture, factor = material.baseColorTexture, material.baseColorFactor
    else:
        picture, factor = material.image, None if material.image is not None else material.diffuse
    image = None if picture is None else np.asarray(picture.convert("RGB"))
    return image, np.ones(3) if factor is None else np.asarray(factor[:3], np.float64) / 255
