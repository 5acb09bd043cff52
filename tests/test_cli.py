"""The command line refuses bad input in one line with exit code 2, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamforge.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


BAD = {
    "unknown words": (["run", "--prompt", "a quantum flibbertigibbet"], "flibbertigibbet"),
    "empty prompt": (["run", "--prompt", " "], "no prompt"),
    "unknown negative": (["run", "--prompt", "a cat", "--negative", "zyx"], "zyx"),
    "unknown key": (["run", "--prompt", "a cat", "stages.0.stepz=3"], "did you mean 'steps'"),
    "bad value": (["run", "--prompt", "a cat", "stages.0.steps=many"], "not a whole number"),
    "bad scene option": (["run", "--prompt", "a cat", "stages.0.scene.count=0"], "at least 1"),
    "bad camera": (["run", "--prompt", "a cat", "stages.1.cameras.fov=[50, 40]"], "not [low, high]"),
    "unknown penalty": (["run", "--prompt", "a cat", "stages.1.regularizers.nope=1"], "no such penalty"),
    "missing recipe": (["run", "--prompt", "a cat", "--recipe", "splat"], "did you mean 'splats'"),
    "unknown prior": (["run", "--prompt", "a cat", "--prior", "toyword"], "did you mean 'toyworld'"),
    "prior without model": (["run", "--prompt", "a cat", "--prior", "diffusers"], "name a folder"),
    "unknown format": (["run", "--prompt", "a cat", "--format", "fbx"], "no format 'fbx'"),
    "cuda asked for": (["run", "--prompt", "a cat", "device=cudda"], "is not a device"),
    "setting nothing takes": (["bench", "kernels", "stages.0.steps=3"], "unrecognized argument 'stages.0.steps=3'"),
    "setting of a sweep begun": (["sweep", "status", "somewhere", "stages.0.steps=3"], "unrecognized argument"),
    "unknown flag": (["run", "--prompt", "a cat", "--stepz", "3"], "--stepz"),
    "no command": ([], "COMMAND"),
    "missing prompt": (["run"], "--prompt"),
    "resume nothing": (["resume", "nowhere"], "not a run folder"),
    "export nothing": (["export", "nowhere"], "not a run folder"),
    "export faces": (["export", "nowhere", "--faces", "many"], "--faces"),
    "view nothing": (["view", "nowhere"], "no such file"),
    "object words": (["toyworld", "object", "a flibber", "-o", "x.glb"], "flibber"),
    "object format": (["toyworld", "object", "a cat", "-o", "x.fbx"], "no format"),
    "object folder": (["toyworld", "object", "a cat", "-o", "nowhere/x.glb"], "No such file"),
    "bank of nothing": (["toyworld", "bank", "none.glb", "-o", "bank"], "no such file"),
    "empirical of nothing": (["run", "--prompt", "a cat", "--recipe", "empirical"], "prior.folder=DIR"),
    "batch of an objective": (["run", "--prompt", "a cat", "--recipe", "mvdream", "stages.0.batch=3"], "sets of 4"),
    "unknown list": (["list", "prior"], "priors"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(case: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv, expected = BAD[case]
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert expected in printed.err and printed.err.count("\n") == 1 and "Traceback" not in printed.err
    assert printed.out == "" and list(here.iterdir()) == []


def test_an_unwritable_folder_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").write_text("")
    assert main(["run", "--prompt", "a cat", "--out", str(here / "file" / "x")]) == 2
    assert "choose another" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["file"]


def test_tables_and_config_and_doctor_print(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, expected in (
        (["list", "recipes"], "splats"),
        (["list", "objectives"], "sds"),
        (["list", "priors"], "toyworld"),
        (["list", "scenes"], "gaussians"),
        (["list", "words"], "corgi"),
        (["config", "field", "stages.0.steps=9"], "stages.0.steps=9"),
        (["doctor"], "splat"),
    ):
        assert main(argv) == 0
        assert expected in capsys.readouterr().out


def test_import_and_help_are_quick_and_free_of_torch() -> None:
    code = "import sys, dreamforge, dreamforge.cli; assert 'torch' not in sys.modules and 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ""})


def test_a_toyworld_object_and_its_bank_are_written(here: Path) -> None:
    assert main(["toyworld", "object", "a red car", "-o", "car.glb"]) == 0
    assert main(["toyworld", "bank", "car.glb", "-o", "bank", "--views", "3", "--size", "32"]) == 0
    assert sorted(path.name for path in (here / "bank").iterdir()) == [
        "0000.png", "0001.png", "0002.png", "transforms.json",
    ]
    assert main(["toyworld", "bank", "car.glb", "-o", "bank"]) == 2
