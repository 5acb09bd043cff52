"""The Gaussian scene: a small fit, division and pruning with the optimizer's state, resuming from a state."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit
from dreamforge.scenes.gaussians import PARAMETERS, Gaussians

OPTIONS = {"count": 300, "max_count": 500, "densify_every": 2, "densify_from": 0.0, "densify_until": 1.0}


def scene(seed: int = 0, **options) -> Gaussians:
    return Gaussians(seed=seed, **{**OPTIONS, **options})


def adam(gaussians: Gaussians) -> torch.optim.Adam:
    return torch.optim.Adam([{**group, "params": [group["params"]]} for group in gaussians.param_groups()])


def cameras(size: int = 24) -> Cameras:
    return orbit([0.0, 120.0, 240.0], 10.0, size=size)


def ball(views: Cameras) -> Tensor:
    """A red ball of radius 0.5 on black, as each view sees it: `[B,3,H,W]`."""
    origins, directions = views.rays()
    nearest = (origins - (origins * directions).sum(-1, keepdim=True) * directions).norm(dim=-1)
    return torch.einsum("bhw,c->bchw", (nearest < 0.5).float(), torch.tensor([0.9, 0.1, 0.1]))


def train(gaussians: Gaussians, optimizer: torch.optim.Optimizer, steps: range, total: int = 20) -> float:
    target = ball(cameras())
    for step in steps:
        views = gaussians.render(cameras(), torch.zeros(3, 3))
        loss = (views.rgb - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        gaussians.after_step(step, total, optimizer, torch.Generator().manual_seed(step))
    return loss.item()


def test_same_seed_same_scene() -> None:
    for name in PARAMETERS:
        assert torch.equal(getattr(scene(3), name), getattr(scene(3), name))
    assert not torch.equal(scene(3).means, scene(4).means)
    assert scene().means.norm(dim=-1).max() <= 0.6


@pytest.mark.parametrize("count", [1, 2, 50])
def test_small_counts(count: int) -> None:
    assert torch.isfinite(scene(count=count).render(cameras(), torch.zeros(3, 3)).rgb).all()


def test_fits_a_ball() -> None:
    gaussians = scene(count=800, max_count=800)
    optimizer = adam(gaussians)
    first = train(gaussians, optimizer, range(1), 60)
    last = train(gaussians, optimizer, range(1, 60), 60)
    assert last < 0.03 * first
    views = gaussians.eval().render(cameras(), torch.zeros(3, 3))
    assert (views.depth[:, 0, 12, 12] - 2.5).abs().max() < 0.3
    assert views.alpha[:, 0, 12, 12].min() > 0.9 and views.alpha[:, 0, 0, 0].max() < 0.02
    assert not views.depth[views.alpha == 0].any()


def test_harmonics_learn_what_each_side_shows() -> None:
    """Red from the front, blue from behind: one colour cannot be both."""
    views, black = orbit([0.0, 180.0], 0.0, size=16), torch.zeros(2, 3)
    paint = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]])
    target = (ball(views)[:, :1] > 0) * paint[:, :, None, None]
    errors = []
    for degree in (0, 1):
        gaussians = scene(count=300, sh_degree=degree, sh_lr=0.05)
        optimizer = adam(gaussians)
        for _ in range(50):
            error = (gaussians.render(views, black).rgb - target).square().mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
        errors.append(error.item())
    assert errors[1] < 0.5 * errors[0]
    assert gaussians.harmonics.shape == (300, 4, 3)
    gaussians.after_step(1, 20, optimizer, torch.Generator().manual_seed(0))
    assert len(gaussians.sh) == len(gaussians.means) > 300
    again = scene(sh_degree=1)
    again.load_state_dict(gaussians.state_dict())
    assert torch.equal(again.sh, gaussians.sh)


def test_normals_of_a_fitted_ball_point_outwards() -> None:
    gaussians = scene(count=600, max_count=600)
    train(gaussians, adam(gaussians), range(60), 60)
    with torch.no_grad():
        views = gaussians.render(cameras(), torch.zeros(3, 3), normals=True)
    toward = cameras().position / 3
    middle = views.normal[:, :, 12, 12]
    assert ((middle * toward).sum(-1) > 0.3).all()
    assert (views.normal.norm(dim=1, keepdim=True) <= views.alpha + 1e-4).all()


def test_optimizer_follows_division_and_pruning() -> None:
    gaussians = scene()
    optimizer = adam(gaussians)
    train(gaussians, optimizer, range(1))
    with torch.no_grad():
        gaussians.opacity_logits[:100] = -9.0
    before = {g["name"]: (g["params"][0], copy.copy(optimizer.state[g["params"][0]])) for g in optimizer.param_groups}
    chosen = torch.argsort(gaussians.gradient[100:] / gaussians.seen[100:].clamp_min(1), descending=True, stable=True)
    kept = torch.ones(200, dtype=torch.bool).index_fill(0, chosen[:40], False).nonzero()[:, 0] + 100  # 40: 20 %
    gaussians.after_step(1, 20, optimizer, torch.Generator().manual_seed(0))
    assert len(optimizer.state) == len(PARAMETERS)
    for group in optimizer.param_groups:
        parameter, (old, state) = group["params"][0], before[group["name"]]
        assert parameter is getattr(gaussians, group["name"]) and parameter.requires_grad
        assert len(parameter) == 240 and torch.equal(parameter[:160], old[kept])
        now = optimizer.state[parameter]
        assert now["step"] == state["step"] and set(now) == set(state)
        for key in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(now[key][:160], state[key][kept]) and not now[key][160:].any()
    assert len(gaussians.gradient) == 240 and not gaussians.seen.any()


def test_halves_lie_about_their_parent() -> None:
    gaussians = scene()
    halves = gaussians._halves(torch.arange(10), torch.Generator().manual_seed(0))
    centre = 0.5 * (halves["means"][:10] + halves["means"][10:])
    assert torch.allclose(centre, gaussians.means[:10], atol=1e-6)
    assert (halves["log_scales"] < gaussians.log_scales[:10].repeat(2, 1)).all()


def test_never_more_than_the_limit_and_never_none() -> None:
    gaussians = scene(count=499)
    optimizer = adam(gaussians)
    train(gaussians, optimizer, range(6))
    assert len(gaussians.means) <= 500
    with torch.no_grad():
        gaussians.opacity_logits.fill_(-9.0)
    gaussians.after_step(7, 20, optimizer, torch.Generator())
    assert len(gaussians.means) > 0


def test_resumes_bit_for_bit() -> None:
    """A run stopped between two divisions, its state loaded into a fresh scene and optimizer."""
    whole = scene()
    optimizer = adam(whole)
    train(whole, optimizer, range(5))
    saved = {name: value.clone() for name, value in whole.state_dict().items()}
    moments = copy.deepcopy(optimizer.state_dict())
    train(whole, optimizer, range(5, 9))

    resumed = scene(seed=99)
    assert len(saved["means"]) != len(resumed.means)
    resumed.load_state_dict(saved)
    optimizer = adam(resumed)
    optimizer.load_state_dict(moments)
    train(resumed, optimizer, range(5, 9))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_state_of_another_kind_is_refused() -> None:
    state = scene().state_dict()
    state["means"] = torch.zeros(5, 4)
    with pytest.raises(RuntimeError, match="means"):
        scene().load_state_dict(state)


def test_evaluation_leaves_no_trace() -> None:
    gaussians = scene().eval()
    before = {name: value.clone() for name, value in gaussians.state_dict().items()}
    gaussians.render(cameras(), torch.zeros(3, 3)).rgb.sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in gaussians.state_dict().items())


def test_regularizers_are_finite_and_pull() -> None:
    gaussians = scene()
    with torch.no_grad():
        gaussians.log_scales[:, 0] += 2
    for name, value in gaussians.regularizers(gaussians.render(cameras(), torch.zeros(3, 3))).items():
        assert value.shape == () and torch.isfinite(value), name
        gradients = torch.autograd.grad(value, list(gaussians.parameters()), retain_graph=True, allow_unused=True)
        assert any(g is not None and g.any() for g in gradients), name
