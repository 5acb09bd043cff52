"""Scenes side by side: one of them each step, the first of them for keeps."""

from __future__ import annotations

import torch

from dreamforge.cameras import orbit
from dreamforge.optimize import make_optimizer
from dreamforge.rng import generator
from dreamforge.scenes.gaussians import Gaussians
from dreamforge.scenes.particles import Particles

CAMERAS, WHITE = orbit([0.0, 90.0], 15.0, size=16), torch.ones(2, 3)


def particles(count: int = 3, **options: float) -> Particles:
    return Particles([Gaussians(seed=seed, count=40, **options) for seed in range(count)], 0)


def test_each_is_rendered_about_as_often_and_a_killed_run_draws_the_same() -> None:
    scene = particles()
    shown = []
    for step in range(60):
        if step == 30:
            again = particles()
            again.load_state_dict(scene.state_dict())
            scene = again
        scene.render(CAMERAS, WHITE)
        shown.append(scene.shown)
    assert all(10 <= shown.count(k) <= 30 for k in range(3))
    whole, straight = particles(), []
    for _ in range(60):
        whole.render(CAMERAS, WHITE)
        straight.append(whole.shown)
    assert shown == straight


def test_a_step_moves_the_scene_that_was_rendered_and_no_other() -> None:
    scene = particles()
    optimizer = make_optimizer(scene)
    for _ in range(4):  # the moments of those not rendered must not move them either
        before = [s.color_logits.detach().clone() for s in scene.scenes]
        views = scene.render(CAMERAS, WHITE)
        optimizer.zero_grad(set_to_none=True)
        views.rgb.sum().backward()
        optimizer.step()
        moved = [not torch.equal(s.color_logits, old) for s, old in zip(scene.scenes, before, strict=True)]
        assert moved == [k == scene.shown for k in range(3)]
    assert len({group["name"] for group in optimizer.param_groups}) == 15


def test_each_grows_by_itself_in_one_optimizer() -> None:
    """Division replaces parameters: catches a scene that takes another's groups for its own."""
    scene = particles(2, densify_every=1, densify_from=0.0, densify_until=1.0)
    optimizer = make_optimizer(scene)
    for step in range(3):
        views = scene.render(CAMERAS, WHITE)
        optimizer.zero_grad(set_to_none=True)
        views.rgb.square().sum().backward()
        optimizer.step()
        scene.after_step(step, 3, optimizer, generator(0, step))
    owned = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(owned) == sorted(id(p) for p in scene.parameters())
    assert all(len(s.means) > 40 and s.means.shape == s.color_logits.shape for s in scene.scenes)
    again = particles(2)
    again.load_state_dict(scene.state_dict())
    assert torch.equal(again.scenes[1].means, scene.scenes[1].means)


def test_in_evaluation_the_first_is_shown() -> None:
    scene = particles().eval()
    first = scene.scenes[0]
    for _ in range(3):
        assert torch.equal(scene.render(CAMERAS, WHITE).rgb, first.render(CAMERAS, WHITE).rgb)
    assert torch.equal(torch.tensor(scene.to_mesh(24).vertices), torch.tensor(first.to_mesh(24).vertices))
