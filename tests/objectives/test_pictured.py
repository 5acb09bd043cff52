"""Methods with an image prompt against closed forms (METHODS.md 3.6, 3.24)."""

from __future__ import annotations

import pytest
import torch

from dreamforge.contracts import PromptConditions, Views
from dreamforge.objectives.anchords import anchords
from dreamforge.objectives.imagedream import imagedream
from dreamforge.objectives.invariant import invariant
from dreamforge.objectives.ipsds import ipsds
from dreamforge.objectives.isd import isd
from dreamforge.objectives.mvdream import mvdream
from dreamforge.objectives.sds import sds
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.sampling import ddim_step
from tests.conftest import conditions
from tests.objectives.networks import F64, Network, antithetic, bars, draw, gaussian, slope

T = torch.tensor([20, 500, 980])
Z, EPS, IMAGE = draw(3, 4), draw(3, 4, seed=1), draw(4, 1, 1, seed=2).sigmoid()


def blind(prompt: PromptConditions) -> PromptConditions:
    """Conditions that answer a picture with the null picture: an adapter of scale 0."""
    return PromptConditions(lambda: prompt.positive, lambda: prompt.negative, beside=lambda image: prompt)


def test_t_isd_0_t_isd_1_a31_without_a_picture_or_guidance_there_is_nothing_to_ask_for() -> None:
    """The null picture in its place, or an adapter of scale 0: g = 0. Catches the noise subtracted in its place."""
    prior = Network()
    prompt = conditions(prior, 3)
    nothing = isd(Z, T, EPS, prior, blind(prompt), guidance=1, image_guidance=1, multiview_weight=0, image=IMAGE).grad
    assert torch.allclose(nothing, 0 * Z, atol=1e-12)
    assert isd(Z, T, EPS, prior, prompt, guidance=1, image_guidance=1, multiview_weight=0, image=IMAGE).grad.abs().max() > 1e-3


def test_t_isd_2_is_linear_in_its_predictions() -> None:
    """eps_neg + s (eps_pos - eps_neg) + s_I (eps_pos,I - eps_pos) - eps_pos, in one forward. Catches any coefficient."""
    prior = Network()
    prompt, z_t = conditions(prior, 3, "y", "n"), prior.noise.add(Z, EPS, T)
    grad = isd(Z, T, EPS, prior, prompt, guidance=3, image_guidance=5, weight="uniform", multiview_weight=0, image=IMAGE).grad
    assert len(prior.asked) == 1
    pictured, y, n = (prior.predict(z_t, T, [c])[0] for c in (prompt.beside(IMAGE).positive, prompt.positive, prompt.negative))
    assert torch.allclose(grad, n + 3 * (y - n) + 5 * (pictured - y) - y, atol=1e-9)


def test_isd_adds_a_share_of_sds_without_the_picture() -> None:
    """k sigma_bar (eps_hat - eps), as MVDream weighs it. Catches the pictured prediction in it, and its weight."""
    prior = Network()
    prompt = conditions(prior, 3, "y", "n")
    none, some = (
        isd(Z, T, EPS, prior, prompt, guidance=3, multiview_weight=k, image=IMAGE).grad for k in (0, 0.4)
    )
    share = 0.4 * bars(prior.noise, T) * sds(Z, T, EPS, prior, prompt, guidance=3, weight="uniform").grad
    assert torch.allclose(some - none, share, atol=1e-9)


def test_t_isd_3_points_to_the_mode_that_the_picture_shows() -> None:
    """Between two modes of the prompt the picture of the second decides, whichever is nearer. Catches the sign, and a
    picture that is compared with anything but the means."""
    noise = NoiseProcess.stable_diffusion(dtype=F64)
    prior = Analytic(means=[[-1.0, 0.0], [1.0, 0.5]], stds=[0.4, 0.4], image_std=0.1, noise=noise)
    z, t, eps = torch.tensor([[-0.4, 0.1]], dtype=F64).expand(64, 2), torch.full((64,), 500), antithetic(64, 2)
    for mode in prior.means:
        picture = ((mode + 1) / 2)[:, None, None]
        options = {"guidance": 1, "image_guidance": 1, "multiview_weight": 0, "weight": "uniform", "image": picture}
        grad = isd(z, t, eps, prior, conditions(prior, 64, ""), **options).grad.mean(0)
        assert torch.dot(grad, mode - prior.means.mean(0)) < -1e-3  # descent goes to the mode


