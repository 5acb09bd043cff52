"""Runs of many methods under one budget, judged from the files they write.

A job is a recipe, a prompt and a seed: an ordinary run in a folder of its own, so that a table can be interrupted and
taken up again, and every figure can be looked at as a picture.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import rich.console
import torch
from PIL import Image
from rich.progress import track

from dreamforge import config as configuration
from dreamforge import pipeline
from dreamforge.cameras import orbit
from dreamforge.config import RunConfig
from dreamforge.console import Console
from dreamforge.contracts import Views
from dreamforge.editing.opening import opened
from dreamforge.errors import UserError, did_you_mean
from dreamforge.evaluate import figures
from dreamforge.evaluate.judge import Judge, truth
from dreamforge.export import FORMATS
from dreamforge.pictures import MARGIN
from dreamforge.processes import each
from dreamforge.recipes import recipes
from dreamforge.rendering.background import composite
from dreamforge.rendering.raster import render_mesh
from dreamforge.runs import Run
from dreamforge.sweep.plan import list_file

AROUND = [45.0 * i for i in range(8)]
GREY = 0.9
SIZE = 128
LOOKS = 8  # previews of a run, each judged, for how fast it gets there
RATE_STEPS = 12  # steps of each stage by which a method's speed is measured

Unit = Literal["steps", "seconds", "evaluations"]


@dataclass(frozen=True)
class Budget:
    """What every run may use: optimization steps, seconds of them, or prior evaluations (one picture, one prompt)."""

    unit: Unit
    amount: float


@dataclass(frozen=True)
class Job:
    """One run: a recipe (its name, or that of its file), what it makes, with which seed, and the overrides that hold it
    to its budget."""

    recipe: str
    prompt: str
    seed: int
    overrides: tuple[str, ...]
    folder: Path

    @property
    def method(self) -> str:
        """What the table calls it."""
        return Path(self.recipe).stem if self.recipe.endswith(".yaml") else self.recipe


@dataclass
class Look:
    """The scene at one moment of a run: was it read as its prompt, after how many seconds and prior evaluations?"""

    retrieved: bool
    seconds: float
    evaluations: float


@dataclass
class Result:
    """What a job came to. `failure` is the run's own line where it made no asset; then only the first fields count.

    retrieved: the eight views of the file are read as the prompt. views: share of them that are, each by itself.
    janus: share of the views from behind read as the front, sides: of all views that are read from about the right
    side; None where front and back look alike.
    saturation, sharpness: as ratios to ground truth's. seconds, evaluations: of the whole optimization.
    """

    method: str
    prompt: str
    seed: int
    failure: str | None = None
    retrieved: bool = False
    views: float = 0.0
    janus: float | None = None
    sides: float | None = None
    saturation: float = 0.0
    sharpness: float = 0.0
    seconds: float = 0.0
    evaluations: float = 0.0
    looks: list[Look] | None = None


def plan(
    methods: Sequence[str], prompts: Sequence[str], seeds: int, budget: Budget, prior: str | None, out: Path,
    overrides: Sequence[str] = (),
) -> list[Job]:
    """The jobs of a table. Seconds and evaluations a step are measured on a short run of each recipe first.

    methods: recipes, by name or as .yaml files. overrides: "key.path=value", for all of them.
    """
    settings = [*([f"prior={prior}"] if prior else []), *overrides]
    jobs = []
    for method in methods:
        config, _ = configuration.load(method, settings, prompt=prompts[0])
        steps = steps_within(budget, config, lambda: _costs(method, prompts[0], settings))
        every = max(5, sum(steps) // LOOKS // 5 * 5)
        held = (
            *settings, *[f"stages.{index}.steps={count}" for index, count in enumerate(steps)],
            f"preview_every={every}", "log_every=5",
        )  # fmt: skip
        for number, prompt in enumerate(prompts):
            for seed in range(seeds):
                job = Job(method, prompt, seed, held, out)
                jobs.append(replace(job, folder=out / "runs" / job.method / f"{number:02d}-{seed}"))
    return jobs


def steps_within(
    budget: Budget, config: RunConfig, costs: Callable[[], list[tuple[float, float]]]
) -> list[int]:
    """Steps of each stage that use the budget up, in the recipe's proportions. costs: (seconds, evaluations) a step of
    each stage, measured if they are needed."""
    steps = [stage.steps for stage in config.stages]
    if budget.unit == "steps":
        prices = [1.0] * len(steps)
    else:
        prices = [cost[0 if budget.unit == "seconds" else 1] for cost in costs()]
    whole = sum(count * price for count, price in zip(steps, prices, strict=True))
    return [max(1, round(count * budget.amount / whole)) for count in steps]


def _costs(method: str, prompt: str, settings: Sequence[str]) -> list[tuple[float, float]]:
    """Seconds and prior evaluations a step of each stage of a recipe."""
    config, _ = configuration.load(method, settings, prompt=prompt)
    short = [f"stages.{index}.steps={RATE_STEPS}" for index in range(len(config.stages))]
    with TemporaryDirectory() as scratch:
        run = pipeline.start(
            prompt, method, [*settings, *short, "log_every=1"], f"{scratch}/run", console=Console(quiet=True)
        )
        lines = _metrics(run)
    costs = []
    for index in range(len(config.stages)):
        own = [line for line in lines if line["stage"] == index][1:]  # the first step finds things out
        spans = np.diff([line["seconds"] for line in own])
        costs.append((float(np.median(spans)), own[-1]["evaluations"] / RATE_STEPS))
    return costs


def carry_out(jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    """Results as they come, a process each. Finished runs are only judged again, interrupted ones taken up."""
    prompts = tuple(dict.fromkeys(job.prompt for job in jobs))
    for job, result in each(partial(carry_through, prompts=prompts), jobs, "the same command", processes):
        yield result or Result(job.method, job.prompt, job.seed, failure="its process died: killed, or out of memory")


def carry_through(job: Job, prompts: tuple[str, ...]) -> Result:
    """Make a job's run, or what is left of it, and judge it among the prompts."""
    try:
        run = begun(job.folder, job.prompt, job.recipe, job.overrides, seed=job.seed)
    except UserError as error:
        return Result(job.method, job.prompt, job.seed, failure=str(error))
    return judged(job, run, prompts)


