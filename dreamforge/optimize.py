"""The loop over one stage: render, ask the prior, pull on the scene. It knows no method by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dreamforge.building import build_function, reward_of, second_prior_of, takes
from dreamforge.cameras import Cameras
from dreamforge.components import KINDS, find
from dreamforge.config import StageConfig
from dreamforge.contracts import (
    Condition,
    Distilled,
    LearnedScore,
    Prior,
    PromptConditions,
    Scene,
    Second,
    Source,
    Views,
)
from dreamforge.errors import UserError
from dreamforge.objectives.clipping import CLIPS
from dreamforge.priors.counted import Counted
from dreamforge.priors.guidance import view_weights
from dreamforge.prompts import view_prompts
from dreamforge.rendering.background import background
from dreamforge.rng import generator
from dreamforge.schedules import value_at

EMPTY, FULL = 1e-3, 0.97
"""Mean opacity of a batch below or above which the scene counts as collapsed."""
COLLAPSED_FOR, SKIPS_TO_ROLL_BACK, MOST_ROLLBACKS = 50, 5, 3


class Diverged(RuntimeError):
    """Too many non-finite steps in a row; the run goes back to its last checkpoint."""


@dataclass
class Step:
    """What happened in a step: figures are device tensors, so that reading them is the reader's choice."""

    step: int
    figures: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Progress:
    """A stage under way: `step` steps are done."""

    optimizer: torch.optim.Optimizer
    step: int = 0
    skipped: Tensor = field(default_factory=lambda: torch.tensor(0))
    """Non-finite steps in a row, counted on the device."""
    collapsed: Tensor = field(default_factory=lambda: torch.tensor(0))
    """Steps in a row with an empty or full scene, counted on the device."""
    lr_factor: float = 1.0
    phi: LearnedScore | None = None
    source: Scene | None = None
    """The scene as it was when the stage began, kept for the objectives that edit it."""
    hold: Callable[[], None] | None = None
    """Puts back, after a step, what an edit may not change."""
    evaluations: int = 0
    """Of the prior: pictures times conditions."""

    def count(self, evaluations: int) -> None:
        """The prior has been asked."""
        self.evaluations += evaluations

    def counters(self) -> dict[str, float]:
        """What a checkpoint keeps beside tensors."""
        return {
            "skipped": int(self.skipped), "collapsed": int(self.collapsed), "lr_factor": self.lr_factor,
            "evaluations": self.evaluations,
        }  # fmt: skip

    def note(self, finite: Tensor, opacity: Tensor) -> None:
        """Note how a step went."""
        self.skipped = (self.skipped + 1) * ~finite
        self.collapsed = (self.collapsed + 1) * ~((opacity > EMPTY) & (opacity < FULL))

    def check(self, opacity: Tensor) -> None:
        """Read the counters, which waits for the device. Raises Diverged, or UserError for a collapsed scene."""
        skipped, collapsed = int(self.skipped), int(self.collapsed)
        if skipped >= SKIPS_TO_ROLL_BACK:
            raise Diverged(f"{skipped} non-finite steps in a row at step {self.step - 1}")
        if collapsed >= COLLAPSED_FOR:
            what = "empty" if opacity.item() <= EMPTY else "opaque everywhere"
            raise UserError(
                f"the scene has been {what} for {collapsed} steps; try another seed, a lower stages.N.lr, "
                "or weaker regularizers"
            )


def make_optimizer(scene: Scene) -> torch.optim.Adam:
    """Adam over the scene's groups, with the betas and epsilon that this field uses."""
    groups = [{**group, "params": [group["params"]], "initial_lr": group["lr"]} for group in scene.param_groups()]
    return torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)


Supply = Mapping[str, Callable[[], Any]]
"""What the engine can give an objective, by the name of the argument; made only for those who ask."""


def objective_of(stage: StageConfig) -> Callable[..., Distilled]:
    """The stage's objective as a function of (z, t, eps, prior, prompt, supply)."""
    objective = build_function("objectives", stage.objective)
    wanted = [key for key in KINDS["objectives"].supplied if takes(stage, key)]  # once: it looks plugins up

    def distill(z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions, supply: Supply) -> Distilled:
        return objective(z, t, eps, prior, prompt, **{key: supply[key]() for key in wanted})

    return distill


def loss_of(z: Tensor, grad: Tensor) -> Tensor:
    """The loss whose gradient on z is grad / B: half the squared distance to the target z - grad, which is constant."""
    target = (z - grad).detach()
    return 0.5 * (z - target).square().sum() / len(z)


