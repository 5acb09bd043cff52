"""Two short runs and the files they come to when nothing disturbs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamforge.sweep import local
from dreamforge.sweep.folder import Engine, Sweep
from dreamforge.sweep.plan import Job

SHORT = [
    "stages.0.steps=24", "stages.1.steps=1", "stages.1.size=64", "export.texture=64", "export.resolution=40",
    "export.faces=1000", "checkpoint_every=1",
]
JOBS = [Job("0-car", "splats", "a red car", 0, overrides=SHORT), Job("1-duck", "sds", "a yellow duck", 1, overrides=SHORT)]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The .glb of each job, made one after the other in one process of their own."""
    sweep = Sweep.create(tmp_path_factory.mktemp("sweep") / "reference", JOBS, Engine(jobs=1))
    assert [outcome.state for outcome in local.run(sweep, JOBS)] == ["finished", "finished"]
    return assets(sweep)


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep.create(tmp_path / "sweep", JOBS, Engine(jobs=1))


def assets(sweep: Sweep) -> dict[str, bytes]:
    return {job.name: (sweep.run_folder(job) / "assets" / "model.glb").read_bytes() for job in JOBS}


def steps_done(sweep: Sweep, job: Job) -> int:
    """Steps in a job's newest checkpoint."""
    names = [path.stem for path in (sweep.run_folder(job) / "checkpoints").glob("stage*.safetensors")]
    return max((int(name.rpartition("step")[2]) for name in names if name.startswith("stage00")), default=0)


def wait_for(happened: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def descendants(pid: int, named: str) -> list[int]:
    """The processes below one whose command lines contain `named`."""
    listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    children = [int(child) for text in listed for child in text.split()]
    own = [child for child in children if named.encode() in Path(f"/proc/{child}/cmdline").read_bytes()]
    return own + [below for child in children for below in descendants(child, named)]
