"""The judge reads ground truth right, and a face on every side for what it is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import dreamforge
from dreamforge.cameras import orbit
from dreamforge.evaluate.judge import Judge, truth
from dreamforge.rendering.background import composite

PROMPTS = (Path(dreamforge.__file__).parent / "prompt_lists" / "toyworld-16.txt").read_text().splitlines()
CAMERAS = orbit([45.0 * i for i in range(8)], 15.0, size=48)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.of(PROMPTS, CAMERAS, 0.9, instances=3)


def shown(prompt: str, number: int = 77) -> torch.Tensor:
    """An instance that is no template, `[8,3,H,W]`."""
    return composite(truth(prompt, CAMERAS, [number]), torch.full((1, 8, 3), 0.9))[0]


def test_ground_truth_is_read_as_its_prompt(judge: Judge) -> None:
    """Would miss templates in another order than the prompts, or compared with other cameras' views."""
    views = []
    for index, prompt in enumerate(PROMPTS):
        pictures = shown(prompt)
        assert int(judge.retrieve(pictures).argmax()) == index, prompt
        views.append((judge.retrieve_each(pictures).argmax(1) == index).float().mean())
    assert torch.stack(views).mean() > 0.95


def test_the_side_a_view_shows_is_read(judge: Judge) -> None:
    wrong = 0
    for prompt in PROMPTS[:4]:
        assert judge.has_front(prompt)
        apart = judge.facing(shown(prompt), prompt) - CAMERAS.azimuth
        wrong += int((torch.atan2(apart.sin(), apart.cos()).abs() > math.radians(50)).sum())
    assert wrong == 0


def test_a_face_on_every_side_is_janus_and_ground_truth_is_not(judge: Judge) -> None:
    prompt = PROMPTS[0]
    assert judge.janus(shown(prompt), prompt) == 0
    assert judge.janus(shown(prompt)[:1].expand(8, -1, -1, -1), prompt) == 1
    assert judge.sides(shown(prompt), prompt) == 1
    assert judge.sides(shown(prompt).roll(4, 0), prompt) == 0
    assert judge.sides(shown(prompt)[:1].expand(8, -1, -1, -1), prompt) == 3 / 8  # the front, and 45 degrees beside it
