"""Whole steps and runs on the device: nothing waits for it, what is made is right, and runs leave what they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dreamforge import config as configuration
from dreamforge.cameras import orbit
from dreamforge.contracts import Condition, Scene
from dreamforge.optimize import Progress, make_optimizer, optimize
from dreamforge.building import build_scene
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.pixels import PixelSpace

pytestmark = pytest.mark.gpu
DEVICE = torch.device("cuda")


class Orange(PixelSpace):
    """A prior on the device that is sure of one thing: everything is orange."""

    device = DEVICE

    def __init__(self) -> None:
        noise = NoiseProcess.stable_diffusion()
        self.noise = NoiseProcess(noise.alphas.to(DEVICE), noise.sigmas.to(DEVICE))
        self.wanted = torch.tensor([1.0, 0.3, -0.8], device=DEVICE).view(1, 3, 1, 1)

    def condition(self, prompts: Sequence[str], *_: object) -> Condition:
        return Condition(None)

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        alpha, sigma = self.noise.alpha_sigma(t, z_t)
        return [(z_t - alpha * self.wanted) / sigma] * len(conditions)


@torch.no_grad()
def far_off(scene: Scene, prior: Orange) -> float:
    """How far the front of a scene on white is from what the prior wants."""
    shown = prior.encode(scene.render(orbit([0.0], 15.0, size=64), torch.ones(1, 3)).rgb)
    return float((shown - prior.wanted).abs().mean())


@pytest.mark.parametrize("recipe", ["splats", "field"])
def test_a_step_waits_for_nothing(recipe: str) -> None:
    """Not even for how many samples or tiles there are; once the first steps have compiled and measured."""
    config, _ = configuration.load(recipe, ["stages.0.size=64"], prompt="an orange")
    scene, prior = build_scene(config, 0, DEVICE), Orange()
    progress = Progress(make_optimizer(scene))
    steps = optimize(config.stages[0], scene, prior, "an orange", "", 0, 0, progress, log_every=1000)
    before = far_off(scene, prior)
    for _ in range(6):
        next(steps)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(8):
            last = next(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(value.device.type == "cuda" for value in last.figures.values())
    assert far_off(scene, prior) < 0.9 * before


@pytest.mark.parametrize("recipe", ["splats", "field"])
def test_a_run_on_the_device(recipe: str, tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="a run ends with a film, which needs imageio-ffmpeg")
    short = ["stages.0.steps=40", "stages.1.steps=12", "stages.1.size=64", "export.texture=256", "export.resolution=64"]
    command = [sys.executable, "-m", "dreamforge.cli", "run", "--prompt", "a yellow duck", "--recipe", recipe]
    command += ["--out", "duck", "device=cuda", *short]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "duck" / "manifest.json").read_text())["state"] == "finished"
    assert (tmp_path / "duck" / "assets" / "model.glb").stat().st_size > 0
