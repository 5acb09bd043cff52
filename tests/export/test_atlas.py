"""Charts on the texture: none over another, all at one scale, and many faces in a bounded time."""

from __future__ import annotations

import time

import numpy as np
import pytest
import trimesh

from dreamforge.contracts import Mesh
from dreamforge.export import atlas
from dreamforge.export.atlas import unwrap

SIZE = 1024


def blob(sections: int) -> Mesh:
    """A torus with waves on it, of `sections`² faces."""
    shape = trimesh.creation.torus(0.6, 0.25, sections, sections // 2)
    wave = 1 + 0.1 * np.sin(9 * shape.vertices).sum(axis=1, keepdims=True)
    return Mesh((shape.vertices * wave).astype(np.float32), shape.faces.astype(np.int32))


def doubled_area(corner: np.ndarray) -> np.ndarray:
    """Twice the area of triangles `[F,3,2 or 3]`."""
    one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    return np.sqrt(np.maximum((one**2).sum(1) * (other**2).sum(1) - (one * other).sum(1) ** 2, 0))


def owners(mesh: Mesh) -> np.ndarray:
    """How many triangles hold the middle of each texel, `[SIZE,SIZE]`: counted by barycentrics, nothing of ours."""
    count = np.zeros((SIZE, SIZE), int)
    for corner in mesh.uv[mesh.faces].astype(np.float64) * SIZE - 0.5:
        low, high = np.ceil(corner.min(0)).astype(int), np.floor(corner.max(0)).astype(int)
        if (high < low).any():
            continue
        place = np.stack(np.meshgrid(*map(np.arange, low, high + 1), indexing="ij"), axis=-1)
        edge = np.roll(corner, -1, axis=0) - corner
        away = place[:, :, None] - corner
        side = edge[:, 0] * away[..., 1] - edge[:, 1] * away[..., 0]
        inside = (side > 1e-6).all(-1) | (side < -1e-6).all(-1)
        count[low[0] : high[0] + 1, low[1] : high[1] + 1] += inside
    return count


def test_charts_of_several_parts_do_not_overlap_and_have_one_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "MOST_PART_FACES", 600)
    truth = blob(48)
    mesh = unwrap(truth, SIZE)
    np.testing.assert_array_equal(mesh.vertices[mesh.faces], truth.vertices[truth.faces])  # in order
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    count = owners(mesh)
    assert count.max() == 1 and count.mean() > 0.4
    density = np.sqrt(doubled_area(mesh.uv[mesh.faces]) / doubled_area(mesh.vertices[mesh.faces]))
    density /= np.median(density)
    assert np.percentile(density, 1) > 0.7 and np.percentile(density, 99) < 1.4
    again = unwrap(truth, SIZE)
    assert (again.uv == mesh.uv).all() and (again.faces == mesh.faces).all()


def test_many_faces_take_a_bounded_time() -> None:
    """60,000 in parts take 4 s of CPU, and at once several times as long."""
    began = time.process_time()
    mesh = unwrap(blob(246), 2048)
    assert time.process_time() - began < 15
    assert len(mesh.faces) > 60_000 and mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    assert doubled_area(mesh.uv[mesh.faces]).sum() / 2 > 0.4
