"""Jobs on a Slurm cluster, by submitit: an array of Slurm jobs that share the sweep's runs among them. One that is
preempted, or at its time limit, writes a checkpoint and is queued again."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dreamforge.errors import UserError
from dreamforge.processes import use_threads
from dreamforge.sweep.folder import Outcome, Sweep, carry_out
from dreamforge.sweep.plan import Job


def submit(sweep: Sweep, jobs: Sequence[Job], cluster: str = "slurm") -> list[Any]:
    """Submit what is to do and return submitit's jobs. cluster "local" has them in processes here, for tests."""
    try:
        import submitit
    except ImportError as error:
        raise UserError('--engine slurm needs the extra: pip install "dreamforge3d[slurm]"') from error
    engine = sweep.engine
    try:
        executor = submitit.AutoExecutor(sweep.folder / "slurm", cluster)
    except RuntimeError as error:
        raise UserError(f"no Slurm here ({error}); submit from a machine that has sbatch") from error
    executor.update_parameters(
        name="dreamforge", timeout_min=engine.minutes, cpus_per_task=engine.cpus_per_run,
        gpus_per_node=math.ceil(engine.gpus_per_run), slurm_array_parallelism=engine.array,
        slurm_additional_parameters={"requeue": True},
        **({"slurm_partition": engine.partition} if engine.partition else {}),
    )  # fmt: skip
    shares = [list(jobs[i :: engine.array]) for i in range(min(engine.array, len(jobs)))]
    return executor.map_array(Share(str(sweep.folder.resolve()), engine.cpus_per_run), shares)


class Share:
    """What one Slurm job does: its jobs one after the other, in one process, so that the prior stays loaded."""

    def __init__(self, folder: str, threads: int) -> None:
        self.folder, self.threads = folder, threads

    def __call__(self, jobs: list[Job]) -> list[Outcome]:
        """Carry out the jobs. Finished ones cost nothing, which is all there is to going on after being queued again.

        At submitit's signal (preemption, the time limit) the running job writes a checkpoint and the rest is queued
        again. At SIGTERM it does the same and ends: that is Slurm's own requeueing, or the user's scancel.
        """
        use_threads(self.threads)
        name = os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2")
        queue_again, noticed = signal.getsignal(signal.Signals[f"SIG{name}"]), []

        def notice(signum: int, frame: object) -> None:
            noticed.append(signum)
            os.kill(os.getpid(), signal.SIGTERM)  # which a run takes as a call to stop at its next step

        signal.signal(signal.Signals[f"SIG{name}"], notice)
        outcomes = []
        for job in jobs:
            outcomes.append(carry_out(Path(self.folder), job))
            if noticed:
                queue_again(noticed[0], None)  # does not return
            if outcomes[-1].state == "interrupted":
                break
        return outcomes

    def checkpoint(self, jobs: list[Job]) -> Any:
        """What submitit queues again: the same once more."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, jobs)
