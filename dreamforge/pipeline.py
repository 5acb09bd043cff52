"""From a prompt to files: the stages one after the other, then the assets. Start, resume and export a run."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from dreamforge import config as configuration
from dreamforge.cameras import Cameras, orbit, turntable
from dreamforge.components import build, find, supplied_to
from dreamforge.config import Component, RunConfig, StageConfig
from dreamforge.console import Console
from dreamforge.contracts import LearnedScore, Prior, Scene
from dreamforge.debiasing import debiased
from dreamforge.errors import UserError
from dreamforge.export import Exported, export_scene
from dreamforge.kernels import compilation_ahead
from dreamforge.objectives.needs import check_needs
from dreamforge.optimize import (
    MOST_ROLLBACKS,
    Diverged,
    Progress,
    check_regularizers,
    make_optimizer,
    optimize,
    optimizer_tensors,
    rehearse_objective,
    restore_optimizer,
    reward_of,
    second_prior_of,
    stage_conditions,
    takes,
)
from dreamforge.pictures import contact_sheet, open_picture, save_picture, save_video
from dreamforge.priors.sampling import sample
from dreamforge.report import write_report
from dreamforge.rng import generator
from dreamforge.runs import Checkpoint, Run
from dreamforge.scenes.convert import hand_over
from dreamforge.scenes.particles import Particles, first


class Interrupted(Exception):
    """The user or the system asked the run to stop; a checkpoint has been written."""

    def __init__(self, signum: int, folder: Path) -> None:
        self.signum, self.folder = signum, folder


def start(
    prompt: str,
    recipe: str = "splats",
    overrides: Sequence[str] = (),
    out: str | None = None,
    command: Sequence[str] = (),
    console: Console | None = None,
    **settings: Any,
) -> Run:
    """Make a new run of a recipe and carry it through. Everything is checked before a folder is made.

    overrides: "key.path=value" texts. settings: top-level keys of the configuration, such as seed=3.
    """
    config, _ = configuration.load(recipe, overrides, prompt=prompt, **settings)
    prior = checked_prior(config)
    first_time = compilation_ahead()
    run, console = Run.create(config, list(command), out), console or Console()
    if first_time:
        console.say("first run on this machine: the CPU kernels are compiled once, which takes about half a minute")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.Popen([sys.executable, "-m", "dreamforge.export.warm"], **quiet)  # compiling uses one core only
    return carry_through(run, prior, console)


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


def resume(folder: str | Path, console: Console | None = None) -> Run:
    """Take a run up again from its last checkpoint; the result is the one it would have had uninterrupted."""
    run, console = Run.open(folder), console or Console()
    if run.manifest().get("state") == "finished":
        console.where(run, run.manifest()["assets"])
        return run
    return carry_through(run, build_prior(run.config), console)


def export(
    folder: str | Path, formats: Sequence[str], console: Console | None = None, **settings: Any
) -> list[Path]:
    """Write a finished run's scene in other formats, into its assets folder, and a new report that shows them.

    settings: keys of the configuration's `export` that differ from the run's own, such as faces=20_000.
    """
    run = Run.open(folder)
    config = configuration.with_export(run.config, formats=list(formats), **settings)
    scene, stage = last_scene(run)
    if scene is None or stage < len(config.stages) - 1:
        raise UserError(f"{folder} has no finished scene yet; finish it with: dreamforge resume {folder}")
    console = console or Console()
    result = export_scene(scene, run.folder / "assets", formats, config.export, config.prompt, console.task)
    names = [path.name for path in result.paths]
    run.describe(assets=list(dict.fromkeys([*run.manifest().get("assets", []), *names])))
    write_report(run.folder, config.prompt, result)
    _say_checks(result, console)
    return result.paths


def last_scene(run: Run) -> tuple[Scene | None, int]:
    """The scene of a run's newest checkpoint, to look at, and its stage; None before the first."""
    checkpoint = run.last_checkpoint()
    if checkpoint is None:
        return None, 0
    scene = build_scene(run.config, checkpoint.stage, device_of(run.config))
    scene.load_state_dict(_tensors(checkpoint, "scene"))
    return first(scene).eval(), checkpoint.stage


def carry_through(run: Run, prior: Prior, console: Console) -> Run:
    """Optimize what is left of the stages, then write the assets and the report."""
    if folder := getattr(prior, "folder", None):
        run.describe(checkpoint=str(folder))  # the hub's copies are in folders named by their revision
    with StopSignals() as stop, console.run(run):
        scene = _optimize_stages(run, prior, console, stop)
    _finish(run, scene, console)
    return run


def build_prior(config: RunConfig) -> Prior:
    """The prior that a configuration names. The last one stays loaded, for the next run in the same process."""
    prior = config.prior
    supplied = {"device": device_of(config), "seed": config.seed}
    taken = {name: supplied[name] for name in supplied_to("priors", prior.name, "prior") & supplied.keys()}
    key = repr((prior, sorted(taken.items())))
    if key not in _resident:
        _resident.clear()  # before the next is loaded: there may not be room for two
        _resident[key] = build("priors", prior.name, prior.options, "prior", **taken)
    return _resident[key]


