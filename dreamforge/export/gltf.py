"""Binary glTF 2.0 (.glb): one mesh, one material, everything in one file; the same mesh gives the same bytes.

The material says its colours are to be shown as they are (KHR_materials_unlit): what a scene's views taught the
texture already holds the light they were seen in, and a viewer that shades it again shows it darker on one side, and
darker or paler altogether with each viewer's own lamps. The extension is optional: viewers without it see a rough,
non-metallic material.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from dreamforge.contracts import Mesh
from dreamforge.export.reading import read
from dreamforge.pictures import png
from dreamforge.runs import write_atomic

FLOAT, UINT16, UINT32 = 5126, 5123, 5125
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963
LINEAR, MIPMAPPED, CLAMP = 9729, 9987, 33071


def save(mesh: Mesh, path: Path, name: str) -> None:
    """Write a mesh as .glb; `name` is what viewers list it as."""
    write_atomic(path, encode(mesh, name))


def encode(mesh: Mesh, name: str) -> bytes:
    """The bytes of a .glb file."""
    chunks: list[bytes] = []
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []

    def chunk(content: bytes, **more: Any) -> int:
        views.append({"buffer": 0, "byteOffset": sum(map(len, chunks)), "byteLength": len(content), **more})
        chunks.append(content + b"\0" * (-len(content) % 4))
        return len(views) - 1

    def accessor(values: np.ndarray, kind: str, component: int, target: int, **more: Any) -> int:
        view = chunk(values.tobytes(), target=target)
        count = len(values)
        accessors.append({"bufferView": view, "componentType": component, "count": count, "type": kind, **more})
        return len(accessors) - 1

    positions = np.ascontiguousarray(mesh.vertices, "<f4")
    bounds = {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()}
    attributes = {"POSITION": accessor(positions, "VEC3", FLOAT, ARRAY_BUFFER, **bounds)}
    if mesh.normals is not None:
        attributes["NORMAL"] = accessor(np.ascontiguousarray(mesh.normals, "<f4"), "VEC3", FLOAT, ARRAY_BUFFER)
    material: dict[str, Any] = {
        "name": f"{name} material",
        "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 1},
        "extensions": {"KHR_materials_unlit": {}},
    }
    tree: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "DreamForge"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0}],
        "materials": [material],
    }
    if mesh.uv is not None and mesh.texture is not None:
        uv = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=-1).astype("<f4")
        attributes["TEXCOORD_0"] = accessor(uv, "VEC2", FLOAT, ARRAY_BUFFER)
        image = chunk(png(mesh.texture))
        tree["images"] = [{"name": f"{name} texture", "mimeType": "image/png", "bufferView": image}]
        tree["samplers"] = [{"magFilter": LINEAR, "minFilter": MIPMAPPED, "wrapS": CLAMP, "wrapT": CLAMP}]
        tree["textures"] = [{"sampler": 0, "source": 0}]
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    elif mesh.colors is not None:
        colors = srgb_to_linear(mesh.colors).astype("<f4")
        attributes["COLOR_0"] = accessor(colors, "VEC3", FLOAT, ARRAY_BUFFER)
    small = len(positions) < 65535
    indices = np.ascontiguousarray(mesh.faces.reshape(-1), "<u2" if small else "<u4")
    index = accessor(indices, "SCALAR", UINT16 if small else UINT32, ELEMENT_BUFFER)
    tree["meshes"] = [{"name": name, "primitives": [{"attributes": attributes, "indices": index, "material": 0}]}]
    body = b"".join(chunks)
    tree |= {"accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": len(body)}]}
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(body))
    return header + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body


def load(path: Path) -> Mesh:
    """Read any .glb: its parts as one mesh in world coordinates. ValueError where there is no triangle in it."""
    mesh = read(path)
    if mesh.colors is not None:  # linear in glTF, and rounded to 8 bits by the reader where they were finer
        linear = _float_colors(path.read_bytes(), len(mesh.vertices))
        mesh.colors = linear_to_srgb(mesh.colors if linear is None else linear)
    return mesh


def _float_colors(content: bytes, count: int) -> np.ndarray | None:
    """COLOR_0 of a file of one primitive that keeps it as plain float RGB, as `save` does; else None."""
    length = struct.unpack_from("<I", content, 12)[0]
    tree = json.loads(content[20 : 20 + length])
    primitives = [primitive for mesh in tree["meshes"] for primitive in mesh["primitives"]]
    if len(primitives) != 1 or "COLOR_0" not in primitives[0]["attributes"]:
        return None
    accessor = tree["accessors"][primitives[0]["attributes"]["COLOR_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    if (accessor["componentType"], accessor["type"], accessor["count"]) != (FLOAT, "VEC3", count) or "byteStride" in view:
        return None
    start = 20 + length + 8 + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.frombuffer(content, "<f4", 3 * count, start).reshape(count, 3)


def srgb_to_linear(color: np.ndarray) -> np.ndarray:
    """sRGB in [0,1] to linear light."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(color: np.ndarray) -> np.ndarray:
    """Linear light in [0,1] to sRGB, float32."""
    curved = 1.055 * np.maximum(color, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(color <= 0.0031308, color * 12.92, curved).astype(np.float32)
