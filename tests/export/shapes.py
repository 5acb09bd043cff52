"""Known objects, no two of whose sides are alike, and scenes that show them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import trimesh
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Mesh, Views
from dreamforge.export.surface import Render, mesh_from_views
from dreamforge.rendering.raster import render_mesh


def joined(parts: list[tuple[trimesh.Trimesh, tuple[float, float, float]]]) -> Mesh:
    """One mesh of several parts, each of a colour that darkens toward the bottom."""
    vertices = np.concatenate([part.vertices for part, _ in parts]).astype(np.float32)
    offsets = np.cumsum([0, *(len(part.vertices) for part, _ in parts)])
    faces = np.concatenate([part.faces + offset for (part, _), offset in zip(parts, offsets, strict=False)])
    normals = np.concatenate([part.vertex_normals for part, _ in parts]).astype(np.float32)
    colors = np.concatenate([np.tile(color, (len(part.vertices), 1)) for part, color in parts])
    colors = (colors * (0.75 + 0.25 * vertices[:, 1:2])).clip(0, 1).astype(np.float32)
    return Mesh(vertices, faces.astype(np.int32), normals, colors)


def ball(radius: float, center: tuple[float, float, float]) -> trimesh.Trimesh:
    shape = trimesh.creation.icosphere(4, radius)
    shape.apply_translation(center)
    return shape


def figure() -> Mesh:
    """A body with a blue nose in front (+Z), a red ear on its left (+X), a thin green leg and a handle behind."""
    leg = trimesh.creation.cylinder(0.05, 0.5, sections=24).subdivide().subdivide()
    leg.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    leg.apply_translation((-0.15, -0.55, 0.0))
    handle = trimesh.creation.torus(0.2, 0.04, 48, 16)
    handle.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (0, 1, 0)))
    handle.apply_translation((0.0, 0.0, -0.5))
    return joined([
        (ball(0.4, (0, 0, 0)), (0.85, 0.65, 0.4)), (ball(0.15, (0, 0, 0.45)), (0.1, 0.2, 0.9)),
        (ball(0.18, (0.35, 0.4, 0)), (0.9, 0.1, 0.1)), (leg, (0.1, 0.7, 0.2)), (handle, (0.5, 0.5, 0.55)),
    ])  # fmt: skip


def axes() -> Mesh:
    """A red bar to +x, a green one to +y and a blue one to +z, each twice as long as the one before."""
    bars = []
    for axis, length in enumerate((0.2, 0.4, 0.8)):
        high = np.full(3, 0.02)
        high[axis] = length
        bars.append(trimesh.creation.box(bounds=[[-0.02] * 3, high]))
    shape = trimesh.util.concatenate(bars)
    colors = np.repeat(np.eye(3, dtype=np.float32), 8, axis=0)
    return Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32), colors=colors)


def painted_axes() -> Mesh:
    """The same with a texture of three colours."""
    texture = np.uint8(np.eye(3) * 255).repeat(4, axis=0)[None].repeat(4, axis=0)
    uv = np.stack([(np.arange(3).repeat(8) + 0.5) / 3, np.full(24, 0.5)], axis=1).astype(np.float32)
    return replace(axes(), colors=None, uv=uv, texture=texture)


def showing(mesh: Mesh, cull_back: bool = True) -> Render:
    """A scene's `render` that shows a mesh."""

    def render(cameras: Cameras, background: Tensor) -> Views:
        return render_mesh(mesh, cameras, background, cull_back=cull_back)

    return render


def scene_of(mesh: Mesh) -> SimpleNamespace:
    """As much of a scene as an export needs."""
    render = showing(mesh)
    return SimpleNamespace(render=render, to_mesh=lambda resolution: mesh_from_views(render, resolution))


def volume(mesh: Mesh) -> float:
    return float(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume)


def png_of(width: int, height: int) -> bytes:
    """A .png whose header promises a size and that holds one row of it."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(3 * width + 1))) + chunk(b"IEND", b"")
