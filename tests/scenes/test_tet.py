"""Surfaces in tetrahedra: closed, outward, where the distances say, and drawn to what pictures show."""

from __future__ import annotations

import math

import pytest
import torch
import trimesh

from dreamforge.cameras import orbit, sphere
from dreamforge.errors import UserError
from dreamforge.rendering.raster import render_mesh
from dreamforge.scenes.tet import Tets, lattice, marching_tetrahedra, tetrahedra, triangles
from tests.export.shapes import figure, scene_of


def as_trimesh(scene: Tets) -> trimesh.Trimesh:
    vertices, faces = scene.surface()
    return trimesh.Trimesh(vertices.detach().numpy(), faces.numpy(), process=False)


def test_the_lattice_fills_the_cube() -> None:
    a, b, c, d = lattice(3)[tetrahedra(3)].unbind(1)
    volume = torch.linalg.det(torch.stack([b - a, c - a, d - a], dim=1)) / 6
    torch.testing.assert_close(volume, torch.full_like(volume, 8 / (6 * 27)))


def test_every_case_parts_inside_from_outside() -> None:
    """Random signs everywhere: however they meet, the surface is closed and wound one way."""
    counts, _ = triangles()
    assert counts.tolist() == [0, 1, 1, 2, 1, 2, 2, 1, 1, 2, 2, 1, 2, 1, 1, 0]
    points = lattice(4)
    distances = torch.randn(len(points), generator=torch.Generator().manual_seed(0))
    distances = torch.where((points.abs() > 0.99).any(1), distances.abs(), distances)
    vertices, faces = marching_tetrahedra(points, distances, tetrahedra(4))
    shape = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)
    assert shape.is_watertight and shape.is_winding_consistent and shape.volume > 0


@pytest.mark.parametrize("extraction", ["tetrahedra", "flexicubes"])
def test_it_starts_as_an_ellipsoid(extraction: str) -> None:
    shape = as_trimesh(Tets(cells=32, extraction=extraction, ellipsoid=[0.5, 0.3, 0.4]))
    assert shape.is_watertight
    assert shape.volume == pytest.approx(4 / 3 * math.pi * 0.5 * 0.3 * 0.4, rel=0.04)
    assert shape.bounds[1] == pytest.approx([0.5, 0.3, 0.4], abs=0.01)
    with pytest.raises(UserError, match="ellipsoid"):
        Tets(ellipsoid=[1.0, 2.0])


def test_distances_and_offsets_move_the_surface() -> None:
    """A little less distance everywhere is a little larger a ball."""
    scene = Tets(cells=16)
    vertices, _ = scene.surface()
    vertices.norm(dim=1).mean().backward()
    assert scene.distances.grad.sum().item() == pytest.approx(-1.0, abs=0.1)
    assert scene.offsets.grad.abs().sum() > 0


def test_it_takes_over_what_a_scene_shows() -> None:
    """Shape within a cell, colours to 22 dB, from nothing but views."""
    truth = figure()
    scene = Tets(cells=32)
    scene.adopt_scene(scene_of(truth))
    scene.eval()
    cameras, white = orbit([15.0, 200.0], [10.0, 30.0], size=96), torch.ones(2, 3)
    with torch.no_grad():
        got, expected = scene.render(cameras, white), render_mesh(truth, cameras, white)
    both, either = ((got.alpha > 0.5) & (expected.alpha > 0.5)).sum(), ((got.alpha > 0.5) | (expected.alpha > 0.5)).sum()
    assert both / either > 0.9
    assert -10 * torch.log10((got.rgb - expected.rgb).square().mean()) > 22


def test_penalties_prefer_smooth_shapes() -> None:
    scene = Tets(cells=14, extraction="tetrahedra", ellipsoid=[0.47, 0.53, 0.61])  # no lattice point lies right on it
    views = scene.render(sphere(1, 8), torch.ones(1, 3))
    smooth = scene.regularizers(views)
    scene.distances.data += 0.05 * torch.randn(scene.distances.shape, generator=torch.Generator().manual_seed(0))
    rough = scene.regularizers(scene.render(sphere(1, 8), torch.ones(1, 3)))
    assert all(rough[name] > 1.1 * smooth[name] for name in ("laplacian", "normal_consistency")), (smooth, rough)


def test_loose_pieces_cost_crossings() -> None:
    scene = Tets(cells=12)
    whole = scene._crossings()
    place = int((lattice(12) - torch.tensor([0.83, 0.83, 0.83])).norm(dim=1).argmin())
    scene.distances.data[place] *= -1
    loose = scene._crossings()
    loose.backward()
    assert loose > whole + 0.1
    assert scene.distances.grad[place] < 0  # descent takes the piece away


def test_an_empty_lattice_says_so() -> None:
    scene = Tets(cells=8)
    scene.distances.data.fill_(1.0)
    assert scene.render(sphere(1, 8), torch.ones(1, 3)).alpha.sum() == 0
    with pytest.raises(UserError, match="empty or full"):
        scene.to_mesh(8)
