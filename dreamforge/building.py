"""The parts of a run, built from the configuration that names them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dreamforge.components import build, find, supplied_to
from dreamforge.config import Component, RunConfig, StageConfig
from dreamforge.contracts import LearnedScore, Prior, Reward, Scene
from dreamforge.errors import UserError
from dreamforge.scenes.particles import Particles


def build_prior(config: RunConfig) -> Prior:
    """The prior that a configuration names. The last one stays loaded, for the next run in the same process."""
    return _loaded(config.prior, "prior", device_of(config), config.seed)


def _loaded(component: Component, where: str, device: torch.device, seed: int) -> Prior:
    supplied = {"device": device, "seed": seed}
    taken = {name: supplied[name] for name in supplied_to("priors", component.name, where) & supplied.keys()}
    key = repr((component, sorted(taken.items())))
    if _resident.get(where, ("", None))[0] != key:
        _resident.pop(where, None)  # before the next is loaded: there may not be room for two
        _resident[where] = key, build("priors", component.name, component.options, where, **taken)
    return _resident[where][1]


_resident: dict[str, tuple[str, Prior]] = {}
"""By what they are to a stage, "prior" or "second_prior": what they were built from, and they."""


def second_prior_of(stage: StageConfig, prior: Prior, seed: int) -> Prior | None:
    """The stage's other prior. UserError for one that diffuses something else than the first."""
    if stage.second_prior is None:
        return None
    component, black = stage.second_prior, torch.zeros(1, 3, stage.size, stage.size, device=prior.device)
    second = _loaded(component, "second_prior", prior.device, seed)
    with torch.no_grad():
        same = second.encode(black).shape == prior.encode(black).shape
    alphas = second.noise.alphas, prior.noise.alphas.to(second.noise.alphas)
    if not same or alphas[0].shape != alphas[1].shape or not torch.allclose(*alphas, atol=1e-4):
        raise UserError(f"second_prior: {component.name} has other latents or noise than the prior; choose one that shares them")
    return second


def reward_of(stage: StageConfig, prior: Prior, image: Tensor | None = None) -> Reward | None:
    """The stage's scorer of pictures, shown the image prompt if it is one that compares with it."""
    if stage.reward is None:
        return None
    reward = build("rewards", stage.reward.name, stage.reward.options, "reward", prior=prior, device=prior.device)
    return partial(reward, image=image) if "image" in inspect.signature(reward).parameters else reward


def build_scene(config: RunConfig, stage: int, device: torch.device) -> Scene:
    """A fresh scene as the given stage has it (its own, or that of the nearest stage before it)."""
    index = max((i for i in range(stage + 1) if config.stages[i].scene is not None), default=-1)
    if index < 0:
        raise UserError("stages.0.scene: the first stage needs a scene, such as {name: gaussians}, or a source: dreamforge edit FILE")
    begun = config.stages[index]
    seeds = range(config.seed, config.seed + begun.particles)
    scenes = [build("scenes", begun.scene.name, begun.scene.options, "scene", device=device, seed=k) for k in seeds]
    return scenes[0] if len(scenes) == 1 else Particles(scenes, config.seed)


def build_phi(config: RunConfig, stage: int, prior: Prior) -> LearnedScore | None:
    """The learned score of a stage as it was when begun: by this stage, or by one whose scene and phi go on in it.

    None for an objective that takes none.
    """
    stages = config.stages
    if not takes(stages[stage], "phi"):
        return None
    while phi_goes_on(config, stage):
        stage -= 1
    component = stages[stage].phi or Component("lora" if hasattr(prior, "unet") else "network")
    with torch.no_grad():
        shape = prior.encode(torch.zeros(1, 3, stages[stage].size, stages[stage].size, device=prior.device)).shape[1:]
    supplied = {"prior": prior, "shape": shape, "seed": config.seed}
    return build("phi", component.name, component.options, f"stages.{stage}.phi", **supplied)


def phi_goes_on(config: RunConfig, stage: int) -> bool:
    """Whether a stage takes over the learned score of the one before."""
    before, here = config.stages[stage - 1], config.stages[stage]
    same = here.scene is None and here.phi == before.phi
    return stage > 0 and same and takes(here, "phi") and takes(before, "phi")


def takes(stage: StageConfig, name: str) -> bool:
    """Whether the stage's objective asks the engine for this argument, such as "source" or "image"."""
    return name in inspect.signature(find("objectives", stage.objective.name, "objective")).parameters


def build_function(kind: str, component: Component) -> Callable[..., Any]:
    """A component that is a function, with its options bound."""
    return partial(find(kind, component.name, component.name), **component.options)


def device_of(config: RunConfig) -> torch.device:
    """The configured device; "auto" is CUDA where there is one."""
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(config.device)
    except RuntimeError as error:
        raise UserError(f"device: '{config.device}' is not a device; use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("device: no CUDA device here; use device=cpu (`dreamforge doctor` says why)")
    return device
