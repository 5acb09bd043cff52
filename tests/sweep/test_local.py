"""Jobs in processes here: kills, stops and failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamforge.sweep import local
from dreamforge.sweep.carry import resume
from dreamforge.sweep.folder import Outcome, Sweep, carry_out, failed
from dreamforge.sweep.plan import Job
from tests.sweep.conftest import JOBS, assets, descendants, steps_done, wait_for


def resuming(sweep: Sweep) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dreamforge.cli", "sweep", "resume", str(sweep.folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_process_and_a_stopped_sweep_lose_nothing(sweep: Sweep, undisturbed: dict[str, bytes]) -> None:
    """SIGKILL of the process at a step, then SIGTERM of the sweep, then the rest: the files of runs never disturbed.

    Would miss neither work begun anew (the step at the stop would be below that at the kill) nor a job dropped.
    """
    process = resuming(sweep)
    wait_for(lambda: steps_done(sweep, JOBS[0]) >= 3)
    killed = steps_done(sweep, JOBS[0])
    os.kill(descendants(process.pid, "spawn_main")[0], signal.SIGKILL)
    wait_for(lambda: steps_done(sweep, JOBS[0]) >= killed + 3)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGTERM and f"dreamforge sweep resume {sweep.folder}" in said
    assert steps_done(sweep, JOBS[0]) < 24 and sweep.state(JOBS[1]) == "waiting"
    done = resuming(sweep)
    assert "2 finished" in done.communicate(timeout=120)[0] and done.returncode == 0
    assert assets(sweep) == undisturbed
    assert sweep.outstanding() == [] and (sweep.folder / "report.html").is_file()


def test_what_brings_its_process_down_again_and_again_has_failed(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """How often is `processes.each`'s; the other job is none the worse."""
    monkeypatch.setattr(local, "each", lambda work, jobs, *rest: [(jobs[0], None), (jobs[1], Outcome("1-duck", "finished"))])
    first, second = local.run(sweep, JOBS)
    assert "died 3 times" in first.line and sweep.state(JOBS[0]) == "failed" and second.state == "finished"


def test_failures_are_written_down_and_tried_again(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamforge import pipeline
    from dreamforge.errors import UserError

    def refuse(*arguments: object, **settings: object) -> None:
        raise UserError("no room") if arguments[0] == "a red car" else RuntimeError("a bug\nin two lines")

    monkeypatch.setattr(pipeline, "start", refuse)
    assert [carry_out(sweep.folder, job).line for job in JOBS] == ["no room", "RuntimeError: a bug in two lines"]
    assert [sweep.state(job) for job in JOBS] == ["failed", "failed"] and sweep.outstanding() == JOBS
    assert "refuse" in (sweep.folder / "failures" / "1-duck.json").read_text()  # where it happened
    monkeypatch.setattr(pipeline, "start", lambda *arguments, **settings: None)
    carry_out(sweep.folder, JOBS[0])
    assert sweep.failure(JOBS[0]) is None


def test_a_run_that_another_process_has_is_left_alone(sweep: Sweep) -> None:
    script = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); print('held', flush=True);"
        "sys.stdin.read()"
    )
    lock = str(sweep.folder / "runs" / ".0-car.lock")
    with subprocess.Popen([sys.executable, "-c", script, lock], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert carry_out(sweep.folder, JOBS[0]).state == "running" and not sweep.run_folder(JOBS[0]).exists()
        holder.stdin.close()


def test_resuming_changes_what_it_is_told_of_the_engine(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamforge.sweep import carry

    seen = []

    def engine(sweep: Sweep, jobs: list[Job]) -> Iterator[Outcome]:
        seen.append((sweep.engine.cpus_per_run, sweep.engine.jobs, jobs))
        yield from ()

    monkeypatch.setitem(carry.ENGINES, "local", engine)
    failed(sweep.folder, JOBS[0], "x")
    resume(str(sweep.folder), {"cpus_per_run": 2}, print)
    assert seen == [(2, 1, JOBS)]
