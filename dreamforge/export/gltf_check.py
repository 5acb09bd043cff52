"""What is asked of a glTF file before a reader builds anything from it, so that a hostile one costs neither time nor
memory: sizes that fit, no circles, nothing from outside its folder, extensions that can be read."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dreamforge.errors import UserError

COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
MOST_ELEMENTS = 50_000_000  # vertices and indices of all parts, those drawn several times counted as often
MOST_NODES = 100_000
READABLE = {
    "KHR_materials_unlit", "KHR_texture_transform", "EXT_texture_webp", "KHR_mesh_quantization",
    "KHR_materials_specular", "KHR_materials_ior", "KHR_materials_emissive_strength", "KHR_lights_punctual",
}  # fmt: skip


def check(path: Path) -> bool:
    """Whether viewers are to light any of its materials. UserError, in one line, for a .glb or .gltf that must not be
    read, or cannot."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        tree, binary = _tree(path)
        _check_extensions(tree)
        _check_buffers(tree, binary, path)
        _check_nodes(tree, _elements(tree))
        return any("KHR_materials_unlit" not in material.get("extensions", {}) for material in tree.get("materials", []))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error, RecursionError) as error:
        raise UserError(f"{path}: not sound glTF ({type(error).__name__}: {error})") from error


def _tree(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON tree, and the bytes of the binary chunk of a .glb."""
    size = path.stat().st_size
    with open(path, "rb") as stream:
        if path.suffix.lower() == ".gltf":
            return json.loads(stream.read()), 0
        magic, version, length = struct.unpack("<4sII", stream.read(12))
        if magic != b"glTF" or version != 2:
            raise UserError("not a binary glTF 2.0 file")
        text, kind = struct.unpack("<I4s", stream.read(8))
        if length > size or 20 + text > size or kind != b"JSON":
            raise UserError(f"cut off: its header promises {max(length, 20 + text):,} bytes, there are {size:,}")
        tree = json.loads(stream.read(text))
        rest = stream.read(8)
        binary = struct.unpack("<I4s", rest)[0] if len(rest) == 8 else 0
        if stream.tell() + binary > size:
            raise UserError(f"cut off: {binary:,} bytes of geometry promised, {size - stream.tell():,} are there")
        return tree, binary


def _check_extensions(tree: dict[str, Any]) -> None:
    unknown = set(tree.get("extensionsRequired", [])) - READABLE
    if unknown:
        raise UserError(f"it needs {', '.join(sorted(unknown))}, which cannot be read here; save it without")


def _check_buffers(tree: dict[str, Any], binary: int, path: Path) -> None:
    for item in [*tree.get("buffers", []), *tree.get("images", [])]:
        uri = item.get("uri")
        if uri is not None and not uri.startswith("data:"):
            place = Path(unquote(uri))
            if "://" in uri or place.is_absolute() or ".." in place.parts:
                raise UserError(f"it names '{uri[:100]}', which lies outside its folder; nothing is fetched from elsewhere")
            if not (path.parent / place).is_file():
                raise UserError(f"it needs '{uri[:100]}', which is not beside it")
    sizes = [_buffer_size(buffer, binary, path) for buffer in tree.get("buffers", [])]
    for view in tree.get("bufferViews", []):
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if start < 0 or length < 0 or start + length > sizes[view["buffer"]]:
            raise UserError("it promises more data than there is")


def _buffer_size(buffer: dict[str, Any], binary: int, path: Path) -> int:
    uri = buffer.get("uri")
    if uri is None:
        return binary
    return len(uri) * 3 // 4 if uri.startswith("data:") else (path.parent / unquote(uri)).stat().st_size


def _elements(tree: dict[str, Any]) -> list[int]:
    """How many elements each mesh has, every accessor found to fit what holds it."""
    views, counts = tree.get("bufferViews", []), []
    for accessor in tree.get("accessors", []):
        count, item = accessor["count"], COMPONENT_BYTES[accessor["componentType"]] * COMPONENTS[accessor["type"]]
        if not isinstance(count, int) or not 0 <= count <= MOST_ELEMENTS:
            raise UserError(f"an accessor of {count} elements; up to {MOST_ELEMENTS:,} are read")
        if "bufferView" in accessor:
            view = views[accessor["bufferView"]]
            stride = view.get("byteStride", item)
            if accessor.get("byteOffset", 0) + stride * (count - 1) + item > view["byteLength"] and count:
                raise UserError("it promises more data than there is")
        counts.append(count)
    return [
        sum(
            counts[index]
            for primitive in mesh["primitives"]
            for index in [*primitive["attributes"].values(), primitive.get("indices")]
            if index is not None
        )
        for mesh in tree.get("meshes", [])
    ]


def _check_nodes(tree: dict[str, Any], elements: list[int]) -> None:
    nodes = tree.get("nodes", [])
    if len(nodes) > MOST_NODES:
        raise UserError(f"it has {len(nodes):,} nodes; up to {MOST_NODES:,} are read")
    parents = [0] * len(nodes)
    for node in nodes:
        for child in node.get("children", []):
            if not 0 <= child < len(nodes):
                raise UserError(f"node {child} does not exist")
            parents[child] += 1
    if max(parents, default=0) > 1:
        raise UserError("a node has two parents; glTF's nodes form trees")
    reached, waiting = 0, [index for index, count in enumerate(parents) if not count]
    while waiting:
        reached += 1
        waiting.extend(nodes[waiting.pop()].get("children", []))
    if reached < len(nodes):
        raise UserError("its nodes form a circle")
    if sum(elements[node["mesh"]] for node in nodes if "mesh" in node) > MOST_ELEMENTS:
        raise UserError(f"more than {MOST_ELEMENTS:,} elements, parts that are drawn several times counted as often")