def optimize(
    stage: StageConfig,
    scene: Scene,
    prior: Prior,
    prompt: str,
    negative: str,
    seed: int,
    key: int,
    progress: Progress,
    source_prompt: str = "",
    image: Tensor | None = None,
    log_every: int = 10,
) -> Iterator[Step]:
    """Run the rest of a stage, yielding after every step. `key` numbers the stage, for its random numbers.

    source_prompt: describes `progress.source`, for objectives that edit. image: the picture of what is wanted
    `[3,H,W]`, for those with an image prompt.

    A step whose loss or gradients are not finite changes nothing. Every `log_every` steps, and only then, the host
    waits for the device. Raises Diverged after several non-finite steps in a row, and UserError for a scene that stays
    empty or full.
    """
    cameras_at = find("cameras", stage.cameras.name, "cameras")(**stage.cameras.options).sample
    timesteps_at = build_function("timesteps", stage.timesteps)
    objective = objective_of(stage)
    optimizer, device = progress.optimizer, prior.device
    reward = reward_of(stage, prior, image)
    second = second_prior_of(stage, prior, seed)
    prior, second = Counted(prior, progress.count), second and Counted(second, progress.count)
    while progress.step < stage.steps:
        step = progress.step
        random = partial(generator, seed, key, step)
        done = step / max(1, stage.steps - 1)
        posed = cameras_at(done, stage.batch, stage.size, random("cameras"))  # the host words prompts by these
        cameras = posed.to(device)
        behind = background(stage.background, stage.batch, random("background")).to(device, non_blocking=True)
        views, picture = _look(scene, stage, cameras, behind)
        z = prior.encode(picture)
        t = prior.noise.timestep(timesteps_at(done, stage.batch, random("timesteps"))).to(device, non_blocking=True)
        eps = torch.randn(z.shape, generator=random("noise")).to(z, non_blocking=True)
        score = partial(reward, prompt=prompt, cameras=cameras, background=behind) if reward else None
        supply: Supply = {
            "progress": lambda done=done: done,
            "generator": partial(random, "objective"),
            "rendered": partial(_detached, views),
            "cameras": lambda cameras=cameras: cameras,
            "source": partial(_see, progress.source, stage, prior, source_prompt, negative, cameras, behind),
            "image": lambda: image,
            "reward": lambda score=score: score,
            "phi": partial(progress.phi.phi, prompt, cameras, behind) if progress.phi else None,
            "second": partial(_second, second, stage, prompt, negative, posed, behind),
        }
        with torch.no_grad():
            conditions = stage_conditions(stage, prior, prompt, negative, posed, behind)
            distilled = objective(z.detach(), t, eps, prior, conditions, supply)
            grad = distilled.grad
            for name, limit in stage.clip.items():
                grad = CLIPS[name](grad, value_at(limit, done))
        loss = loss_of(z, grad)
        if distilled.rgb is not None:
            loss = loss + loss_of(views.rgb, distilled.rgb)
        penalties = _penalties(stage, scene, views, done)
        if score and value_at(stage.reward_weight, done):
            penalties["reward"] = (-value_at(stage.reward_weight, done), score(views.rgb).mean())
        total = loss + sum(weight * value for weight, value in penalties.values())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        finite = _finite(total, optimizer)
        optimizer.found_inf = 1 - finite.float()  # the fused Adam leaves everything as it is where this is 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * value_at(stage.lr, done) * progress.lr_factor
        optimizer.step()
        scene.after_step(step, stage.steps, optimizer, random("scene"))
        if progress.hold:
            progress.hold()
        if progress.phi:
            distilled.info |= progress.phi.learn(z.detach(), prompt, cameras, behind, done, random("phi"))
        progress.step += 1
        opacity = views.alpha.detach().mean()
        progress.note(finite, opacity)
        if step % log_every == 0 or progress.step == stage.steps:
            progress.check(opacity)
        figures = {name: value.detach() for name, (_, value) in penalties.items()}
        yield Step(step, {"loss": loss.detach(), "opacity": opacity, **distilled.info, **figures})


def _second(
    prior: Prior, stage: StageConfig, prompt: str, negative: str, cameras: Cameras, behind: Tensor
) -> Second:
    return Second(prior, stage_conditions(stage, prior, stage.second_prompt or prompt, negative, cameras, behind))


def _detached(views: Views) -> Views:
    return Views(views.rgb.detach(), views.alpha.detach(), views.depth.detach())


def _see(
    scene: Scene, stage: StageConfig, prior: Prior, prompt: str, negative: str, cameras: Cameras, behind: Tensor
) -> Source:
    """The source as this step's cameras see it."""
    z = prior.encode(_look(scene, stage, cameras, behind)[1])
    return Source(z, stage_conditions(stage, prior, prompt, negative, cameras, behind))


def _look(scene: Scene, stage: StageConfig, cameras: Cameras, behind: Tensor) -> tuple[Views, Tensor]:
    """What the scene shows, and the picture `[B,3,H,W]` of it that the prior sees."""
    if stage.view == "rgb":
        views = scene.render(cameras, behind)
        return views, views.rgb
    views = scene.render(cameras, behind, normals=True)
    return views, 0.5 * (views.normal + views.alpha) + (1 - views.alpha) * behind[:, :, None, None]


def stage_conditions(
    stage: StageConfig,
    prior: Prior,
    prompt: str,
    negative: str,
    cameras: Cameras,
    behind: Tensor,
    image: Tensor | None = None,
) -> PromptConditions:
    """What a stage tells the prior about a batch: the wordings of `prompt` for its cameras, negatives, a picture."""
    def ask(texts: list[str]) -> Callable[[], Condition]:
        pictured = {} if image is None else {"image": image}
        return partial(prior.condition, texts, cameras, behind, **pictured)

    count = len(cameras)
    worded = view_prompts(prompt, cameras, stage.debias) if stage.view_prompts else [prompt] * count
    return PromptConditions(
        ask(worded),
        ask([negative] * count),
        ask([""] * count) if negative else None,
        [ask([f"{prompt}, {word} view"] * count) for word in ("front", "side")] if stage.perp_neg else (),
        view_weights(cameras.azimuth, cameras.elevation) if stage.perp_neg else None,
        partial(stage_conditions, stage, prior, prompt, negative, cameras, behind),
        stage.rescale,
    )


def _penalties(stage: StageConfig, scene: Scene, views: Views, done: float) -> dict[str, tuple[float, Tensor]]:
    weights = {name: value_at(weight, done) for name, weight in stage.regularizers.items()}
    if not any(weights.values()):
        return {}
    values = scene.regularizers(views)
    return {name: (weight, values[name]) for name, weight in weights.items() if weight}


def _finite(total: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    """Whether the loss and all gradients are finite, as a tensor: one reduction each, for a sum of anything that is not
    finite is not."""
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    return torch.stack([total.detach(), *[grad.sum() for grad in grads]]).isfinite().all()
