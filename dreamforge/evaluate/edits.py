"""Edits of known things: toy-world meshes made into what another prompt says, judged from the files that come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import rich.console
import torch
from rich.progress import track
from torch import Tensor

from dreamforge import pipeline
from dreamforge.cameras import orbit
from dreamforge.console import Console
from dreamforge.contracts import Views
from dreamforge.errors import UserError
from dreamforge.evaluate.judge import Judge
from dreamforge.evaluate.methods import AROUND, GREY, SIZE, asset_views
from dreamforge.evaluate.table import as_markdown
from dreamforge.export import gltf
from dreamforge.ground_truth import write_object
from dreamforge.pictures import contact_sheet, save_picture
from dreamforge.processes import each
from dreamforge.rendering.raster import render_mesh
from dreamforge.runs import slug, write_atomic
from dreamforge.sweep.plan import list_file

INSTANCE = 100  # of every source: none that the embedded prior knows
COLUMNS = ("recipe", "pair", "retrieved", "views", "silhouette", "kept")
"""retrieved: the eight views are read as the target, among all sources and targets. views: the share of them that are,
each by itself. silhouette: IoU of before and after. kept: PSNR between them, dB, less the more of the source was changed."""


@dataclass(frozen=True)
class Edit:
    """A recipe, what the source shows, what it is to become, overrides for the run, and where everything is."""

    recipe: str
    source: str
    target: str
    overrides: tuple[str, ...]
    folder: Path


def compare_edits(where: str, recipes: Sequence[str], out: Path, processes: int, overrides: Sequence[str]) -> str:
    """Edit every pair of a list by every recipe, or what is left of them; writes table.md and contact.png (of each edit
    the source above its result), and returns the table."""
    pairs = pairs_of(where)
    edits = [
        Edit(recipe, *pair, tuple(overrides), out / Path(recipe).stem / slug(pair[1])) for recipe in recipes for pair in pairs
    ]
    work = each(partial(carry_out, prompts=tuple(dict.fromkeys(sum(pairs, ())))), edits, "the same command", processes)
    done = dict(track(work, "edits", len(edits), console=rich.console.Console(stderr=True)))
    failed = [edit for edit in edits if done[edit] is None]
    if failed:
        raise UserError(f"{failed[0].folder}: its process died, killed or out of memory; begin again with fewer --jobs")
    rows = [done[edit][0] for edit in edits]
    for recipe in recipes:
        own = [row for row in rows if row["recipe"] == recipe]
        rows.append({"recipe": recipe, "pair": "mean", **{key: fmean(float(row[key]) for row in own) for key in COLUMNS[2:]}})
    save_picture(contact_sheet(torch.cat([done[edit][1] for edit in edits]), columns=len(AROUND)), out / "contact.png")
    table = as_markdown(rows, COLUMNS)
    write_atomic(out / "table.md", table.encode())
    return table


def pairs_of(where: str) -> list[tuple[str, str]]:
    """The pairs of a file, "a red car -> a blue car" a line; the name of a list that ships serves as well."""
    lines = [line.strip() for line in list_file(where).read_text().splitlines() if line.strip()]
    pairs = [tuple(part.strip() for part in line.split("->")) for line in lines]
    for line, pair in zip(lines, pairs, strict=True):
        if len(pair) != 2 or not all(pair):
            raise UserError(f"{where}: '{line}' is no pair; write: a red car -> a blue car")
    return pairs


def carry_out(edit: Edit, prompts: tuple[str, ...]) -> tuple[dict[str, object], Tensor]:
    """The figures of an edit, made now if it is not there, and its pictures, before and after `[16,3,H,W]`."""
    quiet, run, source = Console(quiet=True), edit.folder / "run", edit.folder / "source.glb"
    if (run / "config.yaml").is_file():
        made = pipeline.resume(run, quiet)
    else:
        edit.folder.mkdir(parents=True, exist_ok=True)
        write_object(edit.source, str(source), INSTANCE)
        settings = {"source": str(source), "source_prompt": edit.source}
        made = pipeline.start(edit.target, edit.recipe, edit.overrides, str(run), console=quiet, **settings)
    cameras = orbit(AROUND, 15.0, size=SIZE)
    grey = torch.full((len(cameras), 3), GREY)
    before, after = render_mesh(gltf.load(source), cameras, grey, cull_back=True), asset_views(made)
    return figures(edit, before, after, Judge.of(prompts, cameras, GREY)), torch.cat([before.rgb, after.rgb])


def figures(edit: Edit, before: Views, after: Views, judge: Judge) -> dict[str, object]:
    """A row of the table, from eight views each."""
    own = judge.prompts.index(edit.target)
    a, b = before.alpha > 0.5, after.alpha > 0.5
    return {
        "recipe": edit.recipe,
        "pair": f"{edit.source} -> {edit.target}",
        "retrieved": int(judge.retrieve(after.rgb).argmax()) == own,
        "views": float((judge.retrieve_each(after.rgb).argmax(1) == own).float().mean()),
        "silhouette": float((a & b).sum() / (a | b).sum()),
        "kept": float(-10 * torch.log10((before.rgb - after.rgb).square().mean().clamp(min=1e-6))),
    }