def begun(folder: Path, prompt: str, recipe: str, overrides: Sequence[str], **settings: Any) -> Run:
    """The run that `pipeline.start` makes of these, carried through: made now, or taken up where it is there already.

    UserError for a folder that holds a run with other settings.
    """
    quiet = Console(quiet=True)
    if (folder / "config.yaml").is_file():
        wanted, _ = opened(*configuration.load(recipe, overrides, prompt=prompt, **settings))
        if configuration.plain(Run.open(folder).config) != configuration.plain(wanted):
            raise UserError(f"{folder} holds a run with other settings; choose another --out")
        return pipeline.resume(folder, quiet)
    return pipeline.start(prompt, recipe, overrides, str(folder), console=quiet, **settings)


@cache
def judges(prompts: tuple[str, ...]) -> tuple[Judge, Judge]:
    """Of a file's eight views, and of a preview's four."""
    return (
        Judge.of(prompts, orbit(AROUND, 15.0, size=SIZE), GREY),
        Judge.of(prompts, pipeline.preview_cameras(), pipeline.PREVIEW_GREY),
    )


def judged(job: Job, run: Run, prompts: tuple[str, ...]) -> Result:
    """The figures of a finished run, from its .glb and its previews."""
    judge, glance = judges(prompts)
    lines = _metrics(run)
    spent = {line["stage"]: line["evaluations"] for line in lines}  # a stage's last line has its sum
    return Result(
        job.method, job.prompt, job.seed, **figures_of(asset_views(run), job.prompt, judge),
        seconds=lines[-1]["seconds"], evaluations=sum(spent.values()),
        looks=_looks(run, lines, glance, prompts.index(job.prompt)),
    )  # fmt: skip


