"""The learned score in the loop and in a run's folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dreamforge import config
from dreamforge.cli import main
from dreamforge.errors import UserError
from dreamforge.learned.network import Network
from dreamforge.optimize import Progress, make_optimizer, optimize
from dreamforge.building import build_phi
from dreamforge.priors.analytic import Analytic
from dreamforge.runs import Run
from tests.test_end_to_end import dreamforge
from tests.test_optimize import RED, Picture

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = ["stages.0.size=16", "stages.0.batch=2", "stages.0.steps=6", "stages.1.size=16", "stages.1.batch=2", "stages.1.steps=4"]


def recipe(*overrides: str) -> config.RunConfig:
    return config.load("vsd", [*TINY, *overrides], prompt="x")[0]


def test_phi_is_built_for_objectives_that_take_one_and_goes_on_with_their_scene() -> None:
    """A later stage's phi has the shape of the stage in which it began; catches one begun anew on resume."""
    prior = Analytic()
    assert build_phi(config.load("splats", prompt="x")[0], 0, prior) is None
    one, two = (build_phi(recipe("stages.1.size=64"), stage, prior) for stage in (0, 1))
    assert isinstance(one, Network) and one.patch == two.patch == 1
    assert build_phi(recipe("stages.1.size=64", "stages.1.scene=gaussians"), 1, prior).patch == 4
    assert build_phi(recipe("stages.1.size=64", "stages.1.phi={name: network, width: 8}"), 1, prior).patch == 4
    assert build_phi(recipe("stages.1.size=64", "stages.0.objective=sds"), 1, prior).patch == 4


def test_the_loop_trains_phi_on_what_it_renders() -> None:
    """phi's loss falls while the picture stands still. Catches a phi that is never trained, or on a stale picture."""
    scene, prior = Picture(), Analytic(means=[RED], stds=[0.1])
    settings = config.load("vsd", [*TINY, "stages.0.steps=120", "stages.0.lr=0", "stages.0.view_prompts=false"], prompt="x")[0]
    phi = build_phi(settings, 0, prior)
    progress = Progress(make_optimizer(scene), phi=phi)
    losses = [s.figures["phi_loss"].item() for s in optimize(settings.stages[0], scene, prior, "", "", 0, 0, progress)]
    assert sum(losses[-40:]) < 0.6 * sum(losses[:40])
    assert torch.equal(scene.rgb, Picture().rgb)


def test_particles_belong_to_the_stage_that_makes_the_scene() -> None:
    assert recipe("stages.0.particles=3").stages[0].particles == 3
    with pytest.raises(UserError, match="stages.1.particles"):
        recipe("stages.1.particles=2")


def test_a_phi_that_does_not_fit_the_prior_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--prompt", "a cat", "--recipe", "vsd", "stages.1.phi=lora"]) == 2
    assert "use phi=network" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_a_killed_vsd_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL with two particles and a phi under way; its network and Adam's moments are in the checkpoint."""
    arguments = [
        "run", "--prompt", "a red car", "--recipe", "vsd", *TINY, "stages.0.particles=2", "stages.0.steps=40",
        "checkpoint_every=2", "export.resolution=24", "export.texture=64", "preview_every=1000",
    ]  # fmt: skip
    done = dreamforge(*arguments, "--out", "whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "dreamforge.cli", *arguments, "--out", "killed"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("killed/checkpoints/*.safetensors")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "assets" / "model.glb").exists()
    done = dreamforge("resume", "killed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole, killed = (Run.open(tmp_path / name).last_checkpoint() for name in ("whole", "killed"))
    assert any(name.startswith("phi.") for name in whole.tensors)
    assert any(name.startswith("phi_optimizer.") for name in whole.tensors)
    assert whole.tensors.keys() == killed.tensors.keys()
    assert all(torch.equal(value, killed.tensors[name]) for name, value in whole.tensors.items())
    assert (tmp_path / "whole/assets/model.glb").read_bytes() == (tmp_path / "killed/assets/model.glb").read_bytes()