_resident: dict[str, Prior] = {}


def build_scene(config: RunConfig, stage: int, device: torch.device) -> Scene:
    """A fresh scene as the given stage has it (its own, or that of the nearest stage before it)."""
    index = max(i for i in range(stage + 1) if config.stages[i].scene is not None)
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
    while _phi_goes_on(config, stage):
        stage -= 1
    component = stages[stage].phi or Component("lora" if hasattr(prior, "unet") else "network")
    with torch.no_grad():
        shape = prior.encode(torch.zeros(1, 3, stages[stage].size, stages[stage].size, device=prior.device)).shape[1:]
    supplied = {"prior": prior, "shape": shape, "seed": config.seed}
    return build("phi", component.name, component.options, f"stages.{stage}.phi", **supplied)


def _phi_goes_on(config: RunConfig, stage: int) -> bool:
    """Whether a stage takes over the learned score of the one before."""
    before, here = config.stages[stage - 1], config.stages[stage]
    same = here.scene is None and here.phi == before.phi
    return stage > 0 and same and takes(here, "phi") and takes(before, "phi")


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


def reference_picture(run: Run, prior: Prior) -> torch.Tensor | None:
    """The picture that methods with an image prompt are shown, `[3,H,W]`, or None where no stage has one.

    It is the user's, or the front view that the prior itself draws for the prompt and the seed; reference.png keeps it.
    """
    config, path = run.config, run.folder / "reference.png"
    stage = next((stage for stage in config.stages if takes(stage, "image")), None)
    if stage is None:
        return None
    if not path.is_file():
        save_picture(open_picture(config.image) if config.image else _drawn(config, stage, prior), path)
    return open_picture(path).to(prior.device)


@torch.no_grad()
def _drawn(config: RunConfig, stage: StageConfig, prior: Prior) -> torch.Tensor:
    size = max(stage.size for stage in config.stages)
    front, white = orbit([0.0], 15.0, size=size).to(prior.device), torch.ones(1, 3, device=prior.device)
    prompt = stage_conditions(stage, prior, config.prompt, config.negative, front, white)
    like = prior.encode(torch.zeros(1, 3, size, size, device=prior.device))
    scale = stage.objective.options.get("guidance", 7.5)
    return prior.decode(sample(prior, prompt, like, generator(config.seed, "reference"), scale=scale))[0]


def _optimize_stages(run: Run, prior: Prior, console: Console, stop: StopSignals) -> Scene:
    config = run.config
    checkpoint = run.last_checkpoint()
    run.forget_after(checkpoint.stage if checkpoint else 0, checkpoint.step if checkpoint else 0)
    rollbacks = 0
    stage_index = checkpoint.stage if checkpoint else 0
    scene, progress = _restore(run, checkpoint, stage_index, prior)
    image = reference_picture(run, prior)
    while True:
        stage = config.stages[stage_index]
        try:
            for step in optimize(
                stage, scene, prior, stage.prompt or config.prompt, config.negative, config.seed, stage_index, progress,
                config.source_prompt, image, config.log_every,
            ):
                last = progress.step == stage.steps
                console.step(stage_index, step)
                if step.step % config.log_every == 0 or last:
                    figures = {name: float(value) for name, value in step.figures.items()}
                    console.figures(figures)
                    spent = {"seconds": round(time.time() - run.started, 2), "evaluations": progress.evaluations}
                    run.log(stage=stage_index, step=step.step, **spent, **figures)
                if progress.step % config.checkpoint_every == 0 or last or stop.signum:
                    _save(run, stage_index, scene, progress)
                if progress.step % config.preview_every == 0 or step.step == 4:
                    preview(scene, run.folder / "preview" / f"stage{stage_index}-step{progress.step:06d}.png")
                if stop.signum:
                    raise Interrupted(stop.signum, run.folder)
        except Diverged as error:
            rollbacks += 1
            if rollbacks > MOST_ROLLBACKS:
                raise UserError(f"{error}, {rollbacks} times; try a lower stages.{stage_index}.lr") from error
            checkpoint = run.last_checkpoint()
            stage_index = checkpoint.stage if checkpoint else 0
            scene, progress = _restore(run, checkpoint, stage_index, prior)
            progress.lr_factor *= 0.5**rollbacks
            console.say(f"{error}: back to step {progress.step} of stage {stage_index + 1} with half the learning rate")
            continue
        stage_index += 1
        if stage_index == len(config.stages):
            return first(scene)
        before, previous = scene, progress
        if config.stages[stage_index].scene is not None:
            scene = build_scene(config, stage_index, prior.device)
            hand_over(first(before), scene)
        phi = progress.phi if _phi_goes_on(config, stage_index) else build_phi(config, stage_index, prior)
        progress = Progress(make_optimizer(scene), phi=phi)
        if takes(config.stages[stage_index], "source"):
            progress.source = previous.source or frozen(before)


