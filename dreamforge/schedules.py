"""Scalars that change over a stage, and the timesteps a stage draws.

A scheduled scalar is a number, or a mapping from the stage's progress (0 at its first step, 1 at its last) to
values, linear in between: `{0: 0.98, 0.2: 0.5}`. Fractions rather than step numbers, so that a recipe means the
same when its number of steps is changed.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from dreamforge.errors import UserError


def value_at(scheduled: Any, progress: float) -> float:
    """The value of a scheduled scalar at `progress` in [0,1]."""
    if isinstance(scheduled, dict):
        keys = sorted(scheduled, key=float)
        return float(np.interp(progress, [float(k) for k in keys], [float(scheduled[k]) for k in keys]))
    return float(scheduled)


def check_scheduled(scheduled: Any, where: str) -> None:
    """Raise UserError unless `scheduled` is a number or a mapping from fractions to numbers."""
    pairs = scheduled.items() if isinstance(scheduled, dict) and scheduled else [(0, scheduled)]
    try:
        good = all(0 <= float(key) <= 1 and np.isfinite(float(value)) for key, value in pairs)
    except (TypeError, ValueError):
        good = False
    if not good or isinstance(scheduled, bool):
        raise UserError(
            f"{where}: {scheduled!r} is neither a number nor a schedule such as {{0: 0.98, 1: 0.5}}, "
            "which maps progress in [0,1] to numbers"
        )


Scheduled = Annotated[Any, check_scheduled]
"""The annotation of an option that is a number or a schedule."""


def uniform(
    progress: float,
    batch: int,
    generator: torch.Generator,
    *,
    low: Scheduled = 0.02,
    high: Scheduled = 0.98,
    shared: bool = False,
) -> Tensor:
    """Timesteps uniform in [low, high] (fractions of T, each a scheduled scalar), one per view or one for all.

    DreamFusion draws from [0.02, 0.98]; annealing `high` downward (ProlificDreamer) sharpens detail late.
    """
    draws = torch.rand(1 if shared else batch, generator=generator).expand(batch)
    lowest, highest = value_at(low, progress), value_at(high, progress)
    return lowest + (highest - lowest) * draws


def annealed(
    progress: float, batch: int, generator: torch.Generator, *, high: float = 0.98, low: float = 0.02, power: float = 1.0
) -> Tensor:
    """One deterministic timestep a step, falling from `high` to `low` as progress**power (DreamGaussian: power 1;
    HiFA and Consistent3D: power 0.5)."""
    return torch.full((batch,), high + (low - high) * progress**power)


TIMESTEPS = {"uniform": uniform, "annealed": annealed}
