"""The tables that `dreamforge bench` prints, and the same as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich.box
import torch
from rich.console import Console
from rich.live import Live
from rich.table import Table

from dreamforge.bench import kernels, step
from dreamforge.bench.cases import CASES
from dreamforge.bench.clock import best_device, device_name
from dreamforge.errors import UserError

LEGEND = "milliseconds: median (least), alternatives in turn in one process"


def bench_kernels(json_path: str | None) -> None:
    """Time every kernel, printing rows as they come."""
    device = best_device()
    title = f"{device_name(device)}; forward and backward unless said otherwise"
    table = Table("kernel", "size", "fast path", "torch", "ratio", box=rich.box.SIMPLE, title=title, caption=LEGEND)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = []
        with Live(table, console=Console()):
            for case in CASES:
                rows.append(kernels.measure(case, device))
                table.add_row(*_kernel_row(rows[-1]))
    _write(json_path, device, [{**asdict(row), "ratio": row.ratio} for row in rows])


def bench_step(recipe: str, prior: str | None, scene: str | None, overrides: list[str], json_path: str | None) -> None:
    """Time the steps of a recipe's stages against the prior alone."""
    rows = list(step.measure(recipe, prior, scene, overrides))
    table = Table("", *[row.stage for row in rows], box=rich.box.SIMPLE, caption=LEGEND)
    for part in step.PARTS:
        table.add_row(part, *[f"{row.parts[part]:.1f}" for row in rows])
    for name, attribute in (("step", "step"), ("the prior alone", "prior"), ("step / prior", "ratio")):
        table.add_row(name, *[str(getattr(row, attribute)) for row in rows])
    Console().print(table)
    weights = [row.steps for row in rows]
    overall = sum(w * row.ratio.median for w, row in zip(weights, rows, strict=True)) / sum(weights)
    Console().print(f"step / prior over the whole recipe: {overall:.2f}")
    _write(json_path, best_device(), [asdict(row) for row in rows])


def _kernel_row(row: kernels.Row) -> list[str]:
    (name, first), *others = row.times.items()
    reference = str(others[0][1]) if others else "" if name == "torch" else "not timed"
    return [row.kernel, row.size, f"{name} {first}", reference, f"{row.ratio:.1f}x" if row.ratio else ""]


def _write(path: str | None, device: torch.device, rows: list[dict[str, Any]]) -> None:
    if path is None:
        return
    header = {"device": device_name(device), "torch": torch.__version__, "unit": "ms"}
    Path(path).write_text(json.dumps({**header, "rows": rows}, indent=2) + "\n")


def check_json(path: str | None) -> None:
    """Raise UserError, before anything is timed, for a file that cannot be written."""
    if path is not None and not Path(path).resolve().parent.is_dir():
        raise UserError(f"--json {path}: there is no folder {Path(path).resolve().parent}; make it or choose another place")
