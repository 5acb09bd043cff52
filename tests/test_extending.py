"""What docs/extending.md promises: a method in one short file, also from a package of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from dreamforge import components
from dreamforge.components import entries
from dreamforge.errors import UserError
from dreamforge.objectives.sds import sds
from dreamforge.optimize import Progress, make_optimizer, optimize
from dreamforge.priors.analytic import Analytic
from tests.conftest import conditions
from tests.objectives.networks import Network, bars, draw
from tests.test_optimize import Picture, stage

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugin"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder such as `pip install --target` leaves of examples/plugin: the module, and its declared entry points."""
    for module in EXAMPLE.glob("*.py"):
        shutil.copy(module, tmp_path)
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "dreamforge_pull-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def dreamforge(*arguments: str, plugins: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dreamforge.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{plugins}{os.pathsep}{ROOT}"}
    return subprocess.run(command, cwd=plugins, env=environment, capture_output=True, text=True, check=False)


def test_the_example_is_the_one_that_the_page_shows_in_at_most_forty_lines() -> None:
    page = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.S)
    for shown, start, name in zip(page, ("def pull", "class Bright"), ("pull", "bright"), strict=True):
        written = (EXAMPLE / f"dreamforge_{name}.py").read_text()
        assert shown[shown.index(start) :].strip() in written and len(written.splitlines()) <= 40


def test_the_example_is_right(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SDS in x0 form: the weight is sigma_bar. Found through its entry point, as an installed package is."""
    monkeypatch.syspath_prepend(str(installed))
    method = entries("objectives")["pull"]
    prior, z, eps, t = Network(), draw(3, 4), draw(3, 4, seed=1), torch.tensor([20, 500, 980])
    grad = method.function(z, t, eps, prior, conditions(prior, 3), guidance=3.0).grad
    plain = sds(z, t, eps, prior, conditions(prior, 3), guidance=3.0, weight="uniform").grad
    assert torch.allclose(grad, bars(prior.noise, t) * plain, atol=1e-9) and method.evaluations == "2"


def test_any_differentiable_scorer_plugs_in_and_pulls(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VLM3D's role: a reward of another package draws the picture to what it likes, and only if it has a weight."""
    monkeypatch.syspath_prepend(str(installed))
    reached = []
    for weight in (0, 1e4):
        chosen = stage("steps=80", "reward={name: bright, wanted: 0.9}", f"reward_weight={weight}")
        scene, prior = Picture(), Analytic(means=[[0.0, 0.0, 0.0]], stds=[0.5])
        list(optimize(chosen, scene, prior, "", "", 0, 0, Progress(make_optimizer(scene))))
        reached.append(scene.rgb.detach().mean().item())
    assert reached[1] > 0.8 > reached[0] + 0.15


def test_an_installed_plugin_makes_an_asset(installed: Path) -> None:
    """Listed, checked (a mistyped option has a suggestion) and run by its recipe, in a process of its own."""
    listed = dreamforge("list", "objectives", plugins=installed)
    assert re.search(r"^pull .*one-step denoised picture", listed.stdout, re.M), listed.stderr
    recipe = str(EXAMPLE / "pull.yaml")
    short = ["stages.0.steps=20", "stages.1.steps=5", "stages.1.size=64", "export.resolution=48", "export.texture=128"]
    wrong = dreamforge("run", "--prompt", "a duck", "--recipe", recipe, "stages.0.objective.guidanse=2", plugins=installed)
    assert wrong.returncode == 2 and "did you mean 'guidance'" in wrong.stderr
    done = dreamforge("run", "--prompt", "a duck", "--recipe", recipe, "--out", "duck", *short, plugins=installed)
    assert done.returncode == 0, done.stderr
    assert (installed / "duck" / "assets" / "model.glb").is_file()


def test_a_plugin_that_takes_a_name_or_does_not_load_is_said_so(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    points = next(installed.glob("*.dist-info")) / "entry_points.txt"
    for line, words in (("sds = dreamforge_pull:METHOD", "'sds', which is taken"), ("x = nowhere:x", "does not load")):
        points.write_text(f"[dreamforge.objectives]\n{line}\n")
        components.plugins.cache_clear()
        with pytest.raises(UserError, match=words):
            entries("objectives")