def test_a31_ipsds_and_anchords_without_a_picture_are_sds() -> None:
    """IPSDS(s) and AnchorDS(s + 1 in the authors' count) under the negative prompt."""
    prior = Network()
    prompt = conditions(prior, 3, "y", "n")
    plain = sds(Z, T, EPS, prior, prompt, guidance=7.5).grad
    shown = Views(IMAGE.expand(3, 4, 1, 1), IMAGE, IMAGE)
    assert torch.allclose(ipsds(Z, T, EPS, prior, blind(prompt), guidance=7.5, image=IMAGE).grad, plain, atol=1e-9)
    assert torch.allclose(anchords(Z, T, EPS, prior, blind(prompt), guidance=7.5, rendered=shown).grad, plain, atol=1e-9)


@pytest.mark.parametrize("anchored_target", [False, True])
def test_anchords_shows_the_render_to_the_negative_branch(anchored_target: bool) -> None:
    """eps_a + s (eps_t - eps_a) - eps. Catches the picture on the other branch, and guidance away from the target."""
    prior = Network()
    prompt, z_t, rgb = conditions(prior, 3, "y", "n"), prior.noise.add(Z, EPS, T), IMAGE.expand(3, 4, 1, 1)
    options = {"guidance": 3, "anchored_target": anchored_target, "rendered": Views(rgb, rgb, rgb)}
    grad = anchords(Z, T, EPS, prior, prompt, weight="uniform", **options).grad
    beside = prompt.beside(rgb)
    target = beside.positive if anchored_target else prompt.positive
    target, anchor = (prior.predict(z_t, T, [c])[0] for c in (target, beside.negative))
    assert torch.allclose(grad, anchor + 3 * (target - anchor) - EPS, atol=1e-9)


def test_ipsds_is_sds_of_a_prior_that_sees_the_picture_beside_the_prompt_alone() -> None:
    """Joint null: the negative prompt comes without it."""
    prior = Network()
    prompt, z_t = conditions(prior, 3, "y", "n"), prior.noise.add(Z, EPS, T)
    pictured, n = (prior.predict(z_t, T, [c])[0] for c in (prompt.beside(IMAGE).positive, prompt.negative))
    grad = ipsds(Z, T, EPS, prior, prompt, guidance=3, weight="uniform", image=IMAGE).grad
    assert torch.allclose(grad, n + 3 * (pictured - n) - EPS, atol=1e-9)


def test_imagedream_is_mvdream_under_the_same_conditions() -> None:
    """Its own guidance and rescale, and mvdream where the picture is not seen."""
    prior, z, t, eps = Network(), draw(4, 5), torch.full((4,), 500), draw(4, 5, seed=1)
    prompt = conditions(prior, 4, "y", "n")
    same = mvdream(z, t, eps, prior, prompt, guidance=5, rescale=0.2).grad
    assert torch.allclose(imagedream(z, t, eps, prior, blind(prompt), image=IMAGE).grad, same, atol=1e-9)
    assert not torch.allclose(imagedream(z, t, eps, prior, prompt, image=IMAGE).grad, same, atol=1e-3)


def test_the_invariant_term_is_the_change_of_the_denoised_picture_and_expands_on_a_gaussian() -> None:
    """w (z0_hat(t) - z0_hat(t-)) / sigma_bar_t + w s (eps_pos - eps_neg): catches the sign (CDS's is the other one), the
    order in the ratio of noise levels, and a step along the guided prediction."""
    prior = Network()
    prompt, noise, before = conditions(prior, 3), prior.noise, T - 20
    z_t = noise.add(Z, EPS, T)
    y, n = prior.eps(z_t, T, "y"), prior.eps(z_t, T, "")
    lower = ddim_step(noise, z_t, y, T, before)
    change = noise.clean(z_t, y, T) - noise.clean(lower, prior.eps(lower, before, "y"), before)
    grad = invariant(Z, T, EPS, prior, prompt, guidance=3, weight="uniform").grad
    assert torch.allclose(grad, change / bars(noise, T) + 3 * (y - n), atol=1e-9)
    plain, t = gaussian(0.7), torch.full((8,), 400)
    z = torch.tensor([[2.0, 3.0]], dtype=F64).expand(8, 2)
    grad = invariant(z, t, antithetic(8, 2), plain, conditions(plain, 8), guidance=0, weight="uniform").grad.mean(0)
    high, low = bars(plain.noise, t[:1]), bars(plain.noise, t[:1] - 20)
    factor = low * (slope(low, 0.7) * (1 + (low - high) * slope(high, 0.7)) - slope(high, 0.7)) / high
    assert torch.allclose(grad, (factor * (z[:1] - torch.tensor([1.0, -2.0])))[0], atol=1e-9) and factor.item() < 0
