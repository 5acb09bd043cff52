"""The coordinate conventions, on which everything else stands."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamforge.cameras import cat, orbit, sphere, turntable
from dreamforge.prompts import view_prompts, view_words

GNOMON = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]])  # origin, left, up, front


def test_azimuth_zero_looks_at_the_front_and_ninety_at_the_objects_left() -> None:
    positions = orbit([0, 90, 180, -90], 0, distance=2).position
    expected = torch.tensor([[0.0, 0, 2], [2, 0, 0], [0, 0, -2], [-2, 0, 0]])
    assert torch.allclose(positions, expected, atol=1e-6)
    assert torch.allclose(orbit(0, 90, distance=2).position, torch.tensor([[0.0, 2, 0]]), atol=1e-6)


def test_gnomon_lands_where_a_photograph_would_show_it() -> None:
    pixels, depth = orbit([0, 90, 180], 0, distance=3, size=64).project(GNOMON)
    origin, left, up, front = pixels[0]
    assert torch.allclose(origin, torch.tensor([32.0, 32.0]))
    assert left[0] > 40 and left[1] == pytest.approx(32)  # from the front, the object's left is on our right
    assert up[1] < 24  # row 0 is the top
    assert depth[0].tolist() == pytest.approx([3, 3, 3, 2.5])
    assert pixels[1, 3, 0] < 24  # seen from its left, the object faces our left
    assert pixels[2, 1, 0] < 24  # from behind, left is left


@given(
    azimuth=st.floats(-179, 179), elevation=st.floats(-89, 89), distance=st.floats(1.5, 5), fov=st.floats(10, 100)
)
def test_angles_survive_and_matrices_are_rigid(azimuth: float, elevation: float, distance: float, fov: float) -> None:
    camera = orbit(azimuth, elevation, distance, fov, size=16)
    assert math.degrees(camera.azimuth.item()) == pytest.approx(azimuth, abs=0.05)
    assert math.degrees(camera.elevation.item()) == pytest.approx(elevation, abs=0.05)
    assert camera.distance.item() == pytest.approx(distance, rel=1e-4)
    assert torch.allclose(camera.w2c @ camera.c2w, torch.eye(4), atol=1e-5)
    assert torch.linalg.det(camera.c2w[0, :3, :3]).item() == pytest.approx(1, abs=1e-4)


def test_rays_and_projection_are_inverse() -> None:
    camera = cat([orbit(33, 21, size=9), orbit(-120, 90, size=9)])
    origins, directions = camera.rays()
    points = (origins + 2.7 * directions).reshape(2, -1, 3)
    rows, columns = torch.meshgrid(torch.arange(9) + 0.5, torch.arange(9) + 0.5, indexing="ij")
    for index in range(2):
        pixels, _ = camera[index : index + 1].project(points[index])
        assert torch.allclose(pixels[0], torch.stack([columns, rows], -1).reshape(-1, 2), atol=1e-3)


def test_unit_sphere_fits_the_default_picture_and_no_more() -> None:
    """The sphere's outline from the default distance of 3 passes through z = 1/3, where a ray just touches it."""
    touched = torch.tensor([[math.sqrt(8 / 9), 0.0, 1 / 3], [0.0, -math.sqrt(8 / 9), 1 / 3]])
    pixels, _ = orbit(0, 0, size=100).project(touched)
    assert 97 < pixels[0, 0, 0] < 100 and 97 < pixels[0, 1, 1] < 100


def test_looking_straight_down_is_continuous_in_image_up() -> None:
    above, almost = orbit(0, 90).c2w[0], orbit(0, 89.9).c2w[0]
    assert torch.allclose(above, almost, atol=0.01)


def test_view_words_change_at_their_boundaries() -> None:
    cameras = orbit([0, 44, 46, 134, 136, 180, -46, -136, 10], [0, 0, 0, 0, 0, 0, 0, 0, 61])
    expected = ["front", "front", "side", "side", "back", "back", "side", "back", "overhead"]
    assert view_words(cameras) == expected
    assert view_prompts("a cat", cameras[:1]) == ["a cat, front view"]
    assert view_prompts("", cameras[:2]) == ["", ""]


def test_sphere_covers_and_turntable_starts_in_front() -> None:
    elevation = torch.rad2deg(sphere(50, 8).elevation)
    assert elevation.min() < -50 and elevation.max() > 70
    assert turntable(8).azimuth[0].item() == pytest.approx(0, abs=1e-6)
