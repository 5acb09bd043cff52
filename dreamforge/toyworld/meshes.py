"""Ground-truth meshes of the toy world: every primitive tessellated, with the caster's own colours at the vertices."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dreamforge.contracts import Mesh
from dreamforge.toyworld.kernels import color_points
from dreamforge.toyworld.lights import STUDIO
from dreamforge.toyworld.primitives import Finish, Kind, Primitive
from dreamforge.toyworld.world import Instance

Array = NDArray[np.float64]
Surface = tuple[Array, Array, NDArray[np.int64]]  # points [V,3], unit normals [V,3], faces [F,3]


def to_mesh(instance: Instance, shaded: bool = True, detail: int = 32) -> Mesh:
    """The instance as one mesh with sRGB vertex colours, `detail` segments around each primitive, more
    around textured ones.

    With `shaded` the colours include the light of the world, so that an unlit render is the caster's picture; without,
    they are the plain colours. Primitives overlap as they do in the instance; nothing is cut where they meet.
    """
    points, normals, faces, owners, count = [], [], [], [], 0
    for number, primitive in enumerate(instance.primitives):
        p, n, f = _tessellated(primitive, detail * _fineness(primitive))
        points.append(p)
        normals.append(n)
        faces.append(f + count)
        owners.append(np.full(len(p), number))
        count += len(p)
    vertices, directions = np.concatenate(points), np.concatenate(normals)
    colors = np.empty((count, 3), np.float32)
    owned = np.concatenate(owners)
    color_points(instance.table, instance.distances, STUDIO, owned, vertices, directions, shaded, colors)
    return Mesh(
        vertices.astype(np.float32),
        np.concatenate(faces).astype(np.int32),
        normals=directions.astype(np.float32),
        colors=colors,
    )


def _fineness(primitive: Primitive) -> int:
    """How many times finer a part is cut where its texture has to live in the vertex colours."""
    if primitive.finish < Finish.STRIPED:
        return 1
    return min(max(round(8 * primitive.bound * float(np.max(primitive.scale)) / primitive.grain), 1), 4)


def _tessellated(primitive: Primitive, detail: int) -> Surface:
    """One primitive in world coordinates, counter-clockwise seen from outside, without empty triangles."""
    local, normals, faces = _box(primitive, detail) if primitive.kind == Kind.BOX else _revolved(primitive, detail)
    points = local @ primitive.to_world.T + primitive.position
    normals = normals @ (primitive.rotation / primitive.scale).T
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    a, b, c = (points[faces[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    inward = np.einsum("fi,fi->f", cross, normals[faces].sum(axis=1)) < 0
    faces = np.where(inward[:, None], faces[:, ::-1], faces)
    return points, normals, faces[np.linalg.norm(cross, axis=1) > 1e-10]


def _revolved(primitive: Primitive, detail: int) -> Surface:
    """A profile in (distance from the axis, y) turned about local y."""
    profile, normal = _profile(primitive, detail)
    around = 2.0 * math.pi * np.arange(detail) / detail
    turn = np.stack([np.sin(around), np.ones(detail), np.cos(around)], axis=1)
    points = (profile[:, None, [0, 1, 0]] * turn).reshape(-1, 3)
    normals = (normal[:, None, [0, 1, 0]] * turn).reshape(-1, 3)
    return points, normals, _grid_faces(len(profile), detail, wrap=True)


def _profile(primitive: Primitive, detail: int) -> tuple[Array, Array]:
    """Points `[P,2]` and normals `[P,2]` of a solid of revolution, from the bottom up."""
    a, b, c, r = primitive.params
    half = detail // 2
    if primitive.kind == Kind.BALL:
        points = normals = _arc(-90.0 if a < -1 else math.degrees(math.asin(a)), 90.0, half)
        if a >= -1:
            points = np.concatenate([_line((0, a), (math.sqrt(1 - a * a), a), 4), points])
            normals = np.concatenate([np.tile([0.0, -1.0], (4, 1)), normals])
        return points, normals
    if primitive.kind == Kind.RING:
        normals = _arc(-180.0, 180.0, detail)
        return [a, 0] + b * normals, normals
    if primitive.kind == Kind.LIMB:
        low = -0.5 * (c + b - a)
        slope = math.degrees(math.asin(max(-1.0, min(1.0, (a - b) / c))))
        bottom, top = _arc(-90.0, slope, half), _arc(slope, 90.0, half)
        start, end = [0, low] + a * bottom, [0, low + c] + b * top
    else:
        slope = math.degrees(math.atan2(a - b, 2.0 * c))
        bottom, top = _arc(-90.0, slope, half // 2), _arc(slope, 90.0, half // 2)
        start, end = [a, -c] + r * bottom, [b, c] + r * top
        cap = np.tile([0.0, 1.0], (4, 1))
        start = np.concatenate([_line((0, -c - r), start[0], 4), start])
        end = np.concatenate([end, _line(end[-1], (0, c + r), 4)])
        bottom, top = np.concatenate([-cap, bottom]), np.concatenate([top, cap])
    side = _line(start[-1], end[0], half)
    return np.concatenate([start, side, end]), np.concatenate([bottom, np.tile(bottom[-1], (half, 1)), top])


def _arc(start: float, end: float, count: int) -> Array:
    angle = np.radians(np.linspace(start, end, count + 1))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _line(start: Array | tuple[float, float], end: Array | tuple[float, float], count: int) -> Array:
    return np.linspace(start, end, count)


def _box(primitive: Primitive, detail: int) -> Surface:
    """Six faces, each a grid that is fine along its rounded edges."""
    a, b, c, r = primitive.params
    core = np.array([a, b, c]) - r
    bend = np.tan(np.radians(np.linspace(0, 45, max(detail // 8, 2) + 1)))  # evenly spaced normals around an edge
    flat = np.linspace(-1, 1, max(detail // 4, 2))[1:-1]
    points, normals, faces = [], [], []
    for axis in range(3):
        lines = [np.concatenate([-core[k] - r * bend[::-1], core[k] * flat, core[k] + r * bend]) for k in range(3)]
        j, k = (axis + 1) % 3, (axis + 2) % 3
        for sign in (-1.0, 1.0):
            grid = np.zeros((len(lines[j]), len(lines[k]), 3))
            grid[..., axis] = sign * (core[axis] + r)
            grid[..., j], grid[..., k] = lines[j][:, None], lines[k][None, :]
            inner = np.clip(grid, -core, core)
            inner[..., axis] = sign * core[axis]
            normal = grid - inner
            if r > 0.0:
                normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
            else:
                normal[..., axis] = sign
            faces.append(_grid_faces(*grid.shape[:2], wrap=False) + sum(map(len, points)))
            points.append((inner + r * normal).reshape(-1, 3))
            normals.append(normal.reshape(-1, 3))
    return np.concatenate(points), np.concatenate(normals), np.concatenate(faces)


def _grid_faces(rows: int, columns: int, wrap: bool) -> NDArray[np.int64]:
    """Two triangles for each cell of a grid of vertices; with `wrap` the last column meets the first."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    right = (j + 1) % columns
    low, high = i * columns, (i + 1) * columns
    first = np.stack([low + j, low + right, high + right], axis=-1)
    second = np.stack([low + j, high + right, high + j], axis=-1)
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])
