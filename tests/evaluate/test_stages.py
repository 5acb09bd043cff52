"""Stages of a run, judged from the scenes they ended with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamforge import config as configuration
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.evaluate.stages import compare_stages
from dreamforge.export.clean import clean
from dreamforge.export.texture import bake
from dreamforge.rendering.raster import render_mesh
from dreamforge.runs import Checkpoint, Run
from dreamforge.scenes.mesh import TexturedMesh
from dreamforge.toyworld.captions import parse
from dreamforge.toyworld.meshes import to_mesh
from dreamforge.toyworld.world import instance

PROMPTS = ["a red car", "a snowman wearing a blue scarf"]


def textured(prompt: str) -> Mesh:
    truth = to_mesh(instance(parse(prompt), 77))
    return bake(clean(truth, 2000), lambda cameras, background: render_mesh(truth, cameras, background), 128)


def test_a_stage_that_helps_is_seen_to_help(tmp_path: Path) -> None:
    """The first stage ended with a grey ball, and went on for a while; the second with a car."""
    mesh = "{name: mesh, texture_size: 64}"
    config, _ = configuration.load("dreamgaussian", [f"stages.0.scene={mesh}", f"stages.1.scene={mesh}"], prompt=PROMPTS[0])
    run = Run.create(config, [], str(tmp_path / "run"))
    scene = TexturedMesh(texture_size=64)
    steps = [stage.steps for stage in config.stages]
    for stage, step in ((0, 1), (0, steps[0]), (1, 1), (1, 2), (1, steps[1])):
        if step == steps[1]:
            scene.adopt(textured(PROMPTS[0]), torch.device("cpu"))
        run.save_checkpoint(Checkpoint(stage, step, {f"scene.{k}": v for k, v in scene.state_dict().items()}, {}))
    kept = [path.stem for path in sorted((run.folder / "checkpoints").iterdir())]
    assert kept == [f"stage00-step{steps[0]:06d}", "stage01-step000002", f"stage01-step{steps[1]:06d}"]
    lines = compare_stages([str(run.folder)], PROMPTS, tmp_path / "stages.png").splitlines()
    before, after = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:])
    assert before[:2] == ["form", "mesh"] and after[:2] == ["texture", "mesh"]
    assert after[2:4] == ["1", "1"] and float(before[3]) < 1
    assert float(after[5]) > 3 * float(before[5]) and 0.7 < float(after[4]) < 1.3
    assert (tmp_path / "stages.png").is_file()
    with pytest.raises(UserError, match="prompt list"):
        compare_stages([str(run.folder)], PROMPTS[1:])
    (run.folder / "checkpoints" / f"{kept[0]}.safetensors").unlink()
    with pytest.raises(UserError, match="no finished stage 0"):
        compare_stages([str(run.folder)], PROMPTS)
