"""Surfaces out of densities and views: the right size, place and handedness, and plain errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dreamforge.cameras import Cameras, turntable
from dreamforge.contracts import Mesh, Views
from dreamforge.export.clean import clean
from dreamforge.export.surface import isosurface, mesh_from_views
from dreamforge.export.verify import compare, eight_sides
from dreamforge.rendering.raster import render_mesh
from dreamforge.toyworld.captions import parse
from dreamforge.toyworld.meshes import to_mesh
from dreamforge.toyworld.world import instance
from tests.export.shapes import ball, figure, joined, showing, volume


def silhouettes_agree(a: Mesh, b: Mesh) -> float:
    cameras = turntable(6, elevation=25.0, size=160)
    masks = [render_mesh(mesh, cameras, torch.zeros(6, 3), cull_back=True).alpha > 0.5 for mesh in (a, b)]
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def coordinates(resolution: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    axis = np.linspace(-1, 1, resolution, dtype=np.float32)
    return tuple(np.meshgrid(axis, axis, axis, indexing="ij"))


def shown_everywhere(opacity: float) -> object:
    def render(cameras: Cameras, background: Tensor) -> Views:
        shape = (len(cameras), 1, cameras.height, cameras.width)
        rgb = background[:, :, None, None].expand(-1, 3, *shape[2:])
        return Views(rgb, torch.full(shape, opacity), torch.full(shape, 3.0))

    return render


def test_fusion_gives_the_figure_back() -> None:
    truth = figure()
    found = mesh_from_views(showing(truth), 128)
    assert silhouettes_agree(truth, found) > 0.97
    shape = trimesh.Trimesh(found.vertices, found.faces, process=False)
    assert shape.is_watertight and shape.volume > 0
    assert shape.euler_number == 0  # one handle: the hole is open


def test_fusion_carves_what_outlines_cannot_see() -> None:
    """A bowl's hollow shows in no outline; depth must carve it."""
    profile = np.array([[0, -0.5], [0.4, -0.4], [0.7, 0.0], [0.7, 0.3], [0.6, 0.3], [0.55, 0.0], [0.3, -0.3], [0, -0.35]])
    bowl = trimesh.creation.revolve(profile, sections=64)
    bowl.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
    truth = Mesh(bowl.vertices.astype(np.float32), bowl.faces.astype(np.int32))
    found = mesh_from_views(showing(truth), 96)
    assert volume(found) == pytest.approx(volume(truth), rel=0.06)


def test_fusion_bears_noisy_depth() -> None:
    """Depth a little too deep, and wavy, as splats have it in flat colours."""
    truth = joined([(ball(0.5, (0, 0, 0)), (0.5, 0.5, 0.5)), (ball(0.2, (0.5, 0.3, 0.2)), (0.9, 0.1, 0.1))])

    def render(cameras: Cameras, background: Tensor) -> Views:
        views = render_mesh(truth, cameras, background)
        noise = torch.randn(views.depth.shape, generator=torch.Generator().manual_seed(len(cameras)))
        views.depth = views.depth + 0.02 + 0.1 * torch.nn.functional.avg_pool2d(noise, 5, 1, 2)
        return views

    found = mesh_from_views(render, 96)
    assert silhouettes_agree(truth, found) > 0.97
    body = found.vertices[found.vertices[:, 0] < 0.2]
    assert np.abs(np.linalg.norm(body, axis=1) - 0.5).mean() < 0.01


@pytest.mark.parametrize(("opacity", "word"), [(0.0, "empty"), (1.0, "full")])
def test_empty_and_full_scenes_say_so(opacity: float, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        mesh_from_views(shown_everywhere(opacity), 32)


def test_clean_drops_specks_and_bubbles_and_keeps_parts() -> None:
    x, y, z = coordinates(96)
    spheres = [((0, 0, 0), 0.5), ((0, 0.75, 0), 0.12), ((0.8, 0.0, 0.3), 0.03)]  # a body, a hat beside it, a speck
    inside = np.maximum.reduce([r - np.sqrt((x - c[0]) ** 2 + (y - c[1]) ** 2 + (z - c[2]) ** 2) for c, r in spheres])
    inside = np.minimum(inside, np.sqrt(x**2 + y**2 + z**2) - 0.2)  # and a bubble in the body
    raw = isosurface(inside)
    done = clean(Mesh(raw.vertices, raw.faces[:, ::-1]), 3000)  # given inside out
    shape = trimesh.Trimesh(done.vertices, done.faces, process=False)
    assert shape.body_count == 2 and shape.is_watertight and len(done.faces) <= 3000
    assert done.vertices[:, 0].max() < 0.6 and done.vertices[:, 1].max() > 0.8
    assert shape.volume == pytest.approx(4 / 3 * np.pi * (0.5**3 + 0.12**3), rel=0.02)
    assert done.normals is not None
    np.testing.assert_allclose(np.linalg.norm(done.normals, axis=1), 1, atol=1e-5)
    outward = done.vertices[done.vertices[:, 1] < 0.55]
    assert ((done.normals[done.vertices[:, 1] < 0.55] * outward).sum(1) > 0).all()


def test_surfaces_stay_closed_however_few_their_faces() -> None:
    """A knight of the toy world: decimated in one course, each of these has an edge of four faces."""
    raw = mesh_from_views(showing(to_mesh(instance(parse("a knight"), 0)), cull_back=False), 128)
    for budget in (500, 2000, 4000, 10_000):
        done = clean(raw, budget)
        assert trimesh.Trimesh(done.vertices, done.faces, process=False).is_watertight, budget
        assert len(done.faces) <= 1.1 * budget


def test_compare_sees_a_mirrored_mesh() -> None:
    truth = figure()
    mirrored = Mesh(truth.vertices * [-1, 1, 1], truth.faces[:, ::-1], truth.normals * [-1, 1, 1], truth.colors)
    assert compare(showing(truth), eight_sides(showing(truth))).mean_iou > 0.999
    assert compare(showing(mirrored), eight_sides(showing(truth))).mean_iou < 0.95
