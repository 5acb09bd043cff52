"""From a prompt to files: the stages one after the other, then the assets. Start, resume and export a run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dreamforge import config as configuration
from dreamforge.building import build_phi, build_prior, build_scene, phi_goes_on, takes
from dreamforge.cameras import Cameras, orbit, turntable
from dreamforge.config import ExportConfig, RunConfig, StageConfig
from dreamforge.console import Console
from dreamforge.contracts import Pretrained, Prior, Scene
from dreamforge.editing.hold import hold_of
from dreamforge.editing.opening import described, opened
from dreamforge.editing.original import keep, kept
from dreamforge.editing.restoring import beginning, edited
from dreamforge.errors import UserError
from dreamforge.export import Exported, export_scene
from dreamforge.export.frame import UNMOVED
from dreamforge.kernels import compilation_ahead
from dreamforge.optimize import MOST_ROLLBACKS, Diverged, Progress, make_optimizer, optimize, stage_conditions
from dreamforge.pictures import contact_sheet, open_picture, save_picture, save_video
from dreamforge.priors.sampling import sample
from dreamforge.prompts import wordings
from dreamforge.rehearsal import checked_prior
from dreamforge.report import write_report
from dreamforge.rng import generator
from dreamforge.runs import Run
from dreamforge.saving import frozen, last_scene, restore, save
from dreamforge.scenes.convert import hand_over
from dreamforge.scenes.particles import first
from dreamforge.stopping import Interrupted, StopSignals


def start(
    prompt: str = "",
    recipe: str = "splats",
    overrides: Sequence[str] = (),
    out: str | None = None,
    command: Sequence[str] = (),
    console: Console | None = None,
    **settings: Any,
) -> Run:
    """Make a new run of a recipe and carry it through. Everything is checked before a folder is made.

    prompt: left out, the recipe's or that of the run that is edited. overrides: "key.path=value" texts. settings:
    top-level keys of the configuration, such as seed=3, or a source to edit.
    """
    given = {"prompt": prompt} if prompt else {}
    config, original = opened(*configuration.load(recipe, overrides, **given, **settings))
    prior = checked_prior(config)
    first_time = compilation_ahead()
    run, console = Run.create(config, list(command), out), console or Console()
    if original:
        keep(original, run)
        run.describe(source=described(config, original))
    if first_time:
        console.say("first run on this machine: the CPU kernels are compiled once, which takes about half a minute")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.Popen([sys.executable, "-m", "dreamforge.export.warm"], **quiet)  # compiling uses one core only
    return carry_through(run, prior, console)


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
    result = _export(run, scene, formats, config.export, console)
    names = [path.name for path in result.paths]
    run.describe(assets=list(dict.fromkeys([*run.manifest().get("assets", []), *names])))
    write_report(run.folder, config.prompt, result)
    _say_checks(result, console)
    return result.paths


def carry_through(run: Run, prior: Prior, console: Console) -> Run:
    """Optimize what is left of the stages, then write the assets and the report."""
    if isinstance(prior, Pretrained):
        run.describe(checkpoint=prior.checkpoint)
        prior.read(_texts(run.config))
    with StopSignals() as stop, console.run(run):
        scene = _optimize_stages(run, prior, console, stop)
    _finish(run, scene, console)
    return run


def _texts(config: RunConfig) -> set[str]:
    """What the stages ask a prior for, in words; a few texts more, since not every stage asks for all."""
    asked = {"", config.negative}
    for stage in config.stages:
        for prompt in (stage.prompt or config.prompt, config.source_prompt):
            asked |= {prompt, *wordings(prompt).values(), *wordings(prompt, stage.debias).values()}
    return asked


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
    scene, progress = restore(run, checkpoint, stage_index, prior)
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
                    save(run, stage_index, scene, progress)
                if progress.step % config.preview_every == 0 or step.step == 4:
                    preview(scene, run.folder / "preview" / f"stage{stage_index}-step{progress.step:06d}.png")
                if stop.signum:
                    raise Interrupted(stop.signum, f"dreamforge resume {run.folder}")
        except Diverged as error:
            rollbacks += 1
            if rollbacks > MOST_ROLLBACKS:
                raise UserError(f"{error}, {rollbacks} times; try a lower stages.{stage_index}.lr") from error
            checkpoint = run.last_checkpoint()
            stage_index = checkpoint.stage if checkpoint else 0
            scene, progress = restore(run, checkpoint, stage_index, prior)
            progress.lr_factor *= 0.5**rollbacks
            console.say(f"{error}: back to step {progress.step} of stage {stage_index + 1} with half the learning rate")
            continue
        if stage.steps == 0:
            save(run, stage_index, scene, progress)
        stage_index += 1
        if stage_index == len(config.stages):
            return first(scene)
        before, previous = scene, progress
        if config.stages[stage_index].scene is not None:
            scene = build_scene(config, stage_index, prior.device)
            hand_over(first(before), scene)
        phi = progress.phi if phi_goes_on(config, stage_index) else build_phi(config, stage_index, prior)
        progress = Progress(make_optimizer(scene), phi=phi, hold=hold_of(kept(run), config.budget, scene))
        if takes(config.stages[stage_index], "source"):
            progress.source = previous.source or frozen(before)


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


def _export(run: Run, scene: Scene, formats: Sequence[str], config: ExportConfig, console: Console) -> Exported:
    """Write a run's scene into its assets; an edit's at its source's own place, what it left alone as it was."""
    original, folder, prompt = kept(run), run.folder / "assets", run.config.prompt
    frame = original.frame if original else UNMOVED
    return export_scene(edited(scene, original), folder, formats, config, prompt, console.task, frame)


def _finish(run: Run, scene: Scene, console: Console) -> None:
    scene.eval()
    config = run.config
    result = _export(run, scene, config.export.formats, config.export, console)
    with console.task("turntable and report"), torch.no_grad():
        video = _turned(scene)
        save_video(video, run.folder / "turntable.mp4", fps=24)
        if original := kept(run):
            before = _turned(beginning(scene, original))
            save_video(torch.cat([before, video], dim=3), run.folder / "before-after.mp4", fps=24)
            video = torch.cat([before[::12], video[::12]])
        else:
            video = video[::6]
        save_picture(contact_sheet(video, columns=4), run.folder / "contact.png")
        found = {"psnr": round(result.verification.mean_psnr, 2), "iou": round(result.verification.mean_iou, 4)}
        run.describe(seconds=round(time.time() - run.started, 1), assets=[path.name for path in result.paths], **found)
        write_report(run.folder, config.prompt, result)
    run.describe(state="finished")
    _say_checks(result, console)
    console.where(run, [path.name for path in result.paths])


def _turned(scene: Scene) -> torch.Tensor:
    """The 48 pictures `[48,3,320,320]` of a turntable."""
    grey, cameras = torch.full((1, 3), 0.94), turntable(48, size=320)
    return torch.cat([scene.render(cameras[i : i + 1], grey).rgb for i in range(len(cameras))])


def _say_checks(result: Exported, console: Console) -> None:
    for path, check in zip(result.paths, result.checks, strict=True):
        console.say(f"verified {path.name}: {check.summary()}")


