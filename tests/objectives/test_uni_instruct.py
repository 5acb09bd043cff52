"""Uni-Instruct's weights on score-implicit matching (METHODS.md 3.22)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.objectives.fdistill import ratio
from dreamforge.objectives.sim import sim
from dreamforge.objectives.uni_instruct import uni_instruct
from dreamforge.priors.guidance import guided
from tests.conftest import conditions
from tests.objectives.networks import Network, draw, like_prior

T = torch.tensor([700, 900, 980])
PRIOR = Network()
Z, EPS, PROMPT = draw(3, 4), draw(3, 4, seed=1), conditions(PRIOR, 3)
PHI = like_prior(PRIOR, 3, "renders")


def grad(divergence: str) -> Tensor:
    return uni_instruct(Z, T, EPS, PRIOR, PROMPT, guidance=1.5, divergence=divergence, phi=PHI).grad


def product() -> Tensor:
    """SIM's product over mean |z - z0_hat|, item by item."""
    z_t = PRIOR.noise.add(Z, EPS, T)
    clean = PRIOR.noise.clean(z_t, guided(PRIOR, z_t, T, PROMPT, 1.5), T)
    whole = sim(Z, T, EPS, PRIOR, PROMPT, guidance=1.5, norm="none", phi=PHI).grad
    return whole / (Z - clean).abs().mean(1, keepdim=True)


def test_t_f_1_the_integrated_reverse_kl_is_sim_and_not_vsd() -> None:
    """Catches a normalization that is differentiated, and one by phi's picture or over the batch."""
    assert torch.allclose(grad("reverse_kl"), product(), atol=1e-12)


def test_t_f_2_the_forward_kl_weighs_by_the_ratio_and_jeffreys_is_their_mix() -> None:
    z_t = PRIOR.noise.add(Z, EPS, T)
    found = ratio(PRIOR.noise, T, EPS, guided(PRIOR, z_t, T, PROMPT, 1.5), PRIOR.eps(z_t, T, "renders"))
    assert found.std() > 1e-3
    forward = (found / found.mean())[:, None] * product()
    assert torch.allclose(grad("forward_kl"), forward, atol=1e-12)
    assert torch.allclose(grad("jeffreys"), 0.4 * forward + 0.6 * product(), atol=1e-12)


@pytest.mark.parametrize("divergence", ["forward_kl", "jeffreys"])
def test_t_f_4_equal_ratios_leave_the_product(divergence: str) -> None:
    """One view a step: its ratio is the mean."""
    phi = like_prior(PRIOR, 1, "renders")
    one = slice(1, 2)
    prompt = conditions(PRIOR, 1)
    alone = uni_instruct(Z[one], T[one], EPS[one], PRIOR, prompt, guidance=1.5, divergence=divergence, phi=phi).grad
    assert torch.allclose(alone, product()[one], atol=1e-12)
