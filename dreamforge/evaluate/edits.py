"""Edits of things of the toy world, its own meshes or splats that a run made, judged from the files that come out."""

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

from dreamforge.cameras import orbit
from dreamforge.contracts import Views
from dreamforge.errors import UserError
from dreamforge.evaluate.judge import Judge
from dreamforge.evaluate.methods import AROUND, GREY, SIZE, asset_views, begun
from dreamforge.evaluate.table import as_markdown
from dreamforge.export import gltf
from dreamforge.ground_truth import write_object
from dreamforge.pictures import contact_sheet, save_picture
from dreamforge.processes import each
from dreamforge.rendering.raster import render_mesh
from dreamforge.runs import Run, slug, write_atomic
from dreamforge.sweep.plan import list_file

INSTANCE = 100  # of every source that is a mesh, and
SEED = 7  # of every source that is a run: none that the prior of an edit with seed 0 knows
STDERR = rich.console.Console(stderr=True)
COLUMNS = ("recipe", "pair", "retrieved", "views", "silhouette", "kept")
"""retrieved: the eight views are read as the target, among all sources and targets. views: the share of them that are,
each by itself. silhouette: IoU of before and after. kept: PSNR between them, dB, less the more of the source was changed."""


@dataclass(frozen=True)
class Edit:
    """A recipe, what the source shows, what it is to become, overrides for the run, the source (a mesh file, or the folder of
    a run) and the edit's own folder."""

    recipe: str
    source: str
    target: str
    overrides: tuple[str, ...]
    origin: Path
    folder: Path


def compare_edits(
    where: str, recipes: Sequence[str], out: Path, processes: int, overrides: Sequence[str], splats: bool = False
) -> str:
    """Edit every pair of a list by every recipe, or what is left of them; writes table.md and contact.png (of each edit
    the source above its result), and returns the table. splats: edit splats that a run made, instead of known meshes."""
    pairs = pairs_of(where)
    origins = {pair: out / "sources" / (slug(pair[0]) + ("" if splats else ".glb")) for pair in pairs}
    edits = [
        Edit(recipe, *pair, tuple(overrides), origins[pair], out / Path(recipe).stem / slug(pair[1]))
        for recipe in recipes
        for pair in pairs
    ]
    sources = list(dict.fromkeys((pair[0], origins[pair]) for pair in pairs))
    list(track(each(make_source, sources, "the same command", processes), "sources", len(sources), console=STDERR))
    work = each(partial(carry_out, prompts=tuple(dict.fromkeys(sum(pairs, ())))), edits, "the same command", processes)
    done = dict(track(work, "edits", len(edits), console=STDERR))
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


def make_source(source: tuple[str, Path]) -> None:
    """The thing that edits begin with, a toy-world mesh or the splats of a run, made now if it is not there."""
    prompt, origin = source
    origin.parent.mkdir(parents=True, exist_ok=True)
    if origin.suffix == ".glb":
        write_object(prompt, str(origin), INSTANCE)
    else:
        begun(origin, prompt, "splats", (), seed=SEED)


def carry_out(edit: Edit, prompts: tuple[str, ...]) -> tuple[dict[str, object], Tensor]:
    """The figures of an edit, made now if it is not there, and its pictures, before and after `[16,3,H,W]`."""
    made = begun(
        edit.folder / "run", edit.target, edit.recipe, edit.overrides, source=str(edit.origin), source_prompt=edit.source
    )
    cameras = orbit(AROUND, 15.0, size=SIZE)
    if edit.origin.suffix == ".glb":
        before = render_mesh(gltf.load(edit.origin), cameras, torch.full((len(cameras), 3), GREY), cull_back=True)
    else:
        before = asset_views(Run.open(edit.origin))
    after = asset_views(made)
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
