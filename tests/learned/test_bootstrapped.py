"""phi and the teacher that is tuned to repaired renders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dreamforge import config
from dreamforge.cameras import Cameras, orbit
from dreamforge.contracts import Condition, Phi
from dreamforge.learned.bootstrapped import Bootstrapped
from dreamforge.learned.lora import LoRA
from dreamforge.rehearsal import rehearse_objective
from dreamforge.saving import optimizer_tensors, restore_optimizer
from dreamforge.objectives.needs import check_needs
from dreamforge.errors import UserError
from dreamforge.building import build_phi
from dreamforge.priors.analytic import Analytic
from dreamforge.rng import generator

pytestmark = pytest.mark.usefixtures("one_thread")

RED = [0.6, -0.5, -0.4]
PRIOR = Analytic(means=[RED], stds=[0.05])
CAMERAS, BEHIND = orbit([0.0, 180.0], 15.0, size=8), torch.ones(2, 3)
OPTIONS = {"cycle": 10, "share": 0.4, "every": 2, "keep": 3, "strength": 0.9, "steps": 3, "guidance": 1.0, "rate": 1e-2}


def made(**options: object) -> Bootstrapped:
    return Bootstrapped(prior=PRIOR, shape=(3, 8, 8), seed=0, **{**OPTIONS, **options})


def renders(step: int = 0) -> Tensor:
    return torch.zeros(2, 3, 8, 8) + 0.1 * torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(step))


def learn(phi: Bootstrapped, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        phi.learn(renders(step), "red", CAMERAS, BEHIND, 0.0, generator(0, step))


def weights(part: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in part.parameters()])


def test_in_the_first_part_of_a_cycle_the_teacher_learns_alone_and_then_phi_does() -> None:
    """4 steps of 10, and again. Catches one optimizer that moves both, and a teacher that is still asked meanwhile."""
    phi, cycle = made(), []
    for step in range(24):
        before = weights(phi.teacher), weights(phi.renders)
        cycle.append(phi.phi("red", CAMERAS, BEHIND).teacher is None)
        learn(phi, 1, step)
        moved = [not torch.equal(was, weights(part)) for was, part in zip(before, (phi.teacher, phi.renders), strict=True)]
        assert moved == [cycle[-1], not cycle[-1]], step
    assert cycle == ([True] * 4 + [False] * 6) * 2 + [True] * 4


def test_what_the_teacher_learns_are_the_newest_renders_as_the_prior_repairs_them() -> None:
    """Grey renders come back nearly red at much noise and stay grey at little; two of four repairs of two fill three
    places, with the cameras and backgrounds they were seen by."""
    phi = made()
    learn(phi, 3)
    assert int(phi.counts[1]) == 4 and torch.allclose(phi.pictures.mean((0, 2, 3)), torch.tensor(RED), atol=0.05)
    order = [CAMERAS.c2w[1], CAMERAS.c2w[1], CAMERAS.c2w[0]]  # the fourth picture took the place of the first
    assert torch.allclose(phi.poses, torch.stack(order)) and torch.equal(phi.behind, torch.ones(3, 3))
    slight = made(strength=0.0)
    learn(slight, 1)
    assert slight.pictures[:2].mean().abs() < 0.05


def test_only_what_was_kept_is_learned_and_the_prompt_is_what_repairs() -> None:
    """Catches places still empty among what is drawn, and a repair under the empty prompt, which is blue here."""
    told = {f"red, {view} view": [1.0, 0.0] for view in ("front", "back")}
    prior = Analytic(means=[RED, [-0.5, -0.5, 0.6]], stds=[0.05, 0.05], prompts={**told, "": [0.0, 1.0]})
    phi, shown = Bootstrapped(prior=prior, shape=(3, 8, 8), seed=0, **{**OPTIONS, "keep": 50}), []
    phi.teacher.learn = lambda z, *_: shown.append(z) or {}
    learn(phi, 2)
    assert torch.allclose(torch.cat(shown).mean((2, 3)), torch.tensor(RED).expand(4, 3), atol=0.1)


def test_the_teacher_comes_to_the_repaired_pictures_and_phi_to_the_renders() -> None:
    """Each denoises what it has seen better than the other does. Catches the two trained on each other's pictures."""
    phi = made(cycle=160, share=0.5, every=20)
    learn(phi, 160)
    phi.counts[0] = 100
    bound, t = phi.phi("red", CAMERAS, BEHIND), torch.tensor([300, 300])
    eps = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    for part, condition, wanted in ((bound.teacher, bound.teacher.posed, RED), (bound, bound.free, [0.0, 0.0, 0.0])):
        target = torch.tensor(wanted).view(3, 1, 1).expand(2, 3, 8, 8)
        z_t = PRIOR.noise.add(target, eps, t)
        with torch.no_grad():
            clean = [PRIOR.noise.clean(z_t, p.predict(z_t, t, [c])[0], t) for p, c in ((part, condition), (other(bound, part)))]
        assert (clean[0] - target).square().mean() < 0.5 * (clean[1] - target).square().mean(), wanted


