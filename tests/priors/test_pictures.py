"""Priors that are mixtures over pictures: the toy world and a folder of posed pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamforge.cameras import orbit
from dreamforge.errors import UserError
from dreamforge.priors.empirical import Empirical
from dreamforge.priors.toyworld import ToyWorld
from dreamforge.rendering.background import composite
from dreamforge.toyworld import instance, parse, render, vocabulary

CAMERAS = orbit([10.0, 130.0], [5.0, 40.0], size=24)
BEHIND = torch.tensor([[0.9, 0.2, 0.4], [0.1, 0.5, 0.3]])


def picture(prompt: str, seed: int) -> torch.Tensor:
    """One instance from both cameras on both backgrounds, `[2,3,24,24]` in [-1,1]."""
    return 2 * composite(render([instance(parse(prompt), seed)], CAMERAS)[:, 0], BEHIND) - 1


def test_the_bank_is_instances_seen_from_the_steps_own_cameras_and_backgrounds() -> None:
    bank = ToyWorld(seed=2, instances=3).condition(["a red car, front view", "a red car, side view"], CAMERAS, BEHIND).data.pictures
    assert bank.shape == (2, 3, 3, 24, 24)
    for k in range(3):
        assert torch.allclose(bank[:, k], picture("a red car", 6 + k), atol=1e-6)


def test_the_answer_at_low_noise_is_the_instance_that_is_there() -> None:
    prior = ToyWorld(instances=4)
    z, t = picture("a duck", 3), torch.tensor([15, 15])
    eps = torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
    predicted = prior.predict(prior.noise.add(z, eps, t), t, [prior.condition(["a duck"] * 2, CAMERAS, BEHIND)])[0]
    clean = prior.noise.clean(prior.noise.add(z, eps, t), predicted, t)
    assert (clean - z).abs().max() < 0.03


def test_views_of_a_batch_share_their_instance_unless_told_otherwise() -> None:
    """One view shows instance 0, the other instance 1, the second more clearly: together they must agree on one."""
    z = torch.stack([picture("a tree", 0)[0], picture("a tree", 1)[1]])
    t = torch.tensor([999, 100])
    for multiview in (True, False):
        prior = ToyWorld(instances=2, multiview=multiview)
        z_t = prior.noise.add(z, torch.zeros_like(z), t)
        clean = prior.noise.clean(z_t, prior.predict(z_t, t, [prior.condition(["a tree"] * 2, CAMERAS, BEHIND)])[0], t)
        first = [(clean[0] - picture("a tree", k)[0]).abs().mean().item() for k in (0, 1)]
        assert (first[1] < 0.02 * first[0]) == multiview


def test_the_empty_prompt_is_many_nouns_and_view_words_stand_in_for_cameras() -> None:
    """Would miss a noun drawn twice, or the same nouns for every seed."""
    prior = ToyWorld(instances=2, size=16, nouns=5)
    unconditional = prior.condition([""], CAMERAS[:1], BEHIND[:1]).data.pictures[0]
    assert len({tuple(picture.flatten().tolist()) for picture in unconditional}) == len(unconditional) == 5
    other = ToyWorld(nouns=5, seed=1).condition([""], CAMERAS[:1], BEHIND[:1]).data.pictures[0]
    assert not torch.equal(unconditional, other)
    every = ToyWorld(nouns=1000).condition([""], CAMERAS[:1], BEHIND[:1]).data.pictures
    assert every.shape[1] == len(vocabulary()["noun"])
    front, back = (prior.condition([f"a corgi, {view} view"]).data.pictures for view in ("front", "back"))
    assert front.shape == back.shape == (1, 16, 3, 16, 16) and not torch.equal(front, back)


def test_words_outside_the_world_are_refused() -> None:
    with pytest.raises(UserError, match="flibbertigibbet"):
        ToyWorld().check("a quantum flibbertigibbet")
    ToyWorld().check("")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four plain pictures of growing red, from four sides, half transparent on the left."""
    cameras = orbit([0.0, 90.0, 180.0, 270.0], 0.0, size=8)
    frames = []
    for i in range(4):
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[..., 0], pixels[..., 3], pixels[:, :4, 3] = 60 * i, 255, 0
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        frames.append({"file": f"{i}.png", "c2w": cameras.c2w[i].tolist()})
    (tmp_path / "transforms.json").write_text(json.dumps({"fov": 40.0, "frames": frames}))
    return tmp_path


