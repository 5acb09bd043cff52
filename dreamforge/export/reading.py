"""Files of meshes as they come, through trimesh: all parts in one mesh, in world coordinates."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import trimesh
from trimesh.resolvers import FilePathResolver
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError, one_line
from dreamforge.export.checks import checked
from dreamforge.export.color import dimmed, linear_to_srgb
from dreamforge.export.parts import NEUTRAL, Part, joined, no_bombs, pixels

logging.getLogger("trimesh").addHandler(logging.NullHandler())  # it would print tracebacks of what it goes on without


def read(path: Path, linear: bool = False, lit: bool = False) -> Mesh:
    """A mesh file with its texture, or its vertex colours in [0,1]. linear: whether those are, in the file; lit: whether
    its materials are even where no texture says how.

    UserError, naming the file, where it cannot be read or has no triangles.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with no_bombs():
            scene = trimesh.load_scene(path, process=False, resolver=_Beside(path))
            nodes = [node for node in _nodes(scene) if _has_faces(scene, node)]
            if not nodes:
                raise UserError("there is no triangle in it")
            return checked(joined([_part(scene, node, linear, lit) for node in nodes]), path)
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except Exception as error:  # readers of third-party files fail in every way there is, and what they read is odd
        raise UserError(f"{path}: not a readable {path.suffix} file ({one_line(error)})") from error


def faces_by_material(path: Path) -> dict[str, np.ndarray]:
    """Which faces `[F]` of the mesh that `read` makes of a file wear each of its materials, by the material's name, or
    the part's where it has none."""
    with no_bombs():
        scene = trimesh.load_scene(path, process=False, resolver=_Beside(path))
    geometries = [scene.graph[node][1] for node in _nodes(scene) if _has_faces(scene, node)]
    parts = [scene.geometry[geometry] for geometry in geometries]
    materials = [getattr(getattr(part.visual, "material", None), "name", None) for part in parts]
    names = np.array([material or geometry for material, geometry in zip(materials, geometries, strict=True)])
    worn = names.repeat([len(part.faces) for part in parts])
    return {str(name): worn == name for name in names}


class _Beside(FilePathResolver):
    """Finds the files that a file names, in its own folder and nowhere else."""

    def get(self, name: str) -> bytes:
        root = Path(self.parent).resolve()
        place = next((p for p in ((root / n).resolve() for n in (name, unquote(name))) if p.is_file()), None)
        if place is None or root not in place.parents:
            raise FileNotFoundError(f"'{name[:100]}' is not beside it")
        return place.read_bytes()


def _nodes(scene: trimesh.Scene) -> list[str]:
    """The nodes that show something, in the order of what they show in the file (trimesh has them in that of its walk)."""
    order = {name: index for index, name in enumerate(scene.geometry)}
    return sorted(scene.graph.nodes_geometry, key=lambda node: (order[scene.graph[node][1]], node))


def _has_faces(scene: trimesh.Scene, node: str) -> bool:
    part = scene.geometry[scene.graph[node][1]]
    return isinstance(part, trimesh.Trimesh) and len(part.faces) > 0


def _part(scene: trimesh.Scene, node: str, linear: bool, lit: bool) -> Part:
    """A part in world coordinates, its normals and colours as the file has them (trimesh forgets both on its way)."""
    transform, name = scene.graph[node]
    shape = scene.geometry[name]
    if shape.faces.min() < 0 or shape.faces.max() >= len(shape.vertices):
        raise UserError("a triangle names a vertex that there is not")
    normals = shape.vertex_normals @ np.linalg.inv(transform[:3, :3])
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    placed = shape.copy()
    placed.apply_transform(transform)
    part = Part(np.asarray(placed.vertices), np.asarray(placed.faces), normals)
    visual = shape.visual
    if visual.kind == "texture":
        part.pictures, factor = _pictures(visual.material, lit)
        colors = getattr(visual, "vertex_attributes", {}).get("color")
        if part.pictures and visual.uv is not None:
            part.uv = np.asarray(visual.uv, np.float64)
        elif colors is not None or (factor != 1).any():
            part.pictures = {}
            own = np.ones((len(part.vertices), 3)) if colors is None else _in_unit(colors)
            part.colors = _in_srgb(own * factor, linear)
    elif visual.kind is not None:
        part.colors = _in_srgb(_in_unit(visual.vertex_colors), linear)
    return part


def _in_unit(colors: np.ndarray) -> np.ndarray:
    """`[V,3]` in [0,1], of integers or numbers."""
    return colors[:, :3].astype(np.float32) / (np.iinfo(colors.dtype).max if colors.dtype.kind == "u" else 1)


def _in_srgb(colors: np.ndarray, linear: bool) -> np.ndarray:
    return linear_to_srgb(colors) if linear else colors


def _pictures(material: PBRMaterial | SimpleMaterial, lit: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A material's pictures, by their names in `Mesh`, their factors applied, and the factor `[3]` of the colour if it
    has none."""
    if not isinstance(material, PBRMaterial):
        if material.image is not None:
            return {"texture": pixels(material.image)}, np.ones(3)
        return {}, np.ones(3) if material.diffuse is None else np.asarray(material.diffuse[:3], np.float64) / 255
    found, factor = {}, np.ones(3)
    if material.baseColorFactor is not None:
        factor = np.asarray(material.baseColorFactor[:3], np.float64) / 255
    shares = [1.0 if share is None else share for share in (1, material.roughnessFactor, material.metallicFactor)]
    if material.metallicRoughnessTexture is not None:
        picture = pixels(material.metallicRoughnessTexture)
        found["metallic_roughness"] = np.round(picture * shares).clip(0, 255).astype(np.uint8)
    elif lit and material.baseColorTexture is not None:
        found["metallic_roughness"] = np.uint8([[np.round(np.clip([0, *shares[1:]], 0, 1) * np.float64(255))]])
    if material.normalTexture is not None:
        found["normal_map"] = pixels(material.normalTexture)
    if found or material.baseColorTexture is not None:
        picture = NEUTRAL["texture"] if material.baseColorTexture is None else pixels(material.baseColorTexture)
        return {"texture": dimmed(picture, factor), **found}, np.ones(3)
    return found, factor
