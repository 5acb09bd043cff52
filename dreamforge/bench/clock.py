"""Time as the device sees it: the host's clock on a CPU, events in the stream on CUDA, where nothing has to wait."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Clock:
    """Marks on a device's timeline, and the milliseconds between them."""

    device: torch.device

    def mark(self) -> Any:
        """Now: after everything that the device has been asked to do so far."""
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, start: Any, end: Any) -> float:
        """Milliseconds from one mark to another; on CUDA this waits for the second."""
        if self.device.type != "cuda":
            return 1000 * (end - start)
        end.synchronize()
        return start.elapsed_time(end)

    def wait(self) -> None:
        """Until the device has nothing left to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


@dataclass(frozen=True)
class Times:
    """Repeated measurements of one thing, milliseconds."""

    median: float
    least: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Times:
        """Of single timings."""
        return cls(statistics.median(values), min(values), len(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g})"


def best_device() -> torch.device:
    """CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """The device in words, for a report."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