def test_a_folder_answers_with_its_nearest_views_on_the_steps_background(folder: Path) -> None:
    prior = Empirical(folder=str(folder), neighbours=2)
    bank = prior.condition(["", ""], orbit([95.0, 175.0], 0.0, size=8), BEHIND).data.pictures
    reds = ((bank[:, :, 0, 0, 6] + 1) / 2 * 255).round()
    assert reds[:, 0].tolist() == [60, 120]  # the nearest comes first
    left = (bank[:, :, :, 0, 0] + 1) / 2
    assert torch.allclose(left, BEHIND[:, None].expand(2, 2, 3), atol=1e-6)
    assert prior.condition([""], orbit([0.0], 0.0, size=4), BEHIND[:1]).data.pictures.shape[-2:] == (4, 4)
    assert prior.condition([""]).data.pictures.shape == (1, 4, 3, 8, 8)


def test_a_broken_folder_is_one_line(folder: Path) -> None:
    (folder / "2.png").unlink()
    with pytest.raises(UserError, match="2.png"):
        Empirical(folder=str(folder))
    (folder / "transforms.json").write_text("{}")
    with pytest.raises(UserError, match="docs/priors.md"):
        Empirical(folder=str(folder))


def test_an_image_prompt_is_an_observation_of_the_front() -> None:
    """The posterior over instances by Bayes' rule from pictures of their fronts: the picture of instance 1 wins over a
    picture without noise that is between two, once for a set of views, and once for each view that has its own."""
    prior = ToyWorld(instances=3, image_std=0.5)
    fronts = render([instance(parse("a duck"), k) for k in range(3)], orbit([0.0], 15.0, size=32))[0]
    fronts = composite(fronts, torch.ones(3, 3))
    seen = 0.5 * fronts[0] + 0.5 * fronts[1]
    for image, count in ((fronts[1], 1), (seen, 1), (torch.stack([fronts[1], fronts[2]]), 2)):
        bank = prior.condition(["a duck"] * 2, CAMERAS, BEHIND, image).data
        pictures = image if image.dim() == 4 else image[None]
        expected = -0.5 * ((2 * pictures[:, None] - 2 * fronts) / 0.5).square().sum((2, 3, 4)).sum(0)
        found = bank.log_weights.log_softmax(1)
        assert torch.allclose(found, expected.log_softmax(0).expand(2, 3), atol=1e-3) and len(pictures) == count
    z, t = picture("a duck", 0), torch.tensor([999, 999])
    z_t = prior.noise.add(z, torch.randn(z.shape, generator=torch.Generator().manual_seed(0)), t)
    [eps] = prior.predict(z_t, t, [prior.condition(["a duck"] * 2, CAMERAS, BEHIND, fronts[1])])
    assert (prior.noise.clean(z_t, eps, t) - picture("a duck", 1)).abs().mean() < 0.02


def test_an_image_prompt_without_cameras_says_nothing_of_the_view() -> None:
    prior = ToyWorld(instances=2, size=16)
    image = composite(render([instance(parse("a cat"), 1)], orbit([0.0], 15.0, size=32))[0], torch.ones(1, 3))[0]
    weights = prior.condition(["a cat"], image=image).data.log_weights.softmax(1).view(8, 2)  # views, instances
    assert torch.allclose(weights, weights[:1].expand(8, 2)) and (weights[:, 1] > 0.1).all()
