"""Assets of others come to our frame and go back to their own place and scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamforge.contracts import Mesh, Splats
from dreamforge.export.frame import Frame, standing
from dreamforge.export.splats import covariances
from dreamforge.kernels.harmonics import basis
from tests.export.shapes import figure
from tests.export.test_splat_formats import axes


@pytest.mark.parametrize(("scale", "place"), [(1e-3, 0.0), (250.0, 40.0), (3.0, -2.0)])
def test_meshes_come_and_go(scale: float, place: float) -> None:
    truth = figure()
    truth.vertices = truth.vertices * np.float32(scale) + np.float32([place, 0, -place])
    stray = np.float32([[1e6, 0, 0]])  # a vertex of no face
    truth = Mesh(np.concatenate([truth.vertices, stray]), truth.faces)
    frame = Frame.around(truth)
    inside = frame.enter(truth)
    points = inside.vertices[:-1]
    np.testing.assert_allclose(points.min(0), -points.max(0), atol=1e-5)
    assert np.linalg.norm(points, axis=1).max() == pytest.approx(0.9, abs=1e-5)
    assert (points[figure().vertices[:, 2].argmax()] == points.max(0))[2]  # +z stays +z
    np.testing.assert_allclose(frame.leave(inside).vertices, truth.vertices, atol=3e-7 * (scale + abs(place)))
    assert truth.vertices[-1, 0] == 1e6  # the given one is left as it is


def test_splats_come_and_go_and_floaters_do_not_count() -> None:
    truth = axes(1000)
    truth.means, truth.scales = truth.means * 100, truth.scales * 100
    truth.means[7] = [1e5, 0, 0]
    frame = Frame.around(truth)
    inside = frame.enter(truth)
    near = np.delete(inside.means, 7, axis=0)
    assert 0.85 < np.linalg.norm(near, axis=1).max() < 1.0
    np.testing.assert_allclose(inside.scales * frame.size, truth.scales, rtol=1e-6)
    np.testing.assert_allclose(frame.leave(inside).means, truth.means, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(("up", "front"), [("z", "-y"), ("-y", "z"), ("x", "-z")])
def test_what_lies_down_is_stood_up_and_put_back(up: str, front: str) -> None:
    """Splats shown in our frame look as if their file had been turned; harmonics of every degree and covariances too."""
    turn = standing(up, front)
    assert np.linalg.det(turn) == pytest.approx(1)
    truth = axes(60, degree=3)
    lying = Splats(**vars(truth))
    lying.means = truth.means @ turn.astype(np.float32)  # ours to its own
    frame = Frame.around(truth)
    inside = Frame(turn.T @ frame.center, frame.size, turn).enter(lying)
    np.testing.assert_allclose(inside.means, frame.enter(truth).means, atol=1e-6)
    directions = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(3)), dim=1)
    ours, own = basis(directions, 3).numpy(), basis(directions @ torch.from_numpy(turn).float(), 3).numpy()
    np.testing.assert_allclose(ours @ inside.sh[7], own @ lying.sh[7], atol=2e-5)
    np.testing.assert_allclose(covariances(inside) * frame.size**2, turn @ covariances(lying) @ turn.T, atol=1e-7)
    back = Frame(turn.T @ frame.center, frame.size, turn).leave(inside)
    np.testing.assert_allclose(back.means, lying.means, atol=1e-6)
    np.testing.assert_allclose(back.sh, lying.sh, atol=1e-5)
    mesh = figure()
    around = Frame.around(mesh, turn)
    stood = around.enter(mesh)
    np.testing.assert_allclose(stood.normals @ turn, mesh.normals, atol=1e-6)
    np.testing.assert_allclose(around.leave(stood).vertices, mesh.vertices, atol=1e-6)
    assert stood.vertices[:, 1].argmax() == (mesh.vertices @ turn[1]).argmax()


def test_a_point_has_a_frame() -> None:
    point = Mesh(np.full((3, 3), 5, np.float32), np.array([[0, 1, 2]], np.int32))
    np.testing.assert_array_equal(Frame.around(point).enter(point).vertices, 0)
