"""Objectives take steps on every family of checkpoints, or refuse for the reason that is documented.

All of them on a latent model that predicts noise and on one that predicts a flow; on the other two, which differ from the
first in how a prompt is read and in what is diffused, one of each kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers")

from dreamforge import building, config, pipeline
from dreamforge.console import Console
from dreamforge.errors import UserError
from dreamforge.objectives import OBJECTIVES
from tests.priors.checkpoints import FAMILIES

PICTURE = "takes image prompts"  # an IP-Adapter makes them
REFUSALS = {
    **dict.fromkeys(("mvdream", "imagedream"), "several views at once"),
    **dict.fromkeys(("anchords", "ipsds", "isd", "vp3d"), PICTURE),
}


EACH_KIND = ("sds", "vsd", "ism", "dds", "reward_sds", "hifa")
CASES = [(family, name) for family in FAMILIES for name in OBJECTIVES if family in ("sd", "sd3") or name in EACH_KIND]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in FAMILIES.items()}


@pytest.mark.parametrize(("family", "name"), CASES)
def test_two_steps_or_the_documented_refusal(
    family: str, name: str, models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objective's recipe as `run` has it, up to the export: the scene has moved and is finite."""
    scenes: list[Any] = []
    monkeypatch.setattr(pipeline, "_finish", lambda run, scene, console: scenes.append(scene))
    monkeypatch.setattr(pipeline, "preview", lambda scene, path: None)
    model = models[family]
    overrides = [f"prior={{name: diffusers, model: '{model}'}}"]
    stages = config.load(name, overrides, prompt="a cat")[0].stages
    overrides += ["stages.0.scene.count=100"] if stages[0].scene.name == "gaussians" else []
    overrides += [f"stages.{index}.{text}" for index in range(len(stages)) for text in ("steps=2", "size=16")]
    if name == "dsd":
        phi = "stages.1.phi={name: network, camera_dropout: 1}"  # its published adapters need a UNet
        overrides += [f"stages.1.second_prior={{name: diffusers, model: '{model}'}}", phi]
    if name.startswith("reward"):
        overrides += ["stages.0.objective.draws=4", "stages.0.objective.steps=2"]
    settings = {"source_prompt": "a dog", "console": Console(quiet=True)}
    if name in REFUSALS:
        with pytest.raises(UserError, match=REFUSALS[name]):
            pipeline.start("a cat", name, overrides, str(tmp_path / "run"), **settings)
        return
    run = pipeline.start("a cat", name, overrides, str(tmp_path / "run"), **settings)
    fresh, (scene,) = building.build_scene(run.config, 0, torch.device("cpu")).state_dict(), scenes
    moved = [value - fresh[key] for key, value in scene.state_dict().items() if value.is_floating_point()]
    assert all(change.isfinite().all() for change in moved) and max(change.abs().max() for change in moved) > 0
