"""What diffusers' own pipelines predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from dreamforge.contracts import PromptConditions
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.guidance import guided

GUIDANCE = 5.0


class Seen(Exception):
    """What a pipeline was about to give its scheduler."""


def whole(folder: Path) -> Any:
    """The pipeline of a folder as diffusers loads it."""
    pipe = DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def prediction(pipe: Any, index: int, **call: Any) -> tuple[Tensor, Tensor]:
    """The pipeline's own first noise prediction of "a red cat" under CFG from timestep `index` on, and the z_t it is of."""

    def step(output: Tensor, t: Any, sample: Tensor, **settings: Any) -> None:
        raise Seen(output, sample)

    flow, scheduler = "sigmas" in dir(pipe.scheduler), pipe.scheduler
    scheduler.step = step
    if not flow:
        scheduler.set_timesteps = lambda *a, **k: setattr(scheduler, "timesteps", torch.tensor([index]))
    started = {"sigmas": [(index + 1) / 1000]} if flow else {}
    drawn = torch.Generator().manual_seed(0)
    try:
        pipe("a red cat", num_inference_steps=1, guidance_scale=GUIDANCE, generator=drawn, **started, **call)
    except Seen as seen:
        return seen.args
    raise AssertionError("the pipeline asked its scheduler nothing")


def assert_same(prior: Diffusers, pipe: Any, index: int, image: Tensor | None = None, **call: Any) -> Tensor:
    """The prior's guided prediction is the pipeline's to 1e-5, and guidance matters; returns it."""
    output, z_t = prediction(pipe, index, **call)
    t = torch.tensor([index])
    expected = prior.noise.epsilon(output[:, : z_t.shape[1]], z_t, t)
    prompt = PromptConditions(lambda: prior.condition(["a red cat"], image=image), lambda: prior.condition([""]))
    found = guided(prior, z_t, t, prompt, GUIDANCE)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert (prior.predict(z_t, t, [prompt.positive])[0] - expected).abs().max() > 1e-4
    return found
