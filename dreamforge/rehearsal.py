"""Everything that can be wrong with a run, found before it begins: each part is built and asked once."""

from __future__ import annotations

from functools import partial

import torch

from dreamforge.building import (
    build_phi,
    build_prior,
    build_scene,
    device_of,
    reward_of,
    second_prior_of,
    takes,
)
from dreamforge.cameras import orbit
from dreamforge.components import find
from dreamforge.config import RunConfig, StageConfig
from dreamforge.contracts import Condition, Phi, Prior, PromptConditions, Scene, Second, Source, Views
from dreamforge.debiasing import debiased
from dreamforge.errors import UserError, did_you_mean
from dreamforge.objectives.needs import check_needs
from dreamforge.optimize import Supply, objective_of
from dreamforge.pictures import open_picture
from dreamforge.priors.analytic import Analytic
from dreamforge.rng import generator


def checked_prior(config: RunConfig) -> Prior:
    """The prior of a configuration, after everything that can be wrong with a run was looked for."""
    prior = build_prior(config)
    check_words(prior, config)
    _rehearse(config, prior)
    _check_image(config)
    return prior


def check_words(prior: Prior, config: RunConfig) -> None:
    """UserError for a prompt that is missing or that the prior cannot understand."""
    if not config.prompt.strip():
        raise UserError('no prompt; say what to make, such as --prompt "a corgi in a top hat"')
    for text in (config.prompt, config.negative, config.source_prompt, *[stage.prompt for stage in config.stages]):
        prior.check(text)


def _rehearse(config: RunConfig, prior: Prior) -> None:
    """Build every part once, so that a mistake in the last stage shows before the first one runs."""
    for index, stage in enumerate(config.stages):
        find("cameras", stage.cameras.name, "cameras")(**stage.cameras.options)
        check_needs(stage, prior, rehearse_objective(stage), f"stages.{index}")
        reward_of(stage, prior)
        if second := second_prior_of(stage, prior, config.seed):
            second.check(stage.second_prompt or stage.prompt or config.prompt)
        if stage.debias:
            debiased(stage.prompt or config.prompt, stage.debias)
        build_phi(config, index, prior)
        check_regularizers(stage, build_scene(config, index, device_of(config)), f"stages.{index}")


def _check_image(config: RunConfig) -> None:
    if config.image:
        open_picture(config.image)
        if not any(takes(stage, "image") for stage in config.stages):
            raise UserError("image: this recipe uses no picture; choose one that does, such as --recipe isd")


def rehearse_objective(stage: StageConfig) -> set[str]:
    """Evaluate the objective once on a tiny latent and a toy prior, so that options that do not go together show.

    Returns which conditions it asked for, of "positive", "negative" and "empty".
    """
    prior, count = Analytic(), stage.batch
    z, cameras = torch.zeros(count, 3, 4, 4), orbit(torch.zeros(count), 0.0, size=4)
    t = torch.full((count,), prior.noise.steps // 2)
    asked: set[str] = set()

    def ask(which: str) -> Condition:
        asked.add(which)
        return prior.condition([""] * count)

    prompt = PromptConditions(
        *(partial(ask, which) for which in ("positive", "negative", "empty")), beside=lambda image: prompt
    )
    picture, free = torch.full_like(z, 0.5), [partial(prior.condition, [""] * count)] * 2
    supply: Supply = {
        "progress": lambda: 0.0,
        "generator": lambda: generator(0, "rehearsal"),
        "rendered": lambda: Views(picture, picture[:, :1], picture[:, :1]),
        "cameras": lambda: cameras,
        "source": lambda: Source(z, prompt),
        "image": lambda: picture[0],
        "reward": lambda: lambda pictures: pictures.mean((1, 2, 3)),
        "phi": lambda: Phi(prior.predict, *free, teacher=Phi(prior.predict, *free)),
        "second": lambda: Second(prior, prompt),
    }
    with torch.no_grad():
        objective_of(stage)(z, t, torch.ones_like(z), prior, prompt, supply)
    return asked


def check_regularizers(stage: StageConfig, scene: Scene, where: str) -> None:
    """Raise UserError for a weight on a penalty that the scene does not have."""
    blank = torch.zeros(1, 1, 8, 8, device=next(scene.parameters()).device)  # type: ignore[attr-defined]
    known = scene.regularizers(Views(blank.expand(1, 3, 8, 8), blank, blank))
    for name in stage.regularizers:
        if name not in known:
            raise UserError(f"{where}.regularizers.{name}: the scene has no such penalty{did_you_mean(name, known)}")
