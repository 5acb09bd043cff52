"""Results of many runs as one table (Markdown, CSV, JSON) and one contact sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image, ImageDraw

from dreamforge.cameras import orbit
from dreamforge.evaluate import figures
from dreamforge.evaluate.judge import truth
from dreamforge.evaluate.methods import AROUND, GREY, Job, Result, as_json, asset_views
from dreamforge.pictures import contact_sheet, encoded, to_uint8
from dreamforge.rendering.background import composite
from dreamforge.runs import Run, write_atomic

COLUMNS = {
    "method": "the recipe",
    "retrieved": "share of runs whose eight views of the .glb, together, are read as the prompt",
    "views": "share of single views that are",
    "janus": "share of views from behind that are read as the front, of things that have one",
    "sides": "share of all views that are read as taken from about the right side, of the same things",
    "diversity": "distance between seeds, as a ratio to that between random instances (two seeds and more)",
    "saturation": "mean HSV saturation, as a ratio to ground truth's",
    "sharpness": "mean absolute Laplacian, as a ratio to ground truth's",
    "seconds": "of optimization, mean",
    "evaluations": "of the prior (one picture, one prompt), mean",
    "seconds_to_score": "until the asked share of runs was read as the prompt, from previews",
    "evaluations_to_score": "the same, in prior evaluations",
    "failed": "runs that made no asset",
}
"""What the table shows, and what each column means."""

LABEL, TILE = 110, 96  # pixels


def rows_of(results: Sequence[Result], jobs: Sequence[Job], score: float) -> list[dict[str, float | str | None]]:
    """A row for each method, in the order of the jobs."""
    rows = []
    for method in dict.fromkeys(job.method for job in jobs):
        own = [result for result in results if result.method == method]
        good = [result for result in own if result.failure is None]
        seconds, evaluations = _to_score(good, len(own), score)
        rows.append({
            "method": method,
            "retrieved": sum(result.retrieved for result in good) / len(own),
            "views": sum(result.views for result in good) / len(own),
            "janus": _mean([result.janus for result in good if result.janus is not None]),
            "sides": _mean([result.sides for result in good if result.sides is not None]),
            "diversity": _diversity([job for job in jobs if job.method == method], good),
            "saturation": _mean([result.saturation for result in good]),
            "sharpness": _mean([result.sharpness for result in good]),
            "seconds": _mean([result.seconds for result in good]),
            "evaluations": _mean([result.evaluations for result in good]),
            "seconds_to_score": seconds,
            "evaluations_to_score": evaluations,
            "failed": len(own) - len(good),
        })  # fmt: skip
    return rows


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _to_score(good: Sequence[Result], count: int, score: float) -> tuple[float | None, float | None]:
    """Mean seconds and evaluations at the first look where the share of retrieved runs reaches the score, and stays."""
    looks = list(zip(*[result.looks or [] for result in good], strict=False))
    reached = [sum(look.retrieved for look in moment) / count >= score for moment in looks]
    first = next((k for k in range(len(reached)) if all(reached[k:])), None)
    if first is None:
        return None, None
    return fmean(look.seconds for look in looks[first]), fmean(look.evaluations for look in looks[first])


def _diversity(jobs: Sequence[Job], good: Sequence[Result]) -> float | None:
    """Mean over the prompts that two seeds or more made an asset of."""
    made = {(result.prompt, result.seed) for result in good}
    ratios = []
    for prompt in dict.fromkeys(job.prompt for job in jobs):
        folders = [job.folder for job in jobs if job.prompt == prompt and (prompt, job.seed) in made]
        if len(folders) > 1:
            shown = torch.stack([asset_views(Run.open(folder)).rgb for folder in folders])
            real = truth(prompt, orbit(AROUND, 15.0, size=shown.shape[-1]), range(6))
            real = composite(real, torch.full((*real.shape[:2], 3), GREY))
            ratios.append(figures.diversity(shown) / figures.diversity(real))
    return _mean(ratios)


def write(folder: Path, jobs: Sequence[Job], results: Sequence[Result], score: float) -> str:
    """Write table.md, table.csv, results.json and contact.png into a folder; returns the Markdown."""
    rows = rows_of(results, jobs, score)
    markdown = as_markdown(rows)
    write_atomic(folder / "table.md", markdown.encode())
    write_atomic(folder / "table.csv", as_csv(rows).encode())
    write_atomic(folder / "results.json", as_json(results).encode())
    write_atomic(folder / "contact.png", _contact_sheet(jobs, results))
    return markdown


def as_markdown(rows: Sequence[dict[str, float | str | None]], columns: Iterable[str] = COLUMNS) -> str:
    """The rows as a Markdown table; a dash where there is nothing to say."""
    names = list(columns)
    lines = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_shown(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _shown(value: float | str | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def as_csv(rows: Sequence[dict[str, float | str | None]]) -> str:
    """The rows as CSV, unrounded, empty where there is nothing to say."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _contact_sheet(jobs: Sequence[Job], results: Sequence[Result]) -> bytes:
    """A row a method and a column a prompt (its first seed), from the front left; grey where there is no asset."""
    methods, prompts = (list(dict.fromkeys(getattr(job, name) for job in jobs)) for name in ("method", "prompt"))
    made = {(r.method, r.prompt, r.seed) for r in results if r.failure is None}
    tiles = torch.full((len(methods) * len(prompts), 3, TILE, TILE), 0.6)
    for job in jobs:
        if job.seed == 0 and (job.method, job.prompt, 0) in made:
            at = methods.index(job.method) * len(prompts) + prompts.index(job.prompt)
            view = asset_views(Run.open(job.folder)).rgb[1:2]
            tiles[at] = torch.nn.functional.interpolate(view, size=(TILE, TILE), mode="area")[0]
    sheet = contact_sheet(tiles, columns=len(prompts))
    page = Image.new("RGB", (sheet.shape[2] + LABEL, sheet.shape[1]), "white")
    page.paste(Image.fromarray(to_uint8(sheet)), (LABEL, 0))
    draw = ImageDraw.Draw(page)
    for index, method in enumerate(methods):
        draw.text((6, (index + 0.45) * sheet.shape[1] / len(methods)), method, fill="black")
    return encoded(np.asarray(page))
