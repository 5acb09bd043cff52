"""A sweep's folder, and the carrying out of one of its jobs, wherever that happens.

    sweep.json              the jobs, and the engine that carries them out
    runs/NAME/              an ordinary run each
    failures/NAME.json      why a run made no asset
    report.html             the gallery

What became of a job is read from its run's own folder: there is no index that could be wrong.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dreamforge import pipeline
from dreamforge.console import Console
from dreamforge.errors import UserError
from dreamforge.runs import write_atomic
from dreamforge.stopping import Interrupted
from dreamforge.sweep.plan import Job

LIVELY = 120.0  # seconds without a sign of life after which a begun run counts as interrupted

State = Literal["waiting", "running", "interrupted", "finished", "failed"]


@dataclass
class Engine:
    """Who carries the jobs out. cpus_per_run: threads of each run; a resumed run needs as many for the same bits.

    jobs: runs at a time, of the local engine (0: as many as there are GPUs, or else cores for). gpus_per_run: of Ray and
    Slurm. address: of a Ray cluster. partition, array (Slurm jobs at most), minutes (limit of each): of Slurm.
    """

    name: Literal["local", "ray", "slurm"] = "local"
    cpus_per_run: int = 1
    jobs: int = 0
    gpus_per_run: float = 0
    address: str | None = None
    partition: str | None = None
    array: int = 64
    minutes: int = 240


@dataclass(frozen=True)
class Outcome:
    """What a job came to just now; `line` says why it failed."""

    name: str
    state: State
    line: str = ""


class Sweep:
    """An open sweep folder."""

    def __init__(self, folder: Path, jobs: list[Job], engine: Engine) -> None:
        self.folder, self.jobs, self.engine = folder, jobs, engine

    @classmethod
    def create(cls, folder: Path, jobs: list[Job], engine: Engine) -> Sweep:
        """A new folder; UserError where there is something in it already."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists and is not empty; go on with `dreamforge sweep resume {folder}`, or choose another --out")
        (folder / "runs").mkdir(parents=True)
        (folder / "failures").mkdir()
        sweep = cls(folder, jobs, engine)
        content = {"engine": asdict(engine), "jobs": [asdict(job) for job in jobs]}
        write_atomic(folder / "sweep.json", json.dumps(content, indent=1).encode())
        return sweep

    @classmethod
    def open(cls, folder: Path) -> Sweep:
        """An existing sweep."""
        path = folder / "sweep.json"
        if not path.is_file():
            raise UserError(f"{folder} is not a sweep (it has no sweep.json); give the folder that `dreamforge sweep` made")
        try:
            content = json.loads(path.read_text())
            return cls(folder, [Job(**job) for job in content["jobs"]], Engine(**content["engine"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a sweep's plan: {error}") from error

    @property
    def go_on(self) -> str:
        """The command that makes what is left."""
        return f"dreamforge sweep resume {self.folder}"

    def run_folder(self, job: Job) -> Path:
        """Where a job's run is, or will be."""
        return self.folder / "runs" / job.name

    def manifest(self, job: Job) -> dict[str, Any]:
        """What a job's run says of itself so far."""
        return _json(self.run_folder(job) / "manifest.json")

    def failure(self, job: Job) -> str | None:
        """Why a job failed, or None."""
        return _json(self.folder / "failures" / f"{job.name}.json").get("line")

    def state(self, job: Job) -> State:
        """What became of a job so far."""
        manifest = self.manifest(job)
        if manifest.get("state") == "finished":
            return "finished"
        if self.failure(job) is not None:
            return "failed"
        if not manifest:
            return "waiting"
        signs = [self.run_folder(job) / name for name in ("manifest.json", "metrics.jsonl", "assets")]
        alive = max(path.stat().st_mtime for path in signs if path.exists())
        return "running" if time.time() - alive < LIVELY else "interrupted"

    def outstanding(self) -> list[Job]:
        """The jobs that have made no asset yet, failed ones included."""
        return [job for job in self.jobs if self.manifest(job).get("state") != "finished"]


def carry_out(folder: Path, job: Job) -> Outcome:
    """Make a job's run, or what is left of it. Nothing but a kill gets past this: a failure is written down."""
    with open(folder / "runs" / f".{job.name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a process whose parent was killed is still at it
            return Outcome(job.name, "running")
        return _carry_out(folder, job)


def _carry_out(folder: Path, job: Job) -> Outcome:
    run, failure = folder / "runs" / job.name, folder / "failures" / f"{job.name}.json"
    failure.unlink(missing_ok=True)
    quiet = Console(quiet=True)
    try:
        if (run / "config.yaml").is_file():
            pipeline.resume(run, quiet)
        else:
            shutil.rmtree(run, ignore_errors=True)  # killed while it was being made
            command = ["dreamforge", "sweep", "resume", str(folder)]
            pipeline.start(job.prompt, job.recipe, job.overrides, str(run), command, quiet, seed=job.seed, **job.settings)
    except Interrupted:
        return Outcome(job.name, "interrupted")
    except UserError as error:
        return failed(folder, job, str(error))
    except Exception as error:
        return failed(folder, job, f"{type(error).__name__}: {error}", traceback.format_exc())
    return Outcome(job.name, "finished")


def failed(folder: Path, job: Job, line: str, details: str = "") -> Outcome:
    """Write down why a job failed."""
    content = {"line": " ".join(line.split()), "details": details}
    write_atomic(folder / "failures" / f"{job.name}.json", json.dumps(content, indent=1).encode())
    return Outcome(job.name, "failed", content["line"])


def summary(states: Sequence[State]) -> str:
    """How many jobs are in each state."""
    order = ("finished", "running", "interrupted", "failed", "waiting")
    return ", ".join(f"{states.count(state)} {state}" for state in order if state in states)


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
