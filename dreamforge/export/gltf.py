"""glTF 2.0: .glb, everything in one file, and .gltf, with its buffer and textures in files beside it.

Colours that a scene's views taught the texture already hold the light they were seen in: their material says that
they are to be shown as they are (KHR_materials_unlit), and viewers without the extension see a rough, non-metallic
one. A mesh that is `lit` has a metallic-roughness material instead, with a normal map and tangents if it has them.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from dreamforge.contracts import Mesh
from dreamforge.export.checks import beside, checked
from dreamforge.export.color import srgb_to_linear
from dreamforge.export.gltf_check import check
from dreamforge.export.parts import NEUTRAL
from dreamforge.export.reading import read
from dreamforge.export.tangents import tangents
from dreamforge.pictures import encoded
from dreamforge.runs import write_atomic

LINEAR, MIPMAPPED, CLAMP = 9729, 9987, 33071  # glTF's (OpenGL's) numbers for a texture's filters and edges
FLOAT, UNSIGNED, VERTICES, INDICES = 5126, 5125, 34962, 34963  # for types, and for what a buffer holds
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942


def save(mesh: Mesh, path: Path, name: str, image: str = "png") -> None:
    """Write a mesh as .glb or .gltf, by the ending; `name` is what viewers list it as, `image` how its colours
    are stored ("png", "jpeg" or "webp"; what is no colour is always PNG). The same mesh gives the same bytes."""
    checked(mesh, path)
    if path.suffix == ".glb":
        write_atomic(path, encode(mesh, name, image))
        return
    tree, binary, textures = _document(mesh, name, image)
    for entry, texture in zip(tree.get("images", []), textures, strict=True):
        ending = entry["mimeType"].rpartition("/")[2]
        file = beside(path, f".{entry['name'].rpartition(' ')[2]}.{ending}")
        entry["uri"] = file.name
        write_atomic(file, texture)
    buffer = beside(path, ".bin")
    tree["buffers"] = [{"byteLength": len(binary), "uri": buffer.name}]
    write_atomic(buffer, binary)
    write_atomic(path, json.dumps(tree, indent=1).encode())


def encode(mesh: Mesh, name: str, image: str = "png") -> bytes:
    """The bytes of a .glb file."""
    tree, binary, textures = _document(mesh, name, image)
    views = tree["bufferViews"]
    for entry, texture in zip(tree.get("images", []), textures, strict=True):
        entry["bufferView"] = len(views)
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(texture)})
        binary += texture + bytes(-len(texture) % 4)
    tree["buffers"] = [{"byteLength": len(binary)}]
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
    return head + struct.pack("<II", len(text), JSON_CHUNK) + text + struct.pack("<II", len(binary), BINARY_CHUNK) + binary


def _document(mesh: Mesh, name: str, image: str) -> tuple[dict[str, Any], bytes, list[bytes]]:
    """The JSON tree but for where its bytes lie, the buffer of the geometry, and the textures' files."""
    attributes = {"POSITION": mesh.vertices}
    if mesh.normals is not None:
        attributes["NORMAL"] = mesh.normals
    if mesh.uv is not None:
        attributes["TEXCOORD_0"] = mesh.uv * [1, -1] + [0, 1]
        if mesh.normal_map is not None:
            attributes["TANGENT"] = tangents(mesh)
    elif mesh.colors is not None:
        attributes["COLOR_0"] = srgb_to_linear(mesh.colors)
    binary, views, accessors = b"", [], []
    for key, values in [*attributes.items(), ("indices", mesh.faces.reshape(-1))]:
        indices = key == "indices"
        data = np.ascontiguousarray(values, "<u4" if indices else "<f4")
        kind = {"bufferView": len(views), "componentType": UNSIGNED if indices else FLOAT, "count": len(data)}
        kind["type"] = "SCALAR" if indices else f"VEC{data.shape[1]}"
        if key == "POSITION":
            kind |= {"min": data.min(0).tolist(), "max": data.max(0).tolist()}
        accessors.append(kind)
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": data.nbytes, "target": INDICES if indices else VERTICES})
        binary += data.tobytes()
    primitive = {
        "attributes": {key: i for i, key in enumerate(attributes)}, "indices": len(attributes), "material": 0, "mode": 4,
    }  # fmt: skip
    tree = {
        "asset": {"version": "2.0", "generator": "DreamForge"},
        "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"name": name, "mesh": 0}],
        "meshes": [{"name": name, "primitives": [primitive]}],
        "accessors": accessors, "bufferViews": views,
    }  # fmt: skip
    return tree, binary, _add_material(tree, mesh, name, image)


def _add_material(tree: dict[str, Any], mesh: Mesh, name: str, image: str) -> list[bytes]:
    """Give the tree its one material and what belongs to it; returns the textures' files."""
    pictures = {"color": mesh.texture, "metallic-roughness": mesh.metallic_roughness, "normal": mesh.normal_map}
    pictures = {key: picture for key, picture in pictures.items() if picture is not None and mesh.uv is not None}
    index = {key: {"index": i} for i, key in enumerate(pictures)}
    reflection: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    material: dict[str, Any] = {"name": f"{name} material", "pbrMetallicRoughness": reflection}
    if "color" in index:
        reflection["baseColorTexture"] = index["color"]
    if "metallic-roughness" in index:
        reflection |= {"metallicFactor": 1.0, "metallicRoughnessTexture": index["metallic-roughness"]}
    if "normal" in index:
        material["normalTexture"] = index["normal"]
    extensions = set()
    if not mesh.lit:
        material["extensions"] = {"KHR_materials_unlit": {}}
        extensions.add("KHR_materials_unlit")
    tree["materials"] = [material]
    if pictures:
        tree["samplers"] = [{"magFilter": LINEAR, "minFilter": MIPMAPPED, "wrapS": CLAMP, "wrapT": CLAMP}]
        kinds = {key: image if key == "color" else "png" for key in pictures}
        tree["images"] = [{"name": f"{name} {key}", "mimeType": f"image/{kind}"} for key, kind in kinds.items()]
        tree["textures"] = [{"sampler": 0, "source": i} for i in range(len(pictures))]
        if kinds.get("color") == "webp":  # not one of glTF's own
            tree["textures"][0] = {"sampler": 0, "extensions": {"EXT_texture_webp": {"source": 0}}}
            extensions.add("EXT_texture_webp")
            tree["extensionsRequired"] = ["EXT_texture_webp"]
    if extensions:
        tree["extensionsUsed"] = sorted(extensions)
    return [encoded(picture, image if key == "color" else "png") for key, picture in pictures.items()]


def load(path: Path) -> Mesh:
    """Read any .glb or .gltf: its parts as one mesh in world coordinates. UserError where there is no triangle in it,
    or where the file is no sound glTF."""
    lit = check(path)
    mesh = read(path, linear=True, lit=lit)
    if lit and not mesh.lit:
        mesh.metallic_roughness = NEUTRAL["metallic_roughness"]
    return mesh
