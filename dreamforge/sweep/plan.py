"""What a sweep makes: every row of a file with every recipe and seed, checked before anything starts."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dreamforge import config as configuration
from dreamforge.editing.opening import opened
from dreamforge.ember import EMBEDDED
from dreamforge.errors import UserError
from dreamforge.rehearsal import check_words, checked_prior
from dreamforge.runs import slug

TEXTS = ("prior", "negative", "source_prompt", "image")  # columns beside prompt, recipe and seed; others are overrides


@dataclass(frozen=True)
class Job:
    """One run, in the folder runs/`name` of its sweep. settings: top-level texts of the configuration."""

    name: str
    recipe: str
    prompt: str
    seed: int
    settings: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A row of the file, and where it stands ("prompts.csv line 7")."""

    where: str
    cells: dict[str, Any]


def expand(path: Path, recipes: Sequence[str], seeds: Sequence[int], overrides: Sequence[str]) -> list[Job]:
    """The jobs of a list of prompts: .csv and .jsonl with a column or key for whatever differs, else a prompt a line.

    A row's own recipe and seed ("3", "0-4") come before `recipes` and `seeds`. UserError names the line that is wrong.
    """
    planned = [
        (row, job)
        for row in _rows(path)
        for recipe in ([str(row.cells["recipe"])] if "recipe" in row.cells else recipes)
        for seed in (seeds_of(str(row.cells["seed"]), f"{row.where}, seed") if "seed" in row.cells else seeds)
        for job in [_job(row, recipe, seed, overrides)]
    ]
    if not planned:
        raise UserError(f"{path}: no prompts in it; write one a line")
    _check(planned)
    digits = len(str(len(planned) - 1))
    several = len({job.recipe for _, job in planned}) > 1
    return [
        replace(job, name="-".join([f"{number:0{digits}d}", slug(job.prompt), *[job.recipe] * several, f"s{job.seed}"]))
        for number, (_, job) in enumerate(planned)
    ]


def seeds_of(text: str, where: str = "--seeds") -> list[int]:
    """Seeds from "3", "0-4" or "0,2,7"."""
    parts = [re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip()) for part in text.split(",")]
    seeds = [seed for part in parts if part for seed in range(int(part[1]), int(part[2] or part[1]) + 1)]
    if None in parts or not seeds:
        raise UserError(f"{where}: {text!r} gives no seeds; write 3, 0-4 or 0,2,7")
    return seeds


def list_file(where: str) -> Path:
    """A list of prompts: a file, or the name of one that ships with the package."""
    shipped = Path(__file__).parent.parent / "prompt_lists" / f"{Path(where).stem}.txt"
    path = next((path for path in (Path(where), shipped) if path.is_file()), None)
    if path is None:
        names = ", ".join(sorted(path.stem for path in shipped.parent.glob("*.txt")))
        raise UserError(f"no prompt list {where}; give a .txt, .csv or .jsonl file, or one that ships: {names}")
    return path


def _rows(path: Path) -> Iterator[Row]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as lines:
            for number, cells in READERS.get(path.suffix.lower(), _text)(path, lines):
                where = f"{path} line {number}"
                cells = {key: value for key, value in cells.items() if value not in (None, "")}
                if not str(cells.get("prompt", "")).strip():
                    raise UserError(f"{where}: no prompt in it")
                yield Row(where, cells)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from error


def _text(path: Path, lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, {"prompt": line.strip()}


def _csv(path: Path, lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(lines, strict=True)
    if "prompt" not in (reader.fieldnames or ()):
        raise UserError(f"{path} line 1: no column named prompt; the first line names the columns")
    try:
        for cells in reader:
            if None in cells:
                raise UserError(f"{path} line {reader.line_num}: more cells than the first line has columns")
            yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path} line {reader.line_num}: {error}") from error


def _jsonl(path: Path, lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                cells = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{path} line {number}: not JSON: {error.msg} at column {error.colno}") from error
            if not isinstance(cells, dict):
                raise UserError(f'{path} line {number}: not a mapping such as {{"prompt": "a red car"}}')
            yield number, cells


READERS = {".csv": _csv, ".jsonl": _jsonl}


def _job(row: Row, recipe: str, seed: int, overrides: Sequence[str]) -> Job:
    own = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in row.cells.items()
        if key not in (*TEXTS, "prompt", "recipe", "seed")
    ]
    settings = {key: str(row.cells[key]) for key in TEXTS if key in row.cells}
    return Job("", recipe, str(row.cells["prompt"]).strip(), seed, settings, [*overrides, *own])


def _check(planned: Sequence[tuple[Row, Job]]) -> None:
    """Everything that `run` checks, once for all rows that differ in their words alone.

    A prior that is a checkpoint is not loaded for it: that is for the machines that will use it.
    """
    checked: dict[str, tuple[configuration.RunConfig, Any]] = {}
    for row, job in planned:
        key = repr((job.recipe, job.settings, job.overrides))
        try:
            if key not in checked:
                config, _ = opened(*configuration.load(job.recipe, job.overrides, prompt=job.prompt, **job.settings))
                model = config.prior.options.get("model")
                checked[key] = config, None if model and model not in EMBEDDED else checked_prior(config)
            config, prior = checked[key]
            if prior is not None:
                check_words(prior, replace(config, prompt=job.prompt))
        except UserError as error:
            raise UserError(f"{row.where}: {error}") from error
