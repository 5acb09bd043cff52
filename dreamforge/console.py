"""What a run shows while it runs: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich.console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from dreamforge.config import StageConfig
    from dreamforge.optimize import Step
    from dreamforge.runs import Run


class Console:
    """Progress on stderr; the last line, which says where the asset is, on stdout."""

    def __init__(self, quiet: bool = False) -> None:
        self._err = rich.console.Console(stderr=True, quiet=quiet, highlight=False)
        self._out = rich.console.Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._figures = ""

    def say(self, text: str) -> None:
        """A line of its own."""
        self._err.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def run(self, run: Run) -> Iterator[None]:
        """The live line of a run's optimization."""
        self.say(f"{run.config.prompt}  →  {run.folder}")
        self._stages = run.config.stages
        columns = (
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"), TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TextColumn("{task.fields[eta]}"), TextColumn("{task.fields[figures]}"),
        )
        with Progress(*columns, console=self._err, transient=True, disable=not self._err.is_terminal) as self._progress:
            self._task = self._progress.add_task("starting", total=1, rate="", eta="", figures="")
            self._marks: list[tuple[float, float]] = []
            yield
        self._progress = None

    def step(self, index: int, step: Step) -> None:
        """A step of stage `index` is done."""
        stage = self._stages[index]
        now = time.monotonic()
        done = sum(_work(s) * s.steps for s in self._stages[:index]) + _work(stage) * (step.step + 1)
        self._marks = [*self._marks[-50:], (now, done)]
        (then, before), total = self._marks[0], sum(_work(s) * s.steps for s in self._stages)
        rate, eta = "", ""
        if done > before:
            seconds_per_work = (now - then) / (done - before)
            rate = f"{1 / (seconds_per_work * _work(stage)):.1f} it/s"
            eta = f"eta {_clock((total - done) * seconds_per_work)}"
        name = f"stage {index + 1}/{len(self._stages)} {stage.name}"
        if self._progress is not None:
            self._progress.update(
                self._task, description=name, completed=step.step + 1, total=stage.steps,
                rate=rate, eta=eta, figures=self._figures,
            )
        if not self._err.is_terminal and ((step.step + 1) % max(1, stage.steps // 4) == 0):
            self.say(f"{name}  {step.step + 1}/{stage.steps}  {rate}  {eta}  {self._figures}")

    def figures(self, figures: dict[str, float]) -> None:
        """The latest figures, shown from now on."""
        self._figures = f"loss {figures['loss']:.3g}"

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Something without steps that takes seconds."""
        began = time.monotonic()
        if self._err.is_terminal:
            with self._err.status(f"{name} …"):
                yield
        else:
            yield
        self.say(f"{name}: {time.monotonic() - began:.1f} s")

    def where(self, run: Run, assets: Sequence[str]) -> None:
        """The last lines: where everything is."""
        self.say(f"report: {run.folder / 'report.html'}")
        self._out.print(os.fspath(run.folder / "assets" / assets[0]), markup=False)


def _work(stage: StageConfig) -> float:
    """How much a step of a stage costs relative to others, to foresee stages that have not begun: its pixels, and as
    much again as a view of 50 pixels for what does not depend on them."""
    return stage.batch * (stage.size**2 + 50**2)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
