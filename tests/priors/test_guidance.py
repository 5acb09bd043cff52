"""Arithmetic on predictions: guidance, rescale and Perp-Neg (METHODS.md 4.2)."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from dreamforge.contracts import PromptConditions
from dreamforge.priors.guidance import ask, dot, guided, perp_neg, perpendicular, rescaled, view_weights
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import Recorder, conditions
from tests.objectives.networks import Network, Reparametrized, draw

EMPTY, POSITIVE = draw(3, 2, 4, 4), draw(3, 2, 4, 4, seed=1)
NEGATIVES = [draw(3, 2, 4, 4, seed=2), draw(3, 2, 4, 4, seed=3)]
WEIGHTS = -draw(3, 2, seed=4).abs()


def turned(empty: Tensor, positive: Tensor, views: list[Tensor], weights: Tensor, scale: float) -> Tensor:
    """The prediction guided along Perp-Neg's direction."""
    return empty + scale * perp_neg(positive - empty, [view - empty for view in views], weights)


def test_a3_guidance_is_affine_in_its_scale() -> None:
    prior, z, t = Network(), draw(2, 4), torch.tensor([100, 800])
    prompt = conditions(prior, 2)
    at = {s: guided(prior, z, t, prompt, s) for s in (0, 1, 7.5, -7.5)}
    assert torch.allclose(at[0], prior.eps(z, t, "")) and torch.allclose(at[1], prior.eps(z, t, "y"))
    for s in (7.5, -7.5):
        assert torch.allclose(at[s], at[0] + s * (at[1] - at[0]), atol=1e-9)


def test_rescale_gives_each_item_the_conditional_ones_spread() -> None:
    guided_prediction = EMPTY + 7.5 * (POSITIVE - EMPTY)
    full, half = (rescaled(guided_prediction, POSITIVE, amount) for amount in (1.0, 0.5))
    assert torch.allclose(full.flatten(1).std(1), POSITIVE.flatten(1).std(1), atol=1e-9)
    assert torch.allclose(half, (full + guided_prediction) / 2, atol=1e-9)
    assert torch.equal(rescaled(guided_prediction, POSITIVE, 0.0), guided_prediction)
    assert rescaled(torch.zeros(1, 4), torch.ones(1, 4), 0.5).isfinite().all()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "flow"])
def test_a_stage_rescales_denoised_pictures_whatever_the_network_predicts(kind: str) -> None:
    """The denoised picture has the spread it has without guidance; catches a rescale of the noise."""
    network = Network()
    prior = network if kind == "epsilon" else Reparametrized(network, kind)  # type: ignore[arg-type]
    z_t, t = draw(2, 6), torch.tensor([100, 800])
    makes = [partial(network.condition, [text]) for text in ("y", "")]
    plain, full = (guided(prior, z_t, t, PromptConditions(*makes, rescale=amount), 7.5) for amount in (0.0, 1.0))
    clean, back, alone = (prior.noise.clean(z_t, eps, t) for eps in (plain, full, guided(prior, z_t, t, PromptConditions(*makes), 1)))
    assert torch.allclose(back.std(1), alone.std(1), atol=1e-9)
    assert torch.allclose(back / clean, (alone.std(1) / clean.std(1))[:, None].expand(2, 6), atol=1e-9)


def test_what_leads_away_may_be_another_condition_and_others_come_along() -> None:
    """In one forward, each in its place; catches answers handed out in another order."""
    prior, z, t = Network(), draw(2, 4), torch.tensor([100, 800])
    others = [prior.condition([text]) for text in ("a", "b")]
    asked = ask(prior, z, t, conditions(prior, 2), others, away=prior.condition(["n"]))
    assert len(prior.asked) == 1
    y, n, a, b = (prior.eps(z, t, text) for text in "ynab")
    assert torch.equal(asked.direction, y - n) and torch.equal(asked.at(3.0), n + 3 * (y - n))
    assert torch.equal(asked.others[0], a) and torch.equal(asked.others[1], b) and torch.equal(asked.positive, y)


