"""The loop on a scene that is nothing but its picture, where every effect can be foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch import Tensor

from dreamforge import config
from dreamforge.cameras import Cameras
from dreamforge.contracts import Views
from dreamforge.errors import UserError
from dreamforge.optimize import Diverged, Progress, make_optimizer, optimize
from dreamforge.priors.analytic import Analytic
from dreamforge.rehearsal import check_regularizers
from dreamforge.saving import optimizer_tensors, restore_optimizer

RED = [1.0, -1.0, -1.0]


class Picture(torch.nn.Module):
    """One picture that every camera sees."""

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__()
        self.rgb = torch.nn.Parameter(torch.full((3, 8, 8), 0.5))
        self.alpha, self.seen = alpha, []

    def render(self, cameras: Cameras, background: Tensor) -> Views:
        self.seen.append((cameras, background))
        alpha = torch.full((len(cameras), 1, 8, 8), self.alpha)
        return Views(self.rgb.expand(len(cameras), 3, 8, 8), alpha, alpha)

    def param_groups(self) -> list[dict]:
        return [{"name": "rgb", "params": self.rgb, "lr": 0.05}]

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        return {"bright": -views.rgb.mean()}

    def after_step(self, *_: object) -> None:
        pass


def stage(*overrides: str) -> config.StageConfig:
    basic = ["stages.0.size=8", "stages.0.batch=2", "stages.0.view_prompts=false"]
    return config.load("splats", [*basic, *(f"stages.0.{o}" for o in overrides)])[0].stages[0]


def run(scene: Picture, settings: config.StageConfig, progress: Progress | None = None) -> Iterator:
    prior = Analytic(means=[RED], stds=[0.1])
    return optimize(settings, scene, prior, "", "", 0, 0, progress or Progress(make_optimizer(scene)))


def test_the_picture_becomes_what_the_prior_says() -> None:
    scene = Picture()
    steps = list(run(scene, stage("steps=150")))
    assert [s.step for s in steps] == list(range(150))
    assert torch.allclose(scene.rgb.mean((1, 2)), torch.tensor([1.0, 0.0, 0.0]), atol=0.05)
    assert steps[-1].figures["loss"] < 0.2 * steps[0].figures["loss"]


def test_a_step_depends_on_its_number_alone() -> None:
    """Half, a restart from saved tensors, and the other half: the same bytes as in one go."""
    whole, first = Picture(), Picture()
    list(run(whole, stage("steps=20")))
    progress = Progress(make_optimizer(first))
    for step in run(first, stage("steps=20"), progress):
        if step.step == 8:
            break
    second = Picture()
    second.load_state_dict(first.state_dict())
    resumed = Progress(make_optimizer(second), progress.step)
    restore_optimizer(resumed.optimizer, optimizer_tensors(progress.optimizer))
    list(run(second, stage("steps=20"), resumed))
    assert torch.equal(whole.rgb, second.rgb)


def test_regularizers_and_learning_rate_follow_their_schedules() -> None:
    scene = Picture()
    list(run(scene, stage("steps=5", "lr=0")))
    assert torch.equal(scene.rgb, Picture().rgb)
    list(run(scene, stage("steps=40", "regularizers={bright: 1e6}")))
    assert scene.rgb.mean() > 1
    with pytest.raises(UserError, match="did you mean 'bright'"):
        check_regularizers(stage("regularizers={brigt: 1}"), scene, "stages.0")


def test_clipping_limits_the_gradient() -> None:
    free, tight = (next(run(Picture(), stage("steps=5", *clip))).figures["loss"] for clip in ((), ("clip={values: 1e-3}",)))
    assert tight <= 0.501 * 1e-6 * 3 * 64 and free > 100 * tight
    pixels = next(run(Picture(), stage("steps=5", "clip={pixels: 1e-3}"))).figures["loss"]
    assert 0 < pixels <= tight * 1.01


def test_non_finite_steps_are_skipped_and_then_given_up() -> None:
    scene = Picture()
    with torch.no_grad():
        scene.rgb[0, 0, 0] = float("nan")
    progress = Progress(make_optimizer(scene))
    with pytest.raises(Diverged, match="11 non-finite"):  # read every ten steps
        list(run(scene, stage("steps=50"), progress))
    assert scene.rgb.isnan().sum() == 1  # nothing spread


def test_a_step_that_is_not_finite_changes_nothing_and_counts_no_longer_than_it_lasts() -> None:
    class Faulty(Picture):
        """Its gradient is infinite at every third render."""

        def render(self, cameras: Cameras, background: Tensor) -> Views:
            views = super().render(cameras, background)
            if len(self.seen) % 3 == 0:
                views.rgb.register_hook(lambda gradient: gradient * float("inf"))
            return views

    scene = Faulty()
    progress = Progress(make_optimizer(scene))
    before, moments = scene.rgb.detach().clone(), {}
    for step in run(scene, stage("steps=12"), progress):
        bad = len(scene.seen) % 3 == 0
        assert int(progress.skipped) == bad
        assert torch.equal(scene.rgb, before) == bad
        now = {name: value.clone() for name, value in optimizer_tensors(progress.optimizer).items()}
        assert not bad or all(torch.equal(now[name], moments[name]) for name in now)
        before, moments = scene.rgb.detach().clone(), now
    assert step.step == 11 and progress.optimizer.state[scene.rgb]["step"] == 8


def test_counters_survive_a_checkpoint() -> None:
    progress = Progress(make_optimizer(Picture()))
    progress.note(torch.tensor(False), torch.tensor(0.0))
    progress.note(torch.tensor(False), torch.tensor(0.5))
    assert progress.counters() == {"skipped": 2, "collapsed": 0, "lr_factor": 1.0, "evaluations": 0}


@pytest.mark.parametrize(("alpha", "word"), [(0.0, "empty"), (1.0, "opaque everywhere")])
def test_a_collapsed_scene_is_an_error_that_says_so(alpha: float, word: str) -> None:
    with pytest.raises(UserError, match=word):
        list(run(Picture(alpha), stage("steps=100")))


def test_perp_neg_reaches_the_prior_with_a_weight_per_view(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, prior, asked = Picture(), Analytic(means=[RED], stds=[0.1]), []
    condition = prior.condition
    monkeypatch.setattr(prior, "condition", lambda texts, *rest: asked.append(texts) or condition(texts, *rest))
    settings = stage("steps=1", "perp_neg=true", "objective.guidance=7.5", "view_prompts=true")
    list(optimize(settings, scene, prior, "a cat", "", 0, 0, Progress(make_optimizer(scene))))
    assert ["a cat, front view"] * 2 in asked and ["a cat, side view"] * 2 in asked and ["", ""] in asked


def test_progress_counts_what_the_prior_is_asked() -> None:
    """Three steps, two views, two conditions (guidance other than 1); would miss a factor of any."""
    scene = Picture()
    progress = Progress(make_optimizer(scene))
    list(run(scene, stage("steps=3", "objective.guidance=7.5"), progress))
    assert progress.evaluations == 3 * 2 * 2


def test_an_edit_sees_its_source_and_both_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a grey picture, DDS from blue to red with equal spreads moves by red - blue and stays there: grey is kept.
    Catches exchanged prompts, and a source that moves along."""
    source, scene = Picture(), Picture()
    prior = Analytic(means=[RED, [0.9, -0.9, -0.7]], stds=[0.3, 0.3], prompts={"red": [1.0, 0.0], "pink": [0.0, 1.0]})
    progress = Progress(make_optimizer(scene), source=source)
    settings = stage("steps=150", "objective={name: dds, guidance: 1}", "lr={0: 1, 1: 0}")
    list(optimize(settings, scene, prior, "red", "", 0, 0, progress, source_prompt="pink"))
    moved = torch.tensor([1.0 - 0.9, -1.0 + 0.9, -1.0 + 0.7]) / 2
    assert torch.allclose(scene.rgb.mean((1, 2)), 0.5 + moved, atol=0.01)
    assert torch.equal(source.rgb, Picture().rgb) and source.rgb.grad is None


def test_t_vlm_3_a_reward_pulls_by_its_weight_and_at_zero_not_at_all() -> None:
    """Toward the picture that the reward likes, against the prior; with weight 0 the same bytes as without one."""
    scenes = []
    for extra in ((), ("reward=prior",), ("reward={name: prior, std: 1.0}", "reward_weight=1e5")):
        scenes.append(Picture())
        prior = Analytic(means=[RED, [-1.0, 1.0, -1.0]], stds=[0.3, 0.3], prompts={"red": [1.0, 0.0], "green": [0.0, 1.0]})
        prior.condition = partial(lambda ask, texts, *rest: ask([t or "red" for t in texts], *rest), prior.condition)
        settings = stage("steps=2", "objective.guidance=0", *extra)  # guidance 0: the prior alone says red
        list(optimize(settings, scenes[-1], prior, "green", "", 0, 0, Progress(make_optimizer(scenes[-1]))))
    plain, still, pulled = (scene.rgb.detach() for scene in scenes)
    assert torch.equal(plain, still)
    assert (pulled[0] < 0.5).all() and (pulled[1] > 0.5).all() and not ((plain[0] < 0.5).all() and (plain[1] > 0.5).all())
