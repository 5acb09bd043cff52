"""Start a sweep, take it up again, and say how it stands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import rich.console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dreamforge.runs import slug
from dreamforge.sweep import cluster, local, slurm
from dreamforge.sweep.folder import Engine, Outcome, Sweep, summary
from dreamforge.sweep.gallery import write_gallery
from dreamforge.sweep.plan import Job, expand, list_file

Say = Callable[[str], None]

ENGINES: dict[str, Callable[[Sweep, Sequence[Job]], Iterator[Outcome]]] = {"local": local.run, "ray": cluster.run}


def start(
    prompts: str, recipes: Sequence[str], seeds: Sequence[int], overrides: Sequence[str], engine: Engine,
    out: str | None, dry: bool, say: Say,
) -> int:  # fmt: skip
    """Expand and check a list of prompts, then carry it all out; returns how many jobs failed. dry: only say what would
    be made."""
    jobs = expand(list_file(prompts), recipes, seeds, overrides)
    if dry:
        for job in jobs:
            say("  ".join([job.name, job.prompt, job.recipe, f"seed {job.seed}", *job.overrides]))
        say(f"{len(jobs)} runs, all valid; nothing was made")
        return 0
    sweep = Sweep.create(Path(out).expanduser() if out else _numbered(prompts), jobs, engine)
    say(f"{len(jobs)} runs  →  {sweep.folder}")
    return _carry_out(sweep, jobs, say)


def resume(folder: str, changes: dict[str, object], say: Say) -> int:
    """Make what a sweep has not made yet, failed runs once more, with what `changes` of its engine."""
    sweep = Sweep.open(Path(folder).expanduser())
    sweep.engine = Engine(**{**asdict(sweep.engine), **changes})
    return _carry_out(sweep, sweep.outstanding(), say)


def status(folder: str, say: Say) -> None:
    """How many runs are in which state, and why those failed that did."""
    sweep = Sweep.open(Path(folder).expanduser())
    states = [sweep.state(job) for job in sweep.jobs]
    say(summary(states))
    for job, state in zip(sweep.jobs, states, strict=True):
        if state == "failed":
            say(f"{job.name}: {sweep.failure(job)}")


def report(folder: str) -> Path:
    """Write a sweep's gallery as things stand."""
    return write_gallery(Sweep.open(Path(folder).expanduser()))


def _carry_out(sweep: Sweep, jobs: Sequence[Job], say: Say) -> int:
    if sweep.engine.name == "slurm":
        submitted = slurm.submit(sweep, jobs)
        say(f"submitted as {', '.join(job.job_id for job in submitted)}; see `dreamforge sweep status {sweep.folder}`")
        return 0
    failures = 0
    columns = (
        TextColumn("runs"), BarColumn(bar_width=32), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("eta"),
        TimeRemainingColumn(elapsed_when_finished=False), TextColumn("{task.fields[failures]}"),
    )  # fmt: skip
    console = rich.console.Console(stderr=True)
    with (
        Progress(*columns, console=console, transient=True, speed_estimate_period=3600) as progress,
        closing(ENGINES[sweep.engine.name](sweep, jobs)) as outcomes,
    ):
        task = progress.add_task("", total=len(jobs), failures="")
        for outcome in outcomes:
            if outcome.state == "failed":
                failures += 1
                console.print(f"{outcome.name}: {outcome.line}", markup=False, soft_wrap=True)
            progress.update(task, advance=1, failures=f"{failures} failed" if failures else "")
    say(f"{summary([sweep.state(job) for job in sweep.jobs])}; {write_gallery(sweep)}")
    return failures


def _numbered(prompts: str) -> Path:
    """outputs/sweep-NAME-NUMBER, the first that is free."""
    paths = (Path("outputs") / f"sweep-{slug(Path(prompts).stem)}-{number:03d}" for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


