"""Binary glTF 2.0 (.glb), through trimesh: one mesh, one material, everything in one file.

The material says its colours are to be shown as they are (KHR_materials_unlit): what a scene's views taught the
texture already holds the light they were seen in, and a viewer that shades it again shows it darker on one side, and
darker or paler altogether with each viewer's own lamps. The extension is optional: viewers without it see a rough,
non-metallic material.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from dreamforge.contracts import Mesh
from dreamforge.export.reading import read
from dreamforge.runs import write_atomic

LINEAR, MIPMAPPED, CLAMP = 9729, 9987, 33071  # glTF's (OpenGL's) numbers for a texture's filters and edges


def save(mesh: Mesh, path: Path, name: str) -> None:
    """Write a mesh as .glb; `name` is what viewers list it as. The same mesh gives the same bytes."""
    write_atomic(path, encode(mesh, name))


def encode(mesh: Mesh, name: str) -> bytes:
    """The bytes of a .glb file."""
    shape = to_trimesh(mesh, name)
    if mesh.uv is None and mesh.colors is not None:
        shape.vertex_attributes["color"] = srgb_to_linear(mesh.colors).astype(np.float32)
    scene = trimesh.Scene()
    scene.add_geometry(shape, node_name=name, geom_name=name)

    def finish(tree: dict[str, Any]) -> None:
        tree["asset"]["generator"] = "DreamForge"
        tree["extensionsUsed"] = ["KHR_materials_unlit"]
        for material in tree["materials"]:
            material["extensions"] = {"KHR_materials_unlit": {}}
        for texture in tree.get("textures", []):
            tree["samplers"] = [{"magFilter": LINEAR, "minFilter": MIPMAPPED, "wrapS": CLAMP, "wrapT": CLAMP}]
            texture["sampler"] = 0
        attributes = tree["meshes"][0]["primitives"][0]["attributes"]
        if "_color" in attributes:  # trimesh itself keeps colours in 8 bits, too coarse for linear light
            attributes["COLOR_0"] = attributes.pop("_color")

    return export_glb(scene, include_normals=mesh.normals is not None, tree_postprocessor=finish)


def to_trimesh(mesh: Mesh, name: str) -> trimesh.Trimesh:
    """A mesh with its texture, if it has one, as trimesh's writers and viewers take it."""
    texture = None if mesh.texture is None else Image.fromarray(mesh.texture)
    material = PBRMaterial(name=f"{name} material", baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=1.0)
    visual = TextureVisuals(uv=mesh.uv, material=material)
    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, visual=visual, process=False)


def load(path: Path) -> Mesh:
    """Read any .glb: its parts as one mesh in world coordinates. UserError where there is no triangle in it."""
    mesh = read(path)
    if mesh.colors is not None:  # linear in glTF
        mesh.colors = linear_to_srgb(mesh.colors)
    return mesh


def srgb_to_linear(color: np.ndarray) -> np.ndarray:
    """sRGB in [0,1] to linear light."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(color: np.ndarray) -> np.ndarray:
    """Linear light in [0,1] to sRGB, float32."""
    curved = 1.055 * np.maximum(color, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(color <= 0.0031308, color * 12.92, curved).astype(np.float32)