def _restore(run: Run, checkpoint: Checkpoint | None, stage: int, prior: Prior) -> tuple[Scene, Progress]:
    scene, phi = build_scene(run.config, stage, prior.device), build_phi(run.config, stage, prior)
    source = _source(run.config, checkpoint, stage, prior.device)
    if checkpoint is None:
        return scene, Progress(make_optimizer(scene), phi=phi, source=source)
    scene.load_state_dict(_tensors(checkpoint, "scene"))
    progress = Progress(make_optimizer(scene), checkpoint.step, phi=phi, source=source)
    restore_optimizer(progress.optimizer, checkpoint.tensors)
    if phi:
        phi.load_state_dict(_tensors(checkpoint, "phi"))
        restore_optimizer(phi.optimizer, checkpoint.tensors, "phi_optimizer")
    progress.skipped = torch.tensor(int(checkpoint.counters["skipped"]))
    progress.collapsed = torch.tensor(int(checkpoint.counters["collapsed"]))
    progress.lr_factor = checkpoint.counters["lr_factor"]
    progress.evaluations = int(checkpoint.counters["evaluations"])
    return scene, progress


def _source(config: RunConfig, checkpoint: Checkpoint | None, stage: int, device: torch.device) -> Scene | None:
    """What a stage edits: the scene as it was when the first of the editing stages in a row began."""
    if not takes(config.stages[stage], "source"):
        return None
    while stage > 0 and takes(config.stages[stage], "source"):
        stage -= 1
    source = build_scene(config, stage, device)
    if checkpoint is not None:
        source.load_state_dict(_tensors(checkpoint, "source"))
    return frozen(source)


def _save(run: Run, stage: int, scene: Scene, progress: Progress) -> None:
    tensors = {f"scene.{name}": value for name, value in scene.state_dict().items()}
    if progress.source is not None:
        tensors |= {f"source.{name}": value for name, value in progress.source.state_dict().items()}
    tensors |= optimizer_tensors(progress.optimizer)
    if phi := progress.phi:
        tensors |= {f"phi.{name}": value for name, value in phi.state_dict().items()}
        tensors |= optimizer_tensors(phi.optimizer, "phi_optimizer")
    run.save_checkpoint(Checkpoint(stage, progress.step, tensors, progress.counters()))


def frozen(scene: Scene) -> Scene:
    """A copy of a scene that no step changes: what an edit starts from."""
    return copy.deepcopy(scene).eval().requires_grad_(False)  # type: ignore[attr-defined]


def _tensors(checkpoint: Checkpoint, part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in checkpoint.tensors.items() if key.startswith(prefix)}


PREVIEW_GREY = 0.9


def preview_cameras() -> Cameras:
    """The four sides that a preview shows."""
    return orbit([20.0, 110.0, 200.0, 290.0], 15.0, size=160)


@torch.no_grad()
def preview(scene: Scene, path: Path) -> None:
    """A small contact sheet of the scene as it is, from four sides."""
    scene.eval()
    views = scene.render(preview_cameras(), torch.full((4, 3), PREVIEW_GREY))
    scene.train()
    save_picture(contact_sheet(views.rgb, columns=4), path)


def _finish(run: Run, scene: Scene, console: Console) -> None:
    scene.eval()
    config = run.config
    assets = run.folder / "assets"
    result = export_scene(scene, assets, config.export.formats, config.export, config.prompt, console.task)
    with console.task("turntable and report"), torch.no_grad():
        grey = torch.full((1, 3), 0.94)
        frames = [scene.render(turntable(48, size=320)[i : i + 1], grey).rgb for i in range(48)]
        video = torch.cat(frames)
        save_video(video, run.folder / "turntable.mp4", fps=24)
        save_picture(contact_sheet(video[::6], columns=4), run.folder / "contact.png")
        found = {"psnr": round(result.verification.mean_psnr, 2), "iou": round(result.verification.mean_iou, 4)}
        run.describe(seconds=round(time.time() - run.started, 1), assets=[path.name for path in result.paths], **found)
        write_report(run.folder, config.prompt, result)
    run.describe(state="finished")
    _say_checks(result, console)
    console.where(run, [path.name for path in result.paths])


def _say_checks(result: Exported, console: Console) -> None:
    for path, check in zip(result.paths, result.checks, strict=True):
        console.say(f"verified {path.name}: {check.summary()}")


class StopSignals:
    """SIGINT and SIGTERM ask for a stop at the next good moment instead of tearing the work: they set `signum`, and
    `then` is called."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.signum, self._then = 0, then
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        def remember(signum: int, frame: FrameType | None) -> None:
            self.signum = signum
            self._then()

        try:
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._previous[signum] = signal.signal(signum, remember)
        except ValueError:  # not the main thread: the caller's own handlers stay
            self._previous = {}
        return self

    def __exit__(self, *details: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