def test_t_pn_1_a19_perpendicular_is_perpendicular_item_by_item() -> None:
    across = perpendicular(NEGATIVES[0], POSITIVE)
    assert torch.allclose(dot(across, POSITIVE), torch.zeros(3, 1, 1, 1).double(), atol=1e-9)
    along = dot(NEGATIVES[0] - across, POSITIVE) ** 2
    parts = dot(NEGATIVES[0] - across, NEGATIVES[0] - across) * dot(POSITIVE, POSITIVE)
    assert torch.allclose(along, parts, atol=1e-9)  # what was taken away is parallel
    assert torch.allclose(perpendicular(-2 * POSITIVE, POSITIVE), 0 * POSITIVE, atol=1e-9)
    assert torch.equal(perpendicular(NEGATIVES[0], 0 * POSITIVE), NEGATIVES[0])


def test_t_pn_2_zero_weights_leave_plain_guidance() -> None:
    plain = EMPTY + 7.5 * (POSITIVE - EMPTY)
    assert torch.allclose(turned(EMPTY, POSITIVE, NEGATIVES, 0 * WEIGHTS, 7.5), plain, atol=1e-9)


def test_negatives_push_away_and_never_against_the_prompt() -> None:
    """eps^s - eps_0 has the prompt's own component whatever the weights, and less of each negative's."""
    plain = turned(EMPTY, POSITIVE, NEGATIVES[:1], 0 * WEIGHTS[:, :1], 7.5) - EMPTY
    pushed = turned(EMPTY, POSITIVE, NEGATIVES[:1], WEIGHTS[:, :1], 7.5) - EMPTY
    forward, away = POSITIVE - EMPTY, NEGATIVES[0] - EMPTY
    assert torch.allclose(dot(pushed, forward), dot(plain, forward), atol=1e-9)
    across = perpendicular(away, forward)
    expected = dot(plain, away) + 7.5 * WEIGHTS[:, 0].view(3, 1, 1, 1) * dot(across, across)
    assert torch.allclose(dot(pushed, away), expected, atol=1e-9)


def test_t_pn_4_a_batch_is_its_items() -> None:
    """threestudio pairs latents with the wrong negatives where there are several."""
    together = turned(EMPTY, POSITIVE, NEGATIVES, WEIGHTS, 7.5)
    for i in range(3):
        one = slice(i, i + 1)
        alone = turned(EMPTY[one], POSITIVE[one], [n[one] for n in NEGATIVES], WEIGHTS[one], 7.5)
        assert torch.allclose(together[one], alone, atol=1e-9)


E = math.exp(-0.5)
H = math.exp(-0.25)


@pytest.mark.parametrize(
    ("azimuth", "expected"),
    [
        (0, [4 * E - 2.426, 1.574]),
        (45, [4 * H - 2.426, 4 * H - 2.426]),
        (90, [E + 0.967, E - 0.606]),
        (135, [H + 0.967, H - 0.606]),
        (180, [1.967, 0.394]),
    ],
)
def test_t_pn_3_weights_of_views(azimuth: float, expected: list[float]) -> None:
    """Both sides alike, angles wrapped, none above 60° whatever the azimuth. At 90° the two regions meet, to 5e-4."""
    turns = torch.deg2rad(torch.tensor([azimuth, -azimuth, azimuth + 360, azimuth], dtype=torch.float64))
    weights = view_weights(turns, torch.deg2rad(torch.tensor([0.0, 30, -10, 61], dtype=torch.float64)))
    tolerance = 5e-4 if azimuth == 90 else 1e-9
    assert torch.allclose(weights[:3], -torch.tensor([expected] * 3, dtype=torch.float64), atol=tolerance)
    assert torch.equal(weights[3], torch.zeros(2).double())


def test_guided_asks_for_all_wordings_in_one_forward() -> None:
    """Catches swapped front and side negatives, and a plain CFG where Perp-Neg was asked for."""
    noise = NoiseProcess.stable_diffusion(dtype=torch.float64)
    prior = Recorder(noise, {"n": EMPTY, "y": POSITIVE, "front": NEGATIVES[0], "side": NEGATIVES[1]})
    makes = [partial(prior.condition, [word]) for word in ("y", "n", "front", "side")]
    prompt = PromptConditions(makes[0], makes[1], None, makes[2:], WEIGHTS)
    answer = guided(prior, EMPTY, torch.tensor([5, 50, 500]), prompt, 7.5)
    assert prior.asked == [["y", "n", "front", "side"]]
    assert torch.allclose(answer, turned(EMPTY, POSITIVE, NEGATIVES, WEIGHTS, 7.5))
    at_one = guided(prior, EMPTY, torch.tensor([5, 50, 500]), prompt, 1)
    assert torch.allclose(at_one, turned(EMPTY, POSITIVE, NEGATIVES, WEIGHTS, 1))
