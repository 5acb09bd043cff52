"""What refinement adds: the scenes that the stages of finished runs ended with, each exported and judged as an asset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console
from rich.progress import track

from dreamforge.cameras import orbit
from dreamforge.errors import UserError
from dreamforge.evaluate.judge import Judge
from dreamforge.evaluate.methods import AROUND, GREY, SIZE, figures_of
from dreamforge.evaluate.table import as_markdown
from dreamforge.export import textured_mesh
from dreamforge.pictures import contact_sheet, save_picture
from dreamforge.rendering.raster import render_mesh
from dreamforge.runs import Run
from dreamforge.saving import scene_after
from dreamforge.scenes import SCENES

COLUMNS = ("stage", "scene", "retrieved", "views", "saturation", "sharpness")
"""As in the table of methods, and means over the runs as well; `retrieved` is the share of runs."""


def compare_stages(folders: Sequence[str], prompts: Sequence[str], picture: Path | None = None) -> str:
    """A table with a row for each stage of finished runs of one recipe, as Markdown.

    picture: where to put a contact sheet, a row for each stage of each run. UserError for runs of several recipes, and
    for prompts that are not in the list.
    """
    runs = [Run.open(folder) for folder in folders]
    stages = [stage.name for stage in runs[0].config.stages]
    for run in runs:
        if [stage.name for stage in run.config.stages] != stages:
            raise UserError(f"{run.folder} has other stages than {runs[0].folder}; compare runs of one recipe at a time")
        if run.config.prompt not in prompts:
            raise UserError(f"{run.folder} makes '{run.config.prompt}', which is not in the prompt list; name another")
    cameras = orbit(AROUND, 15.0, size=SIZE)
    judge = Judge.of(prompts, cameras, GREY)
    found: list[list[dict]] = [[] for _ in stages]
    scenes, rows = [""] * len(stages), []
    work = [(run, number) for run in runs for number in range(len(stages))]
    for run, number in track(work, "stages", console=Console(stderr=True)):
        scene = scene_after(run, number)
        mesh, _ = textured_mesh(scene, run.config.export)
        shown = render_mesh(mesh, cameras, torch.full((len(cameras), 3), GREY), cull_back=True)
        found[number].append(figures_of(shown, run.config.prompt, judge))
        scenes[number] = next(name for name, kind in SCENES.items() if isinstance(scene, kind))
        rows.append(shown.rgb)
    if picture:
        save_picture(contact_sheet(torch.cat(rows), columns=len(cameras)), picture)
    return as_markdown([
        {"stage": name, "scene": scene, **{key: fmean(float(one[key]) for one in own) for key in COLUMNS[2:]}}
        for name, scene, own in zip(stages, scenes, found, strict=True)
    ], COLUMNS)  # fmt: skip
