"""SDI against closed forms (METHODS.md 3.14)."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from dreamforge.objectives.paths import invert
from dreamforge.objectives.sdi import sdi
from dreamforge.priors.guidance import guided
from tests.conftest import Recorder, conditions
from tests.objectives.networks import Network, bars, draw, noise_from_zero

T = torch.tensor([250, 980])


@pytest.mark.parametrize("inversion", [-7.5, 1.0, 7.5])
def test_t_sdi_1_a15_at_an_exact_inversion_is_the_contrast_of_two_guidances(inversion: float) -> None:
    """g = sigma_bar (s - s_inversion)(eps_pos - eps_neg), 0 where both are alike. A constant network makes the
    inversion exact. Catches exchanged scales and conditions, and the sign."""
    z = draw(2, 4)
    prior = Recorder(noise_from_zero(), {"y": draw(2, 4, seed=1), "": draw(2, 4, seed=2)})
    grad = sdi(z, T, z, prior, conditions(prior, 2), guidance=7.5, inversion_guidance=inversion).grad
    expected = bars(prior.noise, T) * (7.5 - inversion) * (prior.answers["y"] - prior.answers[""])
    assert torch.allclose(grad, expected, atol=1e-9)


def test_t_sdi_2_is_sds_in_x0_form_at_the_inferred_noise() -> None:
    """g = sigma_bar (eps_hat - kappa), where z_t = alpha z + sigma kappa."""
    prior, z = Network(), draw(2, 4)
    prompt = conditions(prior, 2)
    alpha, sigma = prior.noise.alpha_sigma(T, z)
    predict = partial(guided, prior, prompt=prompt, scale=-7.5)
    z_t = invert(prior.noise, predict, z, T, 0.1)
    y, n = prior.eps(z_t, T, "y"), prior.eps(z_t, T, "")
    expected = sigma / alpha * (n + 7.5 * (y - n) - (z_t - alpha * z) / sigma)
    assert torch.allclose(sdi(z, T, draw(2, 4, seed=1), prior, prompt).grad, expected, atol=1e-9)


def test_inversion_takes_as_many_steps_as_tenths_of_the_way() -> None:
    """And never asks about a negative timestep, as the released code does."""
    prior, z = Network(), draw(1, 4)
    sdi(z, torch.tensor([250]), z, prior, conditions(prior, 1))
    assert [t for t, _ in prior.asked] == [[0], [50], [150], [250]]
