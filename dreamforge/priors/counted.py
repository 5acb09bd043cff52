"""How much a prior has been asked: the unit in which methods are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from dreamforge.contracts import Condition, Prior


class Counted:
    """A prior that reports each prediction: one evaluation a picture and condition."""

    def __init__(self, prior: Prior, report: Callable[[int], None]) -> None:
        self._prior, self._report = prior, report

    def __getattr__(self, name: str) -> Any:
        return getattr(self._prior, name)

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """See `dreamforge.contracts.Prior`."""
        self._report(len(z_t) * len(conditions))
        return self._prior.predict(z_t, t, conditions)
