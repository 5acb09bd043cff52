"""Edits of pictures, without a scene: what an objective that edits does, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from inspect import signature
from statistics import fmean

import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit
from dreamforge.components import find
from dreamforge.contracts import PromptConditions, Source
from dreamforge.evaluate.edits import INSTANCE, pairs_of
from dreamforge.evaluate.judge import Judge
from dreamforge.evaluate.methods import AROUND, GREY
from dreamforge.evaluate.table import as_markdown
from dreamforge.priors.toyworld import ToyWorld
from dreamforge.rendering.background import composite
from dreamforge.schedules import value_at
from dreamforge.toyworld import instance, parse, render

SIZE, STEPS, RATE = 48, 200, 0.02
HIGH = {0: 0.98, 0.6: 0.4, 1: 0.1}  # of the timesteps, and of the rate:
PACE = {0: 1.0, 0.6: 1.0, 1: 0.2}
COLUMNS = ("objective", "guidance", "retrieved", "identity")
"""retrieved: the share of edits whose eight views are read as the target. identity: PSNR, dB, to pictures of the very
source with what the target says, which no prior knows."""


def compare_flat(where: str, objectives: Sequence[str], guidances: Sequence[float]) -> str:
    """Edit eight views of the source of every pair of a list by every objective, as pictures; returns a table."""
    pairs = pairs_of(where)
    judge = Judge.of(tuple(dict.fromkeys(sum(pairs, ()))), orbit(AROUND, 15.0, size=SIZE), GREY)
    rows = []
    for guidance in guidances:
        for name in objectives:
            found = [figures(edited(*pair, name, guidance), pair[1], judge) for pair in pairs]
            retrieved, identity = (fmean(column) for column in zip(*found, strict=True))
            rows.append(dict(zip(COLUMNS, (name, guidance, retrieved, identity), strict=True)))
    return as_markdown(rows, COLUMNS)


def figures(pictures: Tensor, target: str, judge: Judge) -> tuple[float, float]:
    """Whether the views are read as the target, and the PSNR to the source with what the target says."""
    read = judge.prompts[int(judge.retrieve(pictures).argmax())]
    return float(read == target), float(-10 * torch.log10((pictures - views(target, judge.cameras)).square().mean()))


def views(prompt: str, cameras: Cameras) -> Tensor:
    """`[8,3,H,W]` of the instance of a prompt that is edited."""
    rgba = render([instance(parse(prompt), INSTANCE)], cameras)[:, 0]
    return composite(rgba, torch.full((len(rgba), 3), GREY))


def edited(source: str, target: str, name: str, guidance: float) -> Tensor:
    """The source's views after `STEPS` steps of Adam on their pixels."""
    cameras, prior = orbit(AROUND, 15.0, size=SIZE), ToyWorld(seed=0)
    start = 2 * views(source, cameras) - 1
    before, after = (_conditions(prior, prompt, cameras) for prompt in (source, target))
    objective = partial(find("objectives", name, "objective"), guidance=guidance)
    if "source" in signature(objective).parameters:
        objective = partial(objective, source=Source(start, before))
    z, generator = start.clone().requires_grad_(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([z])
    for done in (step / (STEPS - 1) for step in range(STEPS)):
        t = prior.noise.timestep(0.02 + (value_at(HIGH, done) - 0.02) * torch.rand(len(z), generator=generator))
        eps = torch.randn(z.shape, generator=generator)
        with torch.no_grad():
            z.grad = objective(z.detach(), t, eps, prior, after).grad
        optimizer.param_groups[0]["lr"] = RATE * value_at(PACE, done)
        optimizer.step()
    return (0.5 * z.detach() + 0.5).clamp(0, 1)


def _conditions(prior: ToyWorld, prompt: str, cameras: Cameras) -> PromptConditions:
    grey = torch.full((len(AROUND), 3), GREY)
    asked, empty = (prior.condition([text] * len(AROUND), cameras, grey) for text in (prompt, ""))
    return PromptConditions(lambda: asked, lambda: empty)
