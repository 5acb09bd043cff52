"""MVDream's rescaled x0 form (METHODS.md 3.24)."""

from __future__ import annotations

import pytest
import torch

from dreamforge.errors import UserError
from dreamforge.objectives.mvdream import mvdream
from dreamforge.objectives.sds import sds
from tests.conftest import conditions
from tests.objectives.networks import Network, bars, draw

T = torch.tensor([300] * 4 + [700] * 4)
Z, EPS = draw(8, 3, 2, 2), draw(8, 3, 2, 2, seed=1)
BAR = bars(Network().noise, T).view(8, 1, 1, 1)


@pytest.mark.parametrize(("guidance", "rescale"), [(50.0, 0.0), (1.0, 0.7)])
def test_t_mv_1_t_mv_2_a12_without_rescale_or_guidance_is_sds_with_weight_sigma_bar(
    guidance: float, rescale: float
) -> None:
    prior = Network()
    prompt = conditions(prior, 8)
    expected = BAR * sds(Z, T, EPS, prior, prompt, guidance=guidance, weight="uniform").grad
    grad = mvdream(Z, T, EPS, prior, prompt, guidance=guidance, rescale=rescale).grad
    assert torch.allclose(grad, expected, atol=1e-9)


def test_full_rescale_gives_each_set_the_spread_of_its_conditional_picture() -> None:
    """Over the four views jointly, set by set; half a rescale goes half the way. Catches kappa upside down, and
    spreads taken a view at a time or over the whole batch."""
    prior = Network()
    prompt = conditions(prior, 8)
    targets = [Z - mvdream(Z, T, EPS, prior, prompt, rescale=r).grad for r in (0.0, 0.5, 1.0)]
    conditional = Z - mvdream(Z, T, EPS, prior, prompt, guidance=1).grad
    spreads = [x.view(2, -1).std(1) for x in (targets[2], conditional)]
    assert torch.allclose(*spreads, atol=1e-9)
    assert not torch.allclose(targets[0].view(2, -1).std(1), spreads[1], rtol=0.2)
    assert torch.allclose(targets[1], (targets[0] + targets[2]) / 2, atol=1e-9)
    ratio = targets[2] / targets[0]
    assert torch.allclose(ratio[:4], ratio[:1, :1, :1, :1]) and not torch.allclose(ratio[4], ratio[0])


def test_t_mv_3_views_of_a_set_may_come_in_any_order() -> None:
    prior, order = Network(), torch.tensor([2, 0, 3, 1, 4, 6, 5, 7])
    prompt = conditions(prior, 8)
    grad = mvdream(Z, T, EPS, prior, prompt).grad
    assert torch.allclose(mvdream(Z[order], T, EPS[order], prior, prompt).grad, grad[order], atol=1e-9)


def test_a_batch_must_be_made_of_whole_sets() -> None:
    prior = Network()
    with pytest.raises(UserError, match="batch of 8 is not made of sets of 3 views"):
        mvdream(Z, T, EPS, prior, conditions(prior, 8), views=3)
