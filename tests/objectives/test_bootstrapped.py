"""Bootstrapped score distillation (METHODS.md 3.20)."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.contracts import Phi
from dreamforge.objectives.bootstrapped import bootstrapped
from dreamforge.objectives.csd import csd
from dreamforge.objectives.sds import sds
from tests.conftest import conditions
from tests.objectives.networks import Network, answering, draw, like_prior

T = torch.tensor([20, 500, 980])


def grad(prior: Network, phi: Phi, teacher: Phi | None, **options: float) -> Tensor:
    phi.teacher = teacher
    return bootstrapped(draw(3, 4), T, draw(3, 4, seed=1), prior, conditions(prior, 3), phi=phi, **options).grad


def test_t_vsd_1_with_the_prior_as_teacher_and_a_phi_that_knows_the_noise_it_is_sds() -> None:
    """phi is asked free of cameras and guided prediction is the teacher's, from its own empty prompt. Catches a sign, a
    weight, and posed and free exchanged."""
    prior, eps = Network(), draw(3, 4, seed=1)
    phi = answering(0 * eps, eps)
    expected = sds(draw(3, 4), T, eps, prior, conditions(prior, 3), guidance=2.0).grad
    assert torch.allclose(grad(prior, phi, like_prior(prior, 3, "y", "free", empty="")), expected, atol=1e-12)


def test_t_vsd_2_with_the_teacher_as_phi_it_is_the_teachers_classifier_direction() -> None:
    prior = Network()
    phi, teacher = like_prior(prior, 3, "posed", free="y"), like_prior(prior, 3, "y", "free", empty="")
    direction = csd(draw(3, 4), T, draw(3, 4, seed=1), prior, conditions(prior, 3), progress=0).grad
    assert torch.allclose(grad(prior, phi, teacher), direction, atol=1e-9)
    assert torch.allclose(grad(prior, phi, teacher, guidance=4.0), 3 * direction, atol=1e-9)


def test_nothing_pulls_while_the_teacher_is_tuned_and_the_prior_is_not_asked() -> None:
    prior = Network()
    assert grad(prior, answering(draw(3, 4)), None).abs().max() == 0 and not prior.asked


def test_it_is_the_teacher_that_is_asked_and_not_the_prior() -> None:
    prior, posed, empty, learned = Network(), *(draw(3, 4, seed=seed) for seed in (5, 6, 7))
    found = grad(prior, answering(0 * learned, learned), answering(posed, 0 * posed, empty))
    weight = prior.noise.weight("sigma2", T, learned)
    assert torch.allclose(found, weight * (empty + 2 * (posed - empty) - learned), atol=1e-12) and not prior.asked
