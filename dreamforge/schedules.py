"""Scalars that change over a stage, and the timesteps a stage draws.

A scheduled scalar is a number, or a mapping from the stage's progress (0 at its first step, 1 at its last) to
values, linear in between: `{0: 0.98, 0.2: 0.5}`. Fractions rather than step numbers, so that a recipe means the
same when its number of steps is changed.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from dreamforge.components import Range
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


def dreamtime(
    progress: float,
    batch: int,
    generator: torch.Generator,
    *,
    low: Annotated[float, Range(0, 1)] = 0.2,
    high: Annotated[float, Range(0, 1)] = 0.8,
    density: Literal["piecewise", "product"] = "piecewise",
) -> Tensor:
    """One deterministic timestep a step, never rising, that spends time on each level by a density (DreamTime, arXiv
    2306.12422): the t above which lies the share `progress` of it.

    piecewise: flat from 0.5 to 0.8 with Gaussian flanks, as in the code of others. product: the later form, sigma_bar_t
    exp(-(t - 0.5)² / 2 s²) with s = 0.125, of Stable Diffusion's noise levels; its two constants are unconfirmed.
    """
    table = _dreamtime_table(low, high, density)
    nearest = (table - progress).abs().argmin().item()
    return torch.full((batch,), low + (high - low) * nearest / max(1, len(table) - 1))


@functools.cache
def _dreamtime_table(low: float, high: float, density: str) -> Tensor:
    """For levels evenly from low to high, the share of the density that lies at and above each: falling from 1."""
    level = torch.linspace(low, high, 1000, dtype=torch.float64)
    mass = dreamtime_density(level, density)
    return mass.flip(0).cumsum(0).flip(0) / mass.sum()


def dreamtime_density(level: Tensor, density: str) -> Tensor:
    """How long to stay at each level (a fraction of T)."""
    if density == "piecewise":
        return torch.exp(-0.5 * ((level - 0.8).clamp(min=0) / 0.3) ** 2 - 0.5 * ((0.5 - level).clamp(min=0) / 0.1) ** 2)
    from dreamforge.priors.noise import NoiseProcess

    noise = NoiseProcess.stable_diffusion(dtype=torch.float64)
    bar = (noise.sigmas / noise.alphas)[noise.timestep(level)]
    return bar * torch.exp(-0.5 * ((level - 0.5) / 0.125) ** 2)


TIMESTEPS = {"uniform": uniform, "annealed": annealed, "dreamtime": dreamtime}
