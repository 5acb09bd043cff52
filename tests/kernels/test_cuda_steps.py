"""Optimization steps with every kernel of a scene from CUDA, run on the CPU, against the same steps on Numba."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge import config as configuration
from dreamforge.kernels import splat_cuda, volume_cuda
from dreamforge.optimize import Progress, make_optimizer, optimize
from dreamforge.building import build_prior, build_scene
from tests.kernels.emulator import cuda_on_cpu, needs_compiler

pytestmark = needs_compiler


def figures(recipe: str, steps: int) -> list[dict[str, Tensor]]:
    options = ["stages.0.size=24", "stages.0.batch=2", "device=cpu"]
    config, _ = configuration.load(recipe, options, prompt="a yellow duck")
    scene, prior = build_scene(config, 0, torch.device("cpu")), build_prior(config)
    walk = optimize(config.stages[0], scene, prior, "a yellow duck", "", 0, 0, Progress(make_optimizer(scene)))
    return [next(walk).figures for _ in range(steps)]


@pytest.mark.parametrize("recipe", ["splats", "field"])
def test_steps_go_the_same_way(recipe: str) -> None:
    """The third step and those after have more room than samples or tiles; nothing must come of it."""
    splat_cuda.capacity.cache_clear()
    volume_cuda.capacity.cache_clear()
    expected = figures(recipe, 5)
    with cuda_on_cpu():
        actual = figures(recipe, 5)
    for mine, theirs in zip(actual, expected, strict=True):
        for name in ("loss", "opacity"):
            assert mine[name].item() == pytest.approx(theirs[name].item(), rel=2e-3), name
    assert expected[0]["loss"] != pytest.approx(expected[4]["loss"].item(), rel=1e-2)
