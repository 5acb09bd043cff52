"""The field as a scene: it learns a shape from pictures, resumes to the bit, and becomes a mesh."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit, sphere
from dreamforge.contracts import Views
from dreamforge.optimize import make_optimizer
from dreamforge.rng import generator
from dreamforge.scenes.field import Field, _highest_nearby

SMALL = {"levels": 5, "finest": 32, "table_bits": 13, "samples": 32, "cells": 32, "learning_rate": 0.1}
RADIUS = 0.5


def ball(cameras: Cameras, background: Tensor) -> Views:
    """A ball of radius 0.5, red above and blue below, seen exactly."""
    origins, directions = cameras.rays()
    along = (origins * directions).sum(-1)
    square = along**2 - (origins**2).sum(-1) + RADIUS**2
    t = -along - square.clamp(min=0).sqrt()
    points = origins + t[..., None] * directions
    color = torch.where(points[..., 1:2] > 0, torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9]))
    alpha = (square > 0).float()[:, None]
    rgb = alpha * color.movedim(-1, 1) + (1 - alpha) * background[:, :, None, None]
    depth = alpha * (points * cameras.c2w[:, None, None, :3, 2]).sum(-1)[:, None].neg().add(cameras.distance[0])
    return Views(rgb, alpha, depth, alpha * points.movedim(-1, 1) / RADIUS)


def fit(field: Field, optimizer: torch.optim.Optimizer, start: int, stop: int) -> None:
    for step in range(start, stop):
        random = generator(7, step)
        azimuth, elevation = 360 * torch.rand(4, generator=random), 120 * torch.rand(4, generator=random) - 60
        cameras, background = orbit(azimuth, elevation, size=32), torch.rand(4, 3, generator=random)
        loss = (field.render(cameras, background).rgb - ball(cameras, background).rgb).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        field.after_step(step, stop, optimizer, random)


@pytest.fixture(scope="module")
def fitted() -> Field:
    field = Field(seed=0, **SMALL)
    fit(field, make_optimizer(field), 0, 40)
    return field.eval()


@torch.no_grad()
def test_it_learns_colour_shape_depth_and_normals(fitted: Field) -> None:
    cameras, white = sphere(6, 40), torch.ones(6, 3)
    views, truth = fitted.render(cameras, white, normals=True), ball(cameras, white)
    assert -10 * (views.rgb - truth.rgb).square().mean().log10() > 24
    inner = torch.nn.functional.avg_pool2d(truth.alpha, 5, 1, 2) == 1
    assert views.alpha[inner].min() > 0.98
    assert views.alpha[torch.nn.functional.max_pool2d(truth.alpha, 11, 1, 5) == 0].max() < 0.02
    assert (views.depth - truth.depth)[inner].abs().mean() < 0.05
    assert views.normal is not None
    assert (views.normal * truth.normal).sum(1, keepdim=True)[inner].mean() > 0.85
    assert (views.normal.norm(dim=1, keepdim=True) <= views.alpha + 1e-5).all()


def test_most_of_space_is_passed_over_once_there_is_a_shape(fitted: Field) -> None:
    assert fitted.occupied.float().mean() < 0.9 * Field(seed=0, **SMALL).occupied.float().mean()
    assert fitted.floor.max() > 0


def test_every_cell_inside_the_sphere_is_looked_at_with_its_neighbours() -> None:
    field, random = Field(seed=0, **SMALL), torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(999, 3, generator=random), dim=1)
    looked = torch.zeros(32, 32, 32, dtype=torch.bool)
    looked[field.corners.unbind(1)] = True
    assert looked[((points + 1) * 16).long().unbind(1)].all() and looked.float().mean() < 0.7
    grid = torch.rand(7, 7, 7, generator=random)
    assert torch.equal(_highest_nearby(grid), torch.nn.functional.max_pool3d(grid[None], 3, stride=1, padding=1)[0])


def test_the_ending_of_rays_changes_nothing_to_be_seen(fitted: Field) -> None:
    cameras, black = sphere(3, 32), torch.zeros(3, 3)
    with torch.no_grad():
        ended = fitted.render(cameras, black)
        occupied, floor = fitted._grids()
        fitted._still = occupied, torch.zeros_like(floor)
        whole = fitted.render(cameras, black)
        fitted._still = torch.ones_like(occupied), torch.zeros_like(floor)  # every cell
        everything = fitted.render(cameras, black)
        fitted.eval()
    assert floor.max() > 0 and occupied.float().mean() < fitted.occupied.float().mean()
    assert (ended.rgb - whole.rgb).abs().max() < 0.01 and (ended.alpha - whole.alpha).abs().max() < 0.01
    assert (ended.alpha - everything.alpha).abs().max() < 0.03


def test_resuming_is_bit_identical() -> None:
    straight = Field(seed=3, **SMALL)
    optimizer = make_optimizer(straight)
    fit(straight, optimizer, 0, 6)
    resumed = Field(seed=3, **SMALL)
    resumed.load_state_dict({name: value.clone() for name, value in straight.state_dict().items()})
    again = make_optimizer(resumed)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for field, adam in ((straight, optimizer), (resumed, again)):
        fit(field, adam, 6, 12)
    left, right = straight.state_dict(), resumed.state_dict()
    assert left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_it_becomes_a_mesh(fitted: Field) -> None:
    mesh = fitted.to_mesh(48)
    radii = np.linalg.norm(mesh.vertices, axis=-1)
    assert abs(np.median(radii) - RADIUS) < 0.05
    assert radii.max() < RADIUS + 0.1


def test_evaluation_leaves_no_trace() -> None:
    field = Field(seed=0, **SMALL).eval()
    before = {name: value.clone() for name, value in field.state_dict().items()}
    cameras, background = sphere(1, 8), torch.rand(1, 3)
    with torch.no_grad():
        first, second = field.render(cameras, background), field.render(cameras, background)
    assert torch.equal(first.rgb, second.rgb)
    assert all(torch.equal(value, before[name]) for name, value in field.state_dict().items())


def test_jitter_differs_from_render_to_render_in_training() -> None:
    field = Field(seed=0, **SMALL)
    cameras, background = sphere(1, 16), torch.zeros(1, 3)
    first, second = field.render(cameras, background), field.render(cameras, background)
    assert not torch.equal(first.alpha, second.alpha)
    assert first.normal is None


def test_regularizers_know_fog_from_matter() -> None:
    def penalties(alpha: float) -> dict[str, Tensor]:
        image = torch.full((1, 1, 4, 4), alpha)
        return Field(seed=0, **SMALL).regularizers(Views(image.expand(1, 3, 4, 4), image, image))

    clear, fog, solid = penalties(0.0), penalties(0.5), penalties(1.0)
    assert clear["sparsity"] < fog["sparsity"] < solid["sparsity"]
    assert clear["opaque"] < fog["opaque"] > solid["opaque"]
    assert solid["opaque"].isfinite()
