"""Slurm, by submitit's executor for this machine, with the signal that announces a preemption."""

from __future__ import annotations

import os
import signal

import pytest

from dreamforge.errors import UserError
from dreamforge.sweep.folder import Engine, Sweep
from dreamforge.sweep.slurm import Share, submit
from tests.sweep.conftest import JOBS, assets, descendants, steps_done, wait_for

submitit = pytest.importorskip("submitit")


def test_a_preempted_job_writes_a_checkpoint_and_is_queued_again(sweep: Sweep, undisturbed: dict[str, bytes]) -> None:
    """One Slurm job has both runs. Would miss a signal that tears a step, or a second life that begins anew."""
    sweep.engine = Engine("slurm", array=1)
    (submitted,) = submit(sweep, JOBS, cluster="local")
    wait_for(lambda: steps_done(sweep, JOBS[0]) >= 3)
    (task,) = descendants(submitted._process.pid, "submitit.core._submit")
    os.kill(task, signal.SIGUSR2)
    outcomes = submitted.result()
    assert [(outcome.name, outcome.state) for outcome in outcomes] == [(job.name, "finished") for job in JOBS]
    assert "this job is preempted" in submitted.stderr() + submitted.stdout() and assets(sweep) == undisturbed
    lines = (sweep.run_folder(JOBS[0]) / "metrics.jsonl").read_text()
    assert lines.count('"step": 0,') == 2  # once in each stage


def test_the_array_shares_the_jobs(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []

    class Executor:
        def __init__(self, folder: object, cluster: str) -> None: ...

        def update_parameters(self, **parameters: object) -> None:
            self.parameters = parameters

        def map_array(self, function: Share, parts: list) -> list:
            shares.append((self.parameters, function, parts))
            return parts

    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    sweep.engine = Engine("slurm", array=3, partition="gpu", gpus_per_run=1, minutes=20)
    submit(sweep, [*JOBS, *JOBS])
    parameters, function, parts = shares[0]
    assert parts == [[JOBS[0], JOBS[1]], [JOBS[1]], [JOBS[0]]]
    wanted = {"slurm_partition": "gpu", "gpus_per_node": 1, "timeout_min": 20, "slurm_array_parallelism": 3}
    assert wanted.items() <= parameters.items() and function.folder == str(sweep.folder.resolve())


def test_without_slurm_there_is_one_line(sweep: Sweep) -> None:
    with pytest.raises(UserError, match="no Slurm here"):
        submit(sweep, JOBS)
