"""Work in processes of this machine. One that dies loses no work but its own, which begins again in another."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from dreamforge.stopping import Interrupted, StopSignals

Item, Result = TypeVar("Item"), TypeVar("Result")

MOST_DEATHS = 3  # processes that an item may bring down


def each(
    function: Callable[[Item], Result], items: Sequence[Item], go_on: str, at_once: int, threads: int = 1, gpus: int = 0
) -> Iterator[tuple[Item, Result | None]]:
    """Items with `function` of them, as they come; with None for those that brought their process down three times.

    A process takes one item after the other, with `threads` CPU threads and one of `gpus` GPUs, if there are any. SIGINT
    and SIGTERM are passed on, for runs under way to write a checkpoint; no other items begin, and Interrupted, with
    `go_on`, is raised.
    """
    stopping = StopSignals(_pass_on)
    slot, numbers, opened = threading.local(), itertools.count(), []  # a thread here for each process there

    def begin() -> None:
        slot.gpu = str(next(numbers) % gpus) if gpus else None
        slot.process = None

    def serve(item: Item) -> tuple[Item, Result | None] | None:
        for _ in range(MOST_DEATHS):
            if stopping.signum:
                return None
            if slot.process is None:
                slot.process = _process(slot.gpu, threads)
                opened.append(slot.process)
            try:
                return item, slot.process.submit(function, item).result()
            except BrokenProcessPool:
                slot.process = None
            except Interrupted:
                return None
        return None if stopping.signum else (item, None)

    with stopping, ThreadPoolExecutor(at_once, initializer=begin) as pool:
        try:
            for done in as_completed([pool.submit(serve, item) for item in items]):
                if (found := done.result()) is not None:
                    yield found
        finally:
            pool.shutdown(cancel_futures=True)
            for process in opened:
                process.shutdown()
    if stopping.signum:
        raise Interrupted(stopping.signum, go_on)


def use_threads(count: int) -> None:
    """Give this process so many CPU threads."""
    import dreamforge.kernels.jit  # Numba's first import sets torch's own

    torch.set_num_threads(count)
    dreamforge.kernels.jit.use_torch_threads()


def _process(gpu: str | None, threads: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(gpu, threads))


def _begin(gpu: str | None, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to everyone; the parent says when to stop
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    use_threads(threads)


def _pass_on() -> None:
    for process in multiprocessing.active_children():
        process.terminate()
