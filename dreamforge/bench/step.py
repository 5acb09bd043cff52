"""`dreamforge bench step`: what a recipe's steps take, part by part, and what the frozen prior alone takes.

The limit is the prior: its own conditions, predictions and encoder, forward and backward. Steps and the prior's work,
recorded from the step before and done again by itself, are timed in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import torch

from dreamforge import config as configuration
from dreamforge.bench.clock import Clock, Times
from dreamforge.bench.priors import RANDOM, random_prior
from dreamforge.building import build_prior, build_scene, device_of
from dreamforge.config import RunConfig, StageConfig
from dreamforge.contracts import Prior, Scene
from dreamforge.optimize import Progress, make_optimizer, optimize

SHARE = 2
"""A scene is grown for a stage by a run of the recipe shortened to one in so many steps."""
STEPS, UNCOUNTED, SECONDS = 20, 3, 18.0
"""Steps timed a stage (fewer than densification's interval), steps before them, and how long they may take."""
PROMPT = "a corgi in a top hat"
PARTS = ("render", "condition", "encode", "predict", "backward", "optimizer", "scene update", "other")


@dataclass(frozen=True)
class StageTimes:
    """One stage's step: its parts, which add up to its median in milliseconds; the whole; the prior alone; their ratio.

    What a scene does every few steps only (an occupancy update) is shared out evenly among them.
    """

    stage: str
    steps: int
    parts: dict[str, float]
    step: Times
    prior: Times
    ratio: Times


class Recorder:
    """Times calls by part, and keeps those that the prior answered."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.marks, self.calls = clock, [], []

    @contextmanager
    def watching(self, targets: dict[str, tuple[Any, str]]) -> Iterator[None]:
        """Time the calls of these methods: part -> (owner, name)."""
        with ExitStack() as stack:
            for part, (owner, name) in targets.items():
                stack.enter_context(mock.patch.object(owner, name, self._timed(part, getattr(owner, name))))
            yield

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            start = self.clock.mark()
            result = function(*arguments, **options)
            self.marks.append((part, start, self.clock.mark()))
            if part in ("condition", "encode", "predict"):
                self.calls.append((part, function, arguments, options))
            return result

        return timed

    def forget(self) -> None:
        """Begin anew."""
        self.marks, self.calls = [], []


def stage_times(stage: StageConfig, scene: Scene, prior: Prior, seed: int = 0) -> StageTimes:
    """Time steps of a stage, which leave the scene as it is (their learning rate is zero)."""
    clock = Clock(prior.device)
    optimizer = make_optimizer(scene)
    recorder = Recorder(clock)
    targets = {
        "render": (scene, "render"), "condition": (prior, "condition"), "encode": (prior, "encode"),
        "predict": (prior, "predict"), "backward": (torch.Tensor, "backward"), "optimizer": (optimizer, "step"),
        "scene update": (scene, "after_step"),
    }  # fmt: skip
    still = replace(stage, lr=0.0)
    steps = optimize(still, scene, prior, PROMPT, "", seed, 0, Progress(optimizer), log_every=10**9)
    marks, parts = [], []
    began = time.perf_counter()
    for count in range(UNCOUNTED + min(STEPS, stage.steps)):
        if count > 2 * UNCOUNTED and time.perf_counter() - began > SECONDS:
            break
        recorder.forget()
        with recorder.watching(targets):
            start = clock.mark()
            next(steps)
            middle = clock.mark()
        _prior_alone(recorder.calls)
        if count >= UNCOUNTED:
            marks.append((start, middle, clock.mark()))
            parts.append(recorder.marks)
    rows = [_row(marks, clock.between(start, middle), clock) for marks, (start, middle, _) in zip(parts, marks)]
    return _summary(stage, rows, [clock.between(middle, end) for _, middle, end in marks])


def _prior_alone(calls: list[tuple[str, Callable[..., Any], tuple, dict]]) -> None:
    """Everything that the prior was asked in a step, again."""
    for part, function, arguments, options in calls:
        if part == "encode":
            rgb = arguments[0].detach().requires_grad_()
            z = function(rgb)
            torch.autograd.grad(z, rgb, torch.ones_like(z))
        else:
            with torch.no_grad():
                function(*arguments, **options)


def _row(marks: list[tuple[str, Any, Any]], total: float, clock: Clock) -> dict[str, float]:
    """Milliseconds by part of one step."""
    row = dict.fromkeys(PARTS, 0.0)
    for part, start, end in marks:
        row[part] += clock.between(start, end)
    row["other"] = total - sum(row.values())
    return row


def _summary(stage: StageConfig, rows: list[dict[str, float]], alone: list[float]) -> StageTimes:
    update = statistics.fmean(row["scene update"] for row in rows)
    steps = [sum(row.values()) - row["scene update"] + update for row in rows]
    whole = Times.of(steps)
    scale = whole.median / sum(steps)
    parts = {part: scale * sum(row[part] for row in rows) for part in PARTS}
    ratio = Times.of([step / limit for step, limit in zip(steps, alone, strict=True)])
    return StageTimes(stage.name, stage.steps, parts, whole, Times.of(alone), ratio)


def measure(recipe: str, prior: str | None, scene: str | None, overrides: list[str]) -> Iterator[StageTimes]:
    """Time each stage of a recipe, on the scene that a run has at the stage's end (grown by the toy world's prior).

    prior: a name of `RANDOM`, or one of the recipe's kind (None: the recipe's own); with one of `RANDOM`, guidance is
    classifier-free, so that each view takes two predictions. scene: in place of the first stage's.
    """
    given = [f"stages.0.scene={scene}"] if scene else []
    if prior not in RANDOM and prior is not None:
        given.append(f"prior={prior}")
    config, _ = configuration.load(recipe, [*given, *overrides], prompt=PROMPT)
    frozen = build_prior(config) if prior not in RANDOM else random_prior(prior, device_of(config))
    grown: Scene | None = None
    for index, stage in enumerate(config.stages):
        if prior in RANDOM and "guidance" in stage.objective.options:
            stage.objective.options["guidance"] = 7.5
        grown = _grown(config, index, grown)
        scene = build_scene(config, index, frozen.device)
        scene.load_state_dict(grown.state_dict())
        yield stage_times(stage, scene, frozen)


def _grown(config: RunConfig, index: int, scene: Scene | None) -> Scene:
    """The stage's scene, on the CPU, after a short run of it: as often densified as in a whole one."""
    stage, (toy, _) = config.stages[index], configuration.load("splats", prompt=PROMPT)
    if stage.scene is not None:
        options = dict(stage.scene.options)
        if "densify_every" in options:
            options["densify_every"] = max(1, options["densify_every"] // SHARE)
        shortened = replace(stage, scene=replace(stage.scene, options=options))
        scene = build_scene(replace(config, stages=[shortened]), 0, torch.device("cpu"))
    short = replace(toy.stages[0], steps=max(1, stage.steps // SHARE), size=min(stage.size, 64), batch=stage.batch)
    for _ in optimize(short, scene, build_prior(toy), PROMPT, "", 0, index, Progress(make_optimizer(scene))):
        pass
    return scene
