"""CSD and SDS-Bridge (METHODS.md 3.10, 3.29), two names of the direction from one prompt to another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from dreamforge.objectives.csd import csd
from dreamforge.objectives.sds import sds
from dreamforge.objectives.sds_bridge import sds_bridge
from dreamforge.priors.analytic import Analytic
from tests.conftest import conditions
from tests.objectives.networks import F64, Network, antithetic, bars, draw

Make = Callable[[list[list[float]], list[float]], Analytic]
T = torch.tensor([20, 500, 980])


def test_t_csd_1_is_what_sds_adds_to_its_unguided_residual() -> None:
    """I-0: SDS(s) - w (eps_neg - eps) = s CSD; catches the sign, the order of the conditions and the weight."""
    prior, z, eps = Network(), draw(3, 4), draw(3, 4, seed=1)
    prompt = conditions(prior, 3)
    residual = sds(z, T, eps, prior, prompt, guidance=0).grad
    whole = sds(z, T, eps, prior, prompt, guidance=7.5).grad
    assert torch.allclose(7.5 * csd(z, T, eps, prior, prompt, progress=0).grad, whole - residual, atol=1e-9)


def test_the_negative_branch_is_annealed_between_the_empty_and_the_negative_prompt() -> None:
    """Coefficients (1, -a, a - 1) of (eps_pos, eps_neg, eps_0); with a = 1 the empty prompt is not evaluated."""
    prior, z, eps = Network(), draw(3, 4), draw(3, 4, seed=1)
    prompt, z_t = conditions(prior, 3, "y", "n"), prior.noise.add(z, eps, T)
    y, n, empty = (prior.eps(z_t, T, text) for text in ("y", "n", ""))
    for progress, share in ((0.0, 0.0), (0.2, 0.4), (1.0, 1.0)):
        grad = csd(z, T, eps, prior, prompt, negative={0: 0, 0.5: 1}, weight="uniform", progress=progress).grad
        assert torch.allclose(grad, y - share * n - (1 - share) * empty, atol=1e-9)
    assert prior.asked[-2][1] == ["y", "n", ""] and prior.asked[-1][1] == ["y", "n"]


def test_t_csd_2_overshoots_to_a_fixed_point_only_where_the_prompt_is_narrower(gaussians: Make) -> None:
    """E g is zero at m_y + (rho_y² + s²)(m_y - m_0) / (rho_0² - rho_y²), and restoring there (b9)."""
    prior, t, eps = gaussians([[1.0, 0.0], [-0.5, 0.0]], [0.5, 0.8]), torch.full((8,), 300), antithetic(8, 2)
    bar = bars(prior.noise, t[:1]).item()
    star = 1 + (0.5**2 + bar**2) * 1.5 / (0.8**2 - 0.5**2)
    assert star > 1.5

    def mean_gradient(x: float) -> torch.Tensor:
        z = torch.tensor([[x, 0.0]], dtype=F64).expand(8, 2)
        return csd(z, t, eps, prior, conditions(prior, 8), progress=0).grad.mean(0)

    assert torch.allclose(mean_gradient(star), torch.zeros(2, dtype=F64), atol=1e-9)
    assert mean_gradient(star + 0.1)[0] > 0 > mean_gradient(star - 0.1)[0]


def test_t_csd_2_drifts_for_ever_where_both_are_equally_wide(gaussians: Make) -> None:
    """Equal variances: a constant push from the negative's mean to the prompt's."""
    prior, t = gaussians([[1.0, 0.0], [-0.5, 0.0]], [0.6, 0.6]), torch.tensor([300, 300])
    z = torch.tensor([[0.0, 0.0], [50.0, -7.0]], dtype=F64)
    grad = csd(z, t, draw(2, 2), prior, conditions(prior, 2), weight="uniform", progress=0).grad
    bar = bars(prior.noise, t)
    expected = bar / (0.6**2 + bar**2) * torch.tensor([-1.5, 0.0], dtype=F64)
    assert torch.allclose(grad, expected, atol=1e-9)


@pytest.mark.parametrize("method", [partial(csd, progress=0), sds_bridge])
def test_t_csd_3_t_sb_1_vanish_where_both_prompts_are_the_same(method: Callable) -> None:
    prior, z = Network(), draw(3, 4)
    grad = method(z, T, draw(3, 4, seed=1), prior, conditions(prior, 3, "y", "y")).grad
    assert torch.equal(grad, torch.zeros_like(z))


def test_t_sb_2_is_csd_times_its_guidance_and_t_sb_3_turns_with_its_prompts() -> None:
    prior, z, eps = Network(), draw(3, 4), draw(3, 4, seed=1)
    there = sds_bridge(z, T, eps, prior, conditions(prior, 3, "target", "source"), guidance=40).grad
    back = sds_bridge(z, T, eps, prior, conditions(prior, 3, "source", "target"), guidance=40).grad
    direct = csd(z, T, eps, prior, conditions(prior, 3, "target", "source"), progress=0).grad
    assert torch.allclose(there, 40 * direct, atol=1e-9)
    assert torch.allclose(there, -back, atol=1e-9) and there.abs().min() > 0


def test_t_sb_4_overshoots_where_the_target_is_narrower_than_the_source(gaussians: Make) -> None:
    """T-CSD-2 with the source in the place of the empty prompt: zero at m_y + (rho_y² + s²)(m_y - m_src) /
    (rho_src² - rho_y²), for the prompts that SDS-Bridge compares."""
    prior, t, eps = gaussians([[1.0, 0.0], [-0.5, 0.0]], [0.5, 0.8]), torch.full((8,), 300), antithetic(8, 2)
    bar = bars(prior.noise, t[:1]).item()
    star = 1 + (0.5**2 + bar**2) * 1.5 / (0.8**2 - 0.5**2)
    z = torch.tensor([[star, 0.0]], dtype=F64).expand(8, 2)
    assert torch.allclose(sds_bridge(z, t, eps, prior, conditions(prior, 8)).grad.mean(0), 0 * z[0], atol=1e-9)
    assert sds_bridge(z + 0.1, t, eps, prior, conditions(prior, 8)).grad.mean(0)[0] > 1e-3
