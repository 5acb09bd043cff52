"""Assets of others come to our frame and go back to their own place and scale."""

from __future__ import annotations

import numpy as np
import pytest

from dreamforge.contracts import Mesh
from dreamforge.export.frame import Frame
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


def test_a_point_has_a_frame() -> None:
    point = Mesh(np.full((3, 3), 5, np.float32), np.array([[0, 1, 2]], np.int32))
    np.testing.assert_array_equal(Frame.around(point).enter(point).vertices, 0)
