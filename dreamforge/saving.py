"""What a checkpoint holds of a run under way: put there, and taken up again to the bit."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from dreamforge.building import build_phi, build_scene, device_of, takes
from dreamforge.config import RunConfig
from dreamforge.contracts import Prior, Scene
from dreamforge.editing.hold import hold_of
from dreamforge.editing.original import begin, kept
from dreamforge.errors import UserError
from dreamforge.optimize import Progress, make_optimizer
from dreamforge.runs import Checkpoint, Run
from dreamforge.scenes.particles import first


def save(run: Run, stage: int, scene: Scene, progress: Progress) -> None:
    """Write a checkpoint of a stage under way."""
    tensors = {f"scene.{name}": value for name, value in scene.state_dict().items()}
    if progress.source is not None:
        tensors |= {f"source.{name}": value for name, value in progress.source.state_dict().items()}
    tensors |= optimizer_tensors(progress.optimizer)
    if phi := progress.phi:
        tensors |= {f"phi.{name}": value for name, value in phi.state_dict().items()}
        tensors |= optimizer_tensors(phi.optimizer, "phi_optimizer")
    run.save_checkpoint(Checkpoint(stage, progress.step, tensors, progress.counters()))


def restore(run: Run, checkpoint: Checkpoint | None, stage: int, prior: Prior) -> tuple[Scene, Progress]:
    """The scene of a checkpoint and its stage under way; without one, both as the stage begins."""
    scene, phi = build_scene(run.config, stage, prior.device), build_phi(run.config, stage, prior)
    original = kept(run)
    if checkpoint is None and original:
        begin(scene, original)
    elif checkpoint is not None:
        scene.load_state_dict(_tensors(checkpoint, "scene"))
    progress = Progress(make_optimizer(scene), phi=phi, hold=hold_of(original, run.config.budget, scene))
    if takes(run.config.stages[stage], "source"):
        progress.source = frozen(scene) if checkpoint is None else _source(run.config, checkpoint, stage, prior.device)
    if checkpoint is None:
        return scene, progress
    progress.step = checkpoint.step
    restore_optimizer(progress.optimizer, checkpoint.tensors)
    if phi:
        phi.load_state_dict(_tensors(checkpoint, "phi"))
        restore_optimizer(phi.optimizer, checkpoint.tensors, "phi_optimizer")
    progress.skipped = torch.tensor(int(checkpoint.counters["skipped"]))
    progress.collapsed = torch.tensor(int(checkpoint.counters["collapsed"]))
    progress.lr_factor = checkpoint.counters["lr_factor"]
    progress.evaluations = int(checkpoint.counters["evaluations"])
    return scene, progress


def _source(config: RunConfig, checkpoint: Checkpoint, stage: int, device: torch.device) -> Scene:
    """What a stage edits: the scene as it was when the first of the editing stages in a row began."""
    while stage > 0 and takes(config.stages[stage], "source"):
        stage -= 1
    source = build_scene(config, stage, device)
    source.load_state_dict(_tensors(checkpoint, "source"))
    return frozen(source)


def frozen(scene: Scene) -> Scene:
    """A copy of a scene that no step changes: what an edit starts from."""
    return copy.deepcopy(scene).eval().requires_grad_(False)  # type: ignore[attr-defined]


def last_scene(run: Run) -> tuple[Scene | None, int]:
    """The scene of a run's newest checkpoint, to look at, and its stage; None before the first."""
    checkpoint = run.last_checkpoint()
    return (None, 0) if checkpoint is None else (_scene_of(run, checkpoint), checkpoint.stage)


def scene_after(run: Run, stage: int) -> Scene:
    """The scene that a stage of a run ended with, to look at. UserError where the stage is not finished."""
    checkpoint = run.last_checkpoint(stage)
    if checkpoint is None or checkpoint.step < run.config.stages[stage].steps:
        raise UserError(f"{run.folder} has no finished stage {stage}; finish it with: dreamforge resume {run.folder}")
    return _scene_of(run, checkpoint)


def _scene_of(run: Run, checkpoint: Checkpoint) -> Scene:
    scene = build_scene(run.config, checkpoint.stage, device_of(run.config))
    scene.load_state_dict(_tensors(checkpoint, "scene"))
    return first(scene).eval()


def optimizer_tensors(optimizer: torch.optim.Optimizer, name: str = "optimizer") -> dict[str, Tensor]:
    """The optimizer's state as named tensors: "<name>.<group>.<key>"."""
    return {
        f"{name}.{group['name']}.{key}": value
        for group in optimizer.param_groups
        for key, value in optimizer.state[group["params"][0]].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], name: str = "optimizer"
) -> None:
    """Put back what `optimizer_tensors` gave."""
    for group in optimizer.param_groups:
        prefix = f"{name}.{group['name']}."
        parameter = group["params"][0]
        state = {key.removeprefix(prefix): value.clone() for key, value in tensors.items() if key.startswith(prefix)}
        optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in state.items()}


def _tensors(checkpoint: Checkpoint, part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in checkpoint.tensors.items() if key.startswith(prefix)}
