"""Run folders: atomic, never overwritten, checkpoints that survive a torn write."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from dreamforge import config
from dreamforge.errors import UserError
from dreamforge.rng import generator
from dreamforge.runs import Checkpoint, Run, write_atomic


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run.create(config.load("splats", prompt="A red car!")[0], ["dreamforge", "run"])


def test_folder_explains_itself_and_opens_again(run: Run) -> None:
    assert run.folder == Path("outputs/a-red-car-001")
    assert Run.open(run.folder).config == run.config
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["command"] == ["dreamforge", "run"] and manifest["versions"]["torch"] == torch.__version__


def test_a_second_run_takes_the_next_number(run: Run) -> None:
    assert Run.create(run.config, []).folder.name == "a-red-car-002"


def test_out_is_the_folder_itself_and_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "car"
    assert Run.create(run.config, [], str(out)).folder == out
    with pytest.raises(UserError, match="nothing is overwritten"):
        Run.create(run.config, [], str(out))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot make the run folder"):
        Run.create(run.config, [], str(tmp_path / "file" / "below"))


def test_newest_readable_checkpoint_wins(run: Run) -> None:
    for step in (10, 20, 30):
        run.save_checkpoint(Checkpoint(0, step, {"scene.x": torch.full((2,), float(step))}, {"lr_factor": 0.5}))
    files = sorted((run.folder / "checkpoints").iterdir())
    assert [file.name for file in files] == ["stage00-step000020.safetensors", "stage00-step000030.safetensors"]
    last = run.last_checkpoint()
    assert (last.stage, last.step, last.counters["lr_factor"], last.tensors["scene.x"][0]) == (0, 30, 0.5, 30)
    files[-1].write_bytes(files[-1].read_bytes()[:-3])  # torn by a crash of the disk
    assert run.last_checkpoint().step == 20


def test_metrics_past_the_checkpoint_are_forgotten(run: Run) -> None:
    for stage, step in ((0, 0), (0, 10), (1, 0), (1, 10)):
        run.log(stage=stage, step=step)
    run.forget_after(1, 5)
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [(0, 0), (0, 10), (1, 0)]


def test_atomic_write_replaces_whole_files_only(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_of_the_file_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(tmp_path / "x.glb", b"one")
    assert caught.value.filename == str(tmp_path / "x.glb") and not list(tmp_path.iterdir())


def test_random_numbers_depend_on_their_purpose_alone() -> None:
    draw = lambda *key: torch.rand(3, generator=generator(*key)).tolist()  # noqa: E731
    assert draw(0, 1, 2, "noise") == draw(0, 1, 2, "noise")
    different = [draw(0, 1, 2, "noise"), draw(1, 1, 2, "noise"), draw(0, 1, 2, "cameras"), draw(0, 12, "noise")]
    assert len({tuple(row) for row in different}) == 4