def figures_of(shown: Views, prompt: str, judge: Judge) -> dict[str, Any]:
    """What eight views of an asset are worth: the fields of `Result` from `retrieved` to `sharpness`."""
    own, front = judge.prompts.index(prompt), judge.has_front(prompt)
    truths = truth(prompt, judge.cameras, range(4))
    real = composite(truths, torch.full((*truths.shape[:2], 3), GREY)), truths[..., 3:, :, :]
    return {
        "retrieved": int(judge.retrieve(shown.rgb).argmax()) == own,
        "views": float((judge.retrieve_each(shown.rgb).argmax(1) == own).float().mean()),
        "janus": judge.janus(shown.rgb, prompt) if front else None,
        "sides": judge.sides(shown.rgb, prompt) if front else None,
        "saturation": figures.saturation(shown.rgb, shown.alpha) / figures.saturation(*real),
        "sharpness": figures.sharpness(shown.rgb, shown.alpha) / figures.sharpness(*real),
    }


def asset_views(run: Run) -> Views:
    """The run's .glb as a viewer shows it, from eight sides."""
    mesh = FORMATS["glb"].load(run.folder / "assets" / "model.glb")
    return render_mesh(mesh, orbit(AROUND, 15.0, size=SIZE), torch.full((8, 3), GREY), cull_back=True)


def _metrics(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def _looks(run: Run, lines: Sequence[dict[str, float]], glance: Judge, own: int) -> list[Look]:
    """The run's previews, judged, in order."""
    looks = []
    for path in sorted((run.folder / "preview").glob("*.png")):
        moment = tuple(int(part) for part in path.stem.removeprefix("stage").split("-step"))
        until = [line for line in lines if (line["stage"], line["step"]) < moment]
        if until:
            spent = {line["stage"]: line["evaluations"] for line in until}
            retrieved = int(glance.retrieve(_preview_views(path)).argmax()) == own
            looks.append(Look(retrieved, until[-1]["seconds"], sum(spent.values())))
    return looks


def _preview_views(path: Path) -> torch.Tensor:
    """The four views of a preview sheet, `[4,3,H,W]`."""
    pixels = torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255).permute(2, 0, 1)
    size = pixels.shape[1] - 2 * MARGIN
    return torch.stack([pixels[:, MARGIN:-MARGIN, x : x + size] for x in range(MARGIN, pixels.shape[2], size + MARGIN)])


def as_json(results: Sequence[Result]) -> str:
    """Every result in full."""
    return json.dumps([asdict(result) for result in results], indent=1)


def compare(
    prompts: Sequence[str],
    methods: Sequence[str],
    seeds: int,
    budget: Budget,
    prior: str | None,
    out: Path,
    processes: int,
    score: float,
    overrides: Sequence[str] = (),
) -> str:
    """Run every method on every prompt and seed, or what is left of them, and write the table; returns it."""
    from dreamforge.evaluate.table import write

    jobs = plan(methods, prompts, seeds, budget, prior, out, overrides)
    out.mkdir(parents=True, exist_ok=True)
    results = list(track(carry_out(jobs, processes), "runs", len(jobs), console=rich.console.Console(stderr=True)))
    return write(out, jobs, results, score)


def prompts_of(where: str) -> list[str]:
    """The prompts of a file, one a line; the name of a list that ships with the package serves as well."""
    path = list_file(where)
    prompts = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if len(prompts) < 2:
        raise UserError(f"{path}: retrieval among prompts needs two or more of them, one a line")
    return prompts


def methods_of(names: str | None) -> list[str]:
    """Recipes named in a text with commas, or .yaml files; by default those that are called as an objective is."""
    from dreamforge.components import table

    known = recipes()
    if names is None:
        return [name for name in table("objectives") if name in known]
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in known and not name.endswith(".yaml"):
            raise UserError(f"--methods: no recipe named '{name}'{did_you_mean(name, known)}")
    return chosen


def budget_of(text: str) -> Budget:
    """A budget from "steps=400" and the like."""
    unit, _, amount = text.partition("=")
    if unit not in typing.get_args(Unit) or not amount.replace(".", "", 1).isdigit() or float(amount) <= 0:
        raise UserError(f"--budget: {text!r} is not a budget; give steps=N, seconds=N or evaluations=N")
    return Budget(unit, float(amount))  # type: ignore[arg-type]
