"""Room for as many entries as only the device knows, without waiting for it."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

MARGIN = 1.5


class Capacity:
    """Learns from one call how much room the next needs.

    The first time, and whenever the answer has to be exact, the host waits for the number. After that there is room for
    `MARGIN` times the most seen so far, and the number of each call is fetched on the side and looked at in the next.
    A step that needs more than that is served short, once, with a warning.
    """

    def __init__(self) -> None:
        self.most, self.given = 0, 0
        self._coming: tuple[Tensor, torch.cuda.Event | None] | None = None

    def room(self, count: Tensor, exact: bool) -> int:
        """How many entries to make room for, where `count` (one integer, on any device) are needed."""
        self._look()
        if exact or self.most == 0:
            needed = int(count)
            self.most = max(self.most, needed)
            return needed
        self._fetch(count)
        self.given = max(1, int(MARGIN * self.most))
        return self.given

    def _fetch(self, count: Tensor) -> None:
        if count.device.type != "cuda":
            self._coming = count.clone(), None
        elif self._coming is None:
            host = torch.empty(count.shape, dtype=count.dtype, pin_memory=True)
            host.copy_(count, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self._coming = host, event

    def _look(self) -> None:
        """Take note of the number on its way, if it has arrived."""
        if self._coming is None:
            return
        count, event = self._coming
        if event is None or event.query():
            self._coming = None
            if int(count) > self.given:
                message = f"one step had room for {self.given} of {int(count)} entries; the next have more"
                warnings.warn(message, stacklevel=2)
            self.most = max(self.most, int(count))
