"""Files of meshes as they come, through trimesh: all parts in one mesh, in world coordinates."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import numpy as np
import trimesh
from trimesh.resolvers import FilePathResolver
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export.checks import checked


def read(path: Path) -> Mesh:
    """A mesh file with its texture, or its vertex colours in [0,1] as the file holds them.

    UserError, naming the file, where it cannot be read or has no triangles.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        scene = trimesh.load_scene(path, process=False, resolver=_Beside(path))
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
        if visual.uv is not None and (image is not None or _linear(visual.material)):
            mesh.uv = np.asarray(visual.uv, np.float32)
            image = np.full((1, 1, 3), 255, np.uint8) if image is None else image
            mesh.texture = np.clip(image * factor + 0.5, 0, 255).astype(np.uint8)
            for name, picture in _linear(visual.material).items():
                setattr(mesh, name, picture)
        else:
            mesh.colors = np.concatenate(colors) * factor.astype(np.float32)
    elif visual.kind is not None:
        mesh.colors = np.asarray(visual.vertex_colors[:, :3], np.float32) / 255
    return checked(mesh, path)


class _Beside(FilePathResolver):
    """Finds the files that a file names, in its own folder and nowhere else."""

    def get(self, name: str) -> bytes:
        root = Path(self.parent).resolve()
        place = next((p for p in ((root / n).resolve() for n in (name, unquote(name))) if p.is_file()), None)
        if place is None or root not in place.parents:
            raise FileNotFoundError(f"'{name[:100]}' is not beside it")
        return place.read_bytes()


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


def _linear(material: PBRMaterial | SimpleMaterial) -> dict[str, np.ndarray]:
    """The textures `[H,W,3]` uint8 that light a material, by their names in `Mesh`, their factors applied."""
    if not isinstance(material, PBRMaterial):
        return {}
    found = {}
    if material.metallicRoughnessTexture is not None:
        picture = np.array(material.metallicRoughnessTexture.convert("RGB"))
        for channel, factor in ((1, material.roughnessFactor), (2, material.metallicFactor)):
            picture[..., channel] = np.round(picture[..., channel] * (1.0 if factor is None else factor))
        found["metallic_roughness"] = picture
    if material.normalTexture is not None:
        found["normal_map"] = np.array(material.normalTexture.convert("RGB"))
    return found
