"""Jobs in processes of this machine. Each keeps the prior loaded from one job to the next."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial

import torch

from dreamforge.processes import MOST_DEATHS, each
from dreamforge.sweep.folder import Outcome, Sweep, carry_out, failed
from dreamforge.sweep.plan import Job


def run(sweep: Sweep, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Outcomes as they come; raises Interrupted when told to stop, after checkpoints were written."""
    gpus, engine = torch.cuda.device_count(), sweep.engine
    at_once = engine.jobs or gpus or max(1, (os.cpu_count() or 1) // engine.cpus_per_run)
    work = partial(carry_out, sweep.folder)
    for job, outcome in each(work, jobs, sweep.go_on, at_once, engine.cpus_per_run, gpus):
        if outcome is None:
            outcome = failed(sweep.folder, job, f"its process died {MOST_DEATHS} times: killed, or out of memory")
        yield outcome
