"""Stopping a run at a good moment: between steps, with a checkpoint written."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """The user or the system asked for a stop; a checkpoint has been written. go_on: the command that takes it up again."""

    def __init__(self, signum: int, go_on: str) -> None:
        self.signum, self.go_on = signum, go_on


class StopSignals:
    """SIGINT and SIGTERM ask for a stop at the next good moment instead of tearing the work: they set `signum`, and
    `then` is called."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.signum, self._then = 0, then
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        def remember(signum: int, frame: FrameType | None) -> None:
            self.signum = signum
            self._then()

        try:
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._previous[signum] = signal.signal(signum, remember)
        except ValueError:  # not the main thread: the caller's own handlers stay
            self._previous = {}
        return self

    def __exit__(self, *details: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
