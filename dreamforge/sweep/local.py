"""Jobs in processes of this machine. A process that dies loses no job but its own, which goes on in the next."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from dreamforge.stopping import Interrupted, StopSignals
from dreamforge.sweep.folder import Outcome, Sweep, carry_out, failed, use_threads
from dreamforge.sweep.plan import Job

MOST_DEATHS = 3  # processes that a job may bring down before it counts as failed


def run(sweep: Sweep, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Outcomes as they come. Told to stop, it has the running jobs write a checkpoint and begins no others; then it
    raises Interrupted."""
    import torch

    gpus, engine = torch.cuda.device_count(), sweep.engine
    at_once = engine.jobs or gpus or max(1, (os.cpu_count() or 1) // engine.cpus_per_run)
    stopping = StopSignals(_pass_on)  # processes stop at their next step boundary
    slot, numbers = threading.local(), itertools.count()  # a thread here for each process there

    def begin() -> None:
        slot.gpu = str(next(numbers) % gpus) if gpus else None
        slot.process = None

    def serve(job: Job) -> Outcome:
        for _ in range(MOST_DEATHS):
            if stopping.signum:
                break
            slot.process = slot.process or _process(slot.gpu, engine.cpus_per_run)
            try:
                return slot.process.submit(carry_out, sweep.folder, job).result()
            except BrokenProcessPool:
                slot.process = None
        if stopping.signum:
            return Outcome(job.name, sweep.state(job))
        return failed(sweep.folder, job, f"its process died {MOST_DEATHS} times: killed, or out of memory")

    with ThreadPoolExecutor(at_once, initializer=begin) as threads, stopping:
        serving: list[Future[Outcome]] = [threads.submit(serve, job) for job in jobs]
        for done in as_completed(serving):
            yield done.result()
    if stopping.signum:
        raise Interrupted(stopping.signum, sweep.folder)


def _process(gpu: str | None, threads: int) -> ProcessPoolExecutor:
    """A process that keeps the prior loaded from one job to the next."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(gpu, threads))


def _begin(gpu: str | None, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to everyone; the parent says when to stop
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    use_threads(threads)


def _pass_on() -> None:
    for process in multiprocessing.active_children():
        process.terminate()
