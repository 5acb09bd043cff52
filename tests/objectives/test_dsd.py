"""Dual score distillation (METHODS.md 3.21)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dreamforge.contracts import Distilled, Second
from dreamforge.errors import UserError
from dreamforge.objectives.dsd import dsd
from dreamforge.objectives.vsd import vsd
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import conditions
from tests.objectives.networks import F64, Network, draw, like_prior, seeded

COUNT = 4
UNUSED = torch.full((COUNT,), 999)


def distill(z: Tensor, eps: Tensor, **options: Any) -> tuple[Distilled, Network, Network]:
    prior, other = Network(), Network(NoiseProcess.stable_diffusion(dtype=F64))
    second = Second(other, conditions(other, COUNT, "exemplar"))
    phi = like_prior(Network(), COUNT, "posed", free="renders")
    options = {"phi": phi, "second": second, "progress": 0.5, "generator": seeded(), **options}
    return dsd(z, UNUSED, eps, prior, conditions(prior, COUNT), **options), prior, other


@pytest.mark.parametrize("alone", ["concept", "reference"])
def test_t_dsd_1_with_one_share_at_zero_it_is_the_other_vsd(alone: str) -> None:
    """At that one's own timesteps, prior, prompt and weight, phi camera-free. Catches the priors or ranges exchanged."""
    z, eps = draw(COUNT, 3), draw(COUNT, 3, seed=1)
    shares = {"concept": 0.0, "reference": 0.0, alone: 0.7}
    distilled, prior, other = distill(z, eps, **shares)
    (prior if alone == "reference" else other).asked.clear()
    network, text = (prior, "y") if alone == "concept" else (other, "exemplar")
    [(levels, _)] = network.asked
    phi = like_prior(Network(), COUNT, "renders")
    expected = vsd(z, torch.tensor(levels), eps, network, conditions(network, COUNT, text), guidance=7.5, phi=phi)
    assert torch.allclose(distilled.grad, 0.7 * expected.grad, atol=1e-12)


def test_t_dsd_1_the_two_add_up_in_ranges_that_do_not_meet() -> None:
    z, eps = draw(COUNT, 3), draw(COUNT, 3, seed=1)
    both, prior, other = distill(z, eps)
    ranges = ((prior, 500, 750), (other, 100, 250))
    for network, low, high in ranges:
        [(levels, _)] = network.asked
        assert all(low <= level <= high for level in levels) and len(set(levels)) > 1
    parts = [distill(z, eps, concept=c, reference=r)[0].grad for c, r in ((0.2, 0.0), (0.0, 1.0))]
    assert torch.allclose(both.grad, parts[0] + parts[1], atol=1e-12)
    with pytest.raises(UserError, match="must not meet"):
        distill(z, eps, reference_high={0: 0.4, 1: 0.7})


def test_ranges_are_schedules() -> None:
    _, prior, other = distill(draw(COUNT, 3), draw(COUNT, 3), concept_low={0: 0.5, 1: 0.7}, reference_low={0: 0.2, 1: 0.3}, reference_high=0.3)
    assert min(prior.asked[0][0]) >= 600 and min(other.asked[0][0]) >= 250