def other(bound: Phi, part: Phi) -> tuple[Phi, Condition]:
    """Of phi and its teacher, the one that `part` is not, and what it is asked."""
    return (bound, bound.free) if part is bound.teacher else (bound.teacher, bound.teacher.posed)


def test_a_killed_run_goes_on_to_the_same_weights() -> None:
    """In the middle of a cycle: what was kept, the count and both optimizers' states."""
    whole, first, second = made(), made(), made()
    learn(whole, 9)
    learn(first, 3)
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    restore_optimizer(second.optimizer, optimizer_tensors(first.optimizer))
    learn(second, 6, 3)
    assert torch.equal(weights(second), weights(whole)) and torch.equal(second.pictures, whole.pictures)


def test_pictures_of_another_size_are_kept_at_the_first() -> None:
    phi = made()
    phi.learn(torch.zeros(2, 3, 16, 16), "red", orbit([0.0, 180.0], 15.0, size=16), BEHIND, 0.0, generator(0))
    assert phi.pictures.shape == (3, 3, 8, 8) and int(phi.counts[1]) == 2


def test_a_stage_needs_it_for_the_teacher(tmp_path: Path) -> None:
    settings = config.load("bootstrapped", ["stages.1.size=16"], prompt="x")[0]
    assert isinstance(build_phi(settings, 1, PRIOR), Bootstrapped)
    other = config.load("bootstrapped", ["stages.1.phi=network"], prompt="x")[0].stages[1]
    with pytest.raises(UserError, match="needs a second learned score; set phi=bootstrapped"):
        check_needs(other, PRIOR, rehearse_objective(other), "stages.1")


def test_on_a_network_both_are_adapters_of_it(tmp_path: Path) -> None:
    """At first the teacher is the prior; tuned, it is neither the prior nor phi, and the prior is untouched."""
    pytest.importorskip("diffusers")
    from dreamforge.priors.diffusers import Diffusers
    from tests.priors.checkpoints import stable_diffusion

    prior = Diffusers(model=str(stable_diffusion(tmp_path, "epsilon")))
    phi = Bootstrapped(prior=prior, shape=(4, 8, 8), seed=0, **OPTIONS)
    assert isinstance(phi.teacher, LoRA) and isinstance(phi.renders, LoRA)
    cameras: Cameras = orbit([0.0, 180.0], 15.0, size=16)
    z, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([100, 700])
    [before] = prior.predict(z, t, [prior.condition(["a cat"] * 2)])
    for step in range(6):
        phi.learn(z, "a cat", cameras, BEHIND, 0.0, generator(0, step))
    bound = phi.phi("a cat", cameras, BEHIND)
    with torch.no_grad():
        [teacher], [learned] = (part.predict(z, t, [part.posed]) for part in (bound.teacher, bound))
    assert (teacher - before).abs().max() > 1e-3 and (teacher - learned).abs().max() > 1e-3
    assert torch.equal(prior.predict(z, t, [prior.condition(["a cat"] * 2)])[0], before)
