"""A toy world that is not told cameras: what it likes to see, and that views then disagree."""

from __future__ import annotations

import math

import pytest
import torch

from dreamforge.cameras import orbit, turned
from dreamforge.priors.toyworld import SIDES, ToyWorld, side_log_weights

PROMPT = "a corgi in a top hat"
BEHIND = torch.ones(1, 3)


def test_a_turned_camera_has_a_larger_azimuth_and_is_else_the_same() -> None:
    cameras, angles = orbit([10.0, -60.0], [20.0, -5.0], distance=2.5), torch.tensor([math.pi / 3, 2.0])
    moved = turned(cameras, angles)
    assert torch.allclose(moved.c2w, orbit([70.0, math.degrees(2.0) - 60], [20.0, -5.0], distance=2.5).c2w, atol=1e-6)
    assert torch.equal(moved.fov, cameras.fov)


@pytest.mark.parametrize(
    ("view", "allowed"),
    [(None, [0, 60, 100, 180, 260]), ("front", [0]), ("side", [60, 100, 260]), ("back", [180]), ("overhead", [0, 60, 100, 180, 260])],
)
def test_words_allow_sides_and_fronts_are_likeliest(view: str | None, allowed: list[int]) -> None:
    """Catches a side that is only the left one, and a bias to the back."""
    degrees = torch.tensor([0.0, 60, 100, 180, 260])
    weights = side_log_weights(torch.deg2rad(degrees), view)
    assert degrees[weights.isfinite()].tolist() == allowed
    assert (weights[weights.isfinite()] == torch.deg2rad(degrees[weights.isfinite()]).cos()).all()


def test_without_words_it_takes_a_back_for_a_front_and_with_them_it_does_not() -> None:
    """The denoised back view at much noise: nearer to the front seen by itself than to the back. Would fail if the
    camera's azimuth reached the model."""
    prior, knows = ToyWorld(instances=1, views="blind"), ToyWorld(instances=1)
    front, back = orbit([0.0], 15.0, size=32), orbit([180.0], 15.0, size=32)
    shown = [knows.condition([PROMPT], camera, BEHIND).data.pictures[0, 0] for camera in (front, back)]
    t, z_t = torch.tensor([990]), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))

    def clean(words: str) -> torch.Tensor:
        [eps] = prior.predict(z_t, t, [prior.condition([words], back, BEHIND)])
        return prior.noise.clean(z_t, eps, t)[0]

    def nearer_to_front(picture: torch.Tensor) -> bool:
        return bool((picture - shown[0]).norm() < (picture - shown[1]).norm())

    assert nearer_to_front(clean(PROMPT)) and not nearer_to_front(clean(f"{PROMPT}, back view"))


def test_the_sides_of_a_camera_are_those_of_a_posed_prior_there() -> None:
    prior, knows = ToyWorld(instances=2, views="blind"), ToyWorld(instances=2)
    camera = orbit([30.0], 25.0, size=16)
    bank = prior.condition([PROMPT], camera, BEHIND).data
    assert bank.pictures.shape[:2] == (1, SIDES * 2) and bank.log_weights.shape == (1, SIDES * 2)
    worded = prior.condition([f"{PROMPT}, back view"], camera, BEHIND).data
    assert torch.equal(worded.pictures, bank.pictures) and not torch.equal(worded.log_weights, bank.log_weights)
    for side in (0, 3):
        there = knows.condition([PROMPT], orbit([30.0 + 45 * side], 25.0, size=16), BEHIND).data.pictures
        assert torch.allclose(bank.pictures[:, 2 * side : 2 * side + 2], there, atol=2e-2)
        assert torch.allclose(bank.log_weights[0, 2 * side : 2 * side + 2], torch.tensor(math.cos(math.radians(30 + 45 * side))))


def test_it_costs_one_picture_of_every_noun_unasked_and_sees_no_views_together() -> None:
    prior = ToyWorld(instances=2, views="blind", multiview=True)
    empty = prior.condition(["", ""], orbit([0.0, 90.0], 15.0, size=8)).data.pictures
    assert empty.shape[1] == ToyWorld().condition([""], orbit([0.0], 15.0, size=8)).data.pictures.shape[1]
    assert not prior.joint and "multi-view" not in prior.provides
