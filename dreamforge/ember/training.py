"""`dreamforge ember train`: one of ember's models, or all of them in order, on whatever machine there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from dreamforge.ember import quiet_libraries
from dreamforge.ember.fit import Budget, fit
from dreamforge.ember.tasks import SHARES, TASKS
from dreamforge.errors import UserError, did_you_mean

HOME = Path("~/.cache/dreamforge/ember")
"""Where trainings are kept by default."""
GPU_BATCH, GPU_REUSE = 16, 4
"""Times a CPU's batch; and how often a GPU sees an object, since it trains faster than a few cores render."""


def train(
    what: str = "all",
    *,
    out: str | Path = HOME,
    minutes: float = 30.0,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Train until `minutes` have been spent on it, earlier runs into the same folder included; run again to go on.

    what: a name from `TASKS`, or "all", which shares out the time. workers: processes that render, by default all cores
    but one beside a GPU and none otherwise.
    """
    if what != "all" and what not in TASKS:
        raise UserError(f"no '{what}' to train{did_you_mean(what, [*TASKS, 'all'])}")
    quiet_libraries()
    gpu = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    fast = gpu.type == "cuda"
    if workers is None:
        workers = max(1, (os.cpu_count() or 2) - 1) if fast else 0
    folder = Path(out).expanduser()
    for name in TASKS if what == "all" else [what]:
        share = SHARES[name] if what == "all" else 1.0
        budget = Budget(gpu, GPU_BATCH if fast else 1, GPU_REUSE if fast else 1, workers, minutes * share)
        torch.manual_seed(seed)  # of the first weights
        fit(name, TASKS[name](folder, gpu), folder, budget, seed + list(TASKS).index(name), say)
