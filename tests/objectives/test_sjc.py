"""SJC against SDS (METHODS.md 3.2)."""

from __future__ import annotations

import torch

from dreamforge.objectives.sds import sds
from dreamforge.objectives.sjc import sjc
from tests.conftest import conditions
from tests.objectives.networks import Network, draw


def test_t_sjc_1_t_sjc_2_a4_reduced_form_is_sds_and_plain_form_the_bare_prediction() -> None:
    """Catches a denoised picture computed in the wrong variables, and the two forms exchanged."""
    prior, z, eps, t = Network(), draw(3, 4), draw(3, 4, seed=1), torch.tensor([20, 500, 980])
    prompt = conditions(prior, 3)
    reduced = sds(z, t, eps, prior, prompt, guidance=7.5, weight="uniform").grad
    assert torch.allclose(sjc(z, t, eps, prior, prompt, guidance=7.5).grad, reduced, atol=1e-9)
    plain = sjc(z, t, eps, prior, prompt, guidance=7.5, variance_reduced=False).grad
    assert torch.allclose(plain, reduced + eps, atol=1e-9)
    bar = prior.noise.sigmas / prior.noise.alphas
    assert torch.allclose(prior.noise.alphas * (1 + bar**2).sqrt(), torch.ones_like(bar), atol=1e-12)  # T-SJC-2
