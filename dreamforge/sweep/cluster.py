"""Jobs on a Ray cluster. They are plain tasks that Ray's worker processes carry out one after the other, so that the prior
stays loaded in each; a worker or a node that dies has its task done elsewhere, from the run's last checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dreamforge.errors import UserError
from dreamforge.processes import use_threads
from dreamforge.stopping import Interrupted, StopSignals
from dreamforge.sweep.folder import Outcome, Sweep, carry_out, failed
from dreamforge.sweep.plan import Job

MOST_DEATHS = 20  # workers or nodes that a job may lose before it counts as failed
PATIENCE = 60.0  # seconds that stopped runs have for their checkpoints


def run(sweep: Sweep, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Outcomes as they come. The sweep's folder has to be on a disk that every node sees, under the same path."""
    try:
        import ray
    except ImportError as error:
        raise UserError('--engine ray needs the extra: pip install "dreamforge3d[ray]"') from error
    engine, ours = sweep.engine, not ray.is_initialized()
    if ours:
        try:
            ray.init(engine.address, log_to_driver=False)
        except ConnectionError as error:
            raise UserError(f"no Ray cluster at {engine.address}: {error}; start one with `ray start --head`") from error
    # max_calls=0: keep the process, and with it the prior, where a GPU is used too
    task = ray.remote(max_retries=MOST_DEATHS, max_calls=0)(_carry_out).options(
        num_cpus=engine.cpus_per_run, num_gpus=engine.gpus_per_run
    )
    pending = {task.remote(str(sweep.folder.resolve()), job, engine.cpus_per_run): job for job in jobs}
    with StopSignals() as stopping:
        while pending and not stopping.signum:
            for reference in ray.wait(list(pending), timeout=1.0)[0]:
                yield _outcome(sweep, pending.pop(reference), reference)
        for reference in pending:
            ray.cancel(reference)  # as Ctrl-C would: running ones write a checkpoint
        if pending:
            ray.wait(list(pending), num_returns=len(pending), timeout=PATIENCE)
    if ours:
        ray.shutdown()
    if stopping.signum:
        raise Interrupted(stopping.signum, sweep.go_on)


def _outcome(sweep: Sweep, job: Job, reference: Any) -> Outcome:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        return failed(sweep.folder, job, f"{type(error).__name__}: {error}")


def _carry_out(folder: str, job: Job, threads: int) -> Outcome:
    use_threads(threads)
    return carry_out(Path(folder), job)
