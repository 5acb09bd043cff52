"""What `dreamforge ember` does: train on whatever machine there is, draw, judge."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import torch

from dreamforge.ember import quiet_libraries
from dreamforge.ember.clip import ClipScorer
from dreamforge.ember.evaluate import Figures, drawn_by, evaluate, ground_truth
from dreamforge.ember.evaluate import prompts as choose_prompts
from dreamforge.ember.fit import Budget, fit
from dreamforge.ember.sampling import pictures
from dreamforge.ember.tasks import SHARES, TASKS
from dreamforge.ember.team import Team
from dreamforge.errors import UserError, did_you_mean
from dreamforge.pictures import contact_sheet, save_picture
from dreamforge.priors.diffusers import Diffusers

HOME = Path("~/.cache/dreamforge/ember")
"""Where trainings are kept by default."""
GPU_BATCH, GPU_REUSE = 16, 4
"""Times a CPU's batch; and how often a GPU sees an object, since it trains faster than a few cores render."""
WORTH_COMPILING = 15.0  # minutes of training, of which compiling takes two


def train(
    what: str = "all",
    *,
    out: str | Path | None = None,
    minutes: float = 30.0,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Train until `minutes` have been spent on it, earlier runs into the same folder included; run again to go on.

    what: a name from `TASKS`, or "all", which shares out the time. workers: processes that render, by default all cores
    but one beside a GPU and none otherwise. Several processes train together where torchrun starts them:
    `torchrun --nproc-per-node 2 --no-python dreamforge ember train unet`.
    """
    if what != "all" and what not in TASKS:
        raise UserError(f"no '{what}' to train{did_you_mean(what, [*TASKS, 'all'])}")
    quiet_libraries()
    gpu = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    fast = gpu.type == "cuda"
    team = Team.joined(fast)
    if workers is None:
        workers = max(1, (os.cpu_count() or 2) - 1) if fast else 0
    folder = Path(out or HOME).expanduser()
    for name in TASKS if what == "all" else [what]:
        share = SHARES[name] if what == "all" else 1.0
        budget = Budget(gpu, GPU_BATCH if fast else 1, GPU_REUSE if fast else 1, workers, minutes * share, team=team)
        budget.compile = budget.minutes >= WORTH_COMPILING and shutil.which("g++") is not None
        torch.manual_seed(seed)  # of the first weights
        fit(name, TASKS[name](folder, gpu), folder, budget, seed + list(TASKS).index(name), say)


def write_samples(
    prompts: Sequence[str], output: str, takes: int = 4, model: str = "ember", guidance: float = 5.0, steps: int = 20,
    seed: int = 0,
) -> None:  # fmt: skip
    """A contact sheet of `takes` pictures of each prompt, a row each."""
    prior = Diffusers(model=model)
    for prompt in prompts:
        prior.check(prompt)
    asked = [prompt for prompt in prompts for _ in range(takes)]
    drawn = pictures(prior, asked, guidance=guidance, steps=steps, seed=seed)
    save_picture(contact_sheet(drawn, takes), Path(output))


def judged(
    judge: str = "ember-clip", output: str | None = None, model: str = "ember", guidance: float = 5.0, steps: int = 20,
    seed: int = 0,
) -> Iterator[str]:  # fmt: skip
    """Lines of figures, the toy world's own first and then a model's; samples of 32 prompts into `output`."""
    scorer = ClipScorer(judge)
    yield f"{'':14}{'retrieval':>10}{'held out':>10}{'views':>10}{'spread':>10}"
    yield _row("ground truth", evaluate(ground_truth(scorer.size), scorer, seed))
    prior = Diffusers(model=model)
    yield _row(model, evaluate(drawn_by(prior, guidance, steps), scorer, seed))
    if output:
        texts = [*choose_prompts(24, seed, held_out=False), *choose_prompts(8, seed, held_out=True)]
        save_picture(contact_sheet(pictures(prior, texts, guidance=guidance, steps=steps, seed=seed), 8), Path(output))


def _row(name: str, figures: Figures) -> str:
    return f"{name:14}" + "".join(f"{value:10.3f}" for value in astuple(figures))
