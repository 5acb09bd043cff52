"""`dreamforge bench kernels`: each kernel by each implementation that can serve it here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from dreamforge.bench.cases import Case
from dreamforge.bench.clock import Clock, Times
from dreamforge.kernels import backend

SECONDS, FEWEST, MOST = 2.5, 2, 25
"""How long a case may take (first calls, which compile, and what is timed once not counted); how often it is repeated."""


@dataclass(frozen=True)
class Row:
    """What a case took by each implementation, the fastest path first."""

    kernel: str
    size: str
    times: dict[str, Times]

    @property
    def ratio(self) -> float | None:
        """How many times as long the reference takes, by medians."""
        if len(self.times) < 2:
            return None
        first, *_, reference = self.times.values()
        return reference.median / first.median


@contextmanager
def forced(implementation: str) -> Iterator[None]:
    """Let one implementation serve every kernel."""
    before = os.environ.get("DREAMFORGE_KERNELS")
    os.environ["DREAMFORGE_KERNELS"] = implementation
    try:
        yield
    finally:
        if before is None:
            del os.environ["DREAMFORGE_KERNELS"]
        else:
            os.environ["DREAMFORGE_KERNELS"] = before


def measure(case: Case, device: torch.device, seconds: float = SECONDS) -> Row:
    """Time a case by each implementation in turn."""
    served = backend(device, case.kernel)
    turns = [served, "torch"] if served != "torch" and case.reference == "as often" else [served]
    calls = {name: _made(case, device, name) for name in turns}
    for name, call in calls.items():
        _timed(call, device, name)
    found: dict[str, list[float]] = {name: [] for name in turns}
    began = time.perf_counter()
    while len(found[served]) < FEWEST or (len(found[served]) < MOST and time.perf_counter() - began < seconds):
        for name, call in calls.items():
            found[name].append(_timed(call, device, name))
    if served != "torch" and case.reference == "once":
        found["torch"] = [_timed(_made(case, device, "torch"), device, "torch")]
    return Row(case.kernel, case.size, {name: Times.of(values) for name, values in found.items()})


def _made(case: Case, device: torch.device, implementation: str) -> Callable[[], object]:
    with forced(implementation):
        return case.make(device)


def _timed(call: Callable[[], object], device: torch.device, implementation: str) -> float:
    """Milliseconds of a call that one implementation serves."""
    clock = Clock(device)
    with forced(implementation):
        clock.wait()
        start = clock.mark()
        call()
        return clock.between(start, clock.mark())
