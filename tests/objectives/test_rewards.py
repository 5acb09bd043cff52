"""RewardSDS and DreamDPO against closed forms (METHODS.md 3.16, 3.32)."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from dreamforge.errors import UserError
from dreamforge.objectives.csd import csd
from dreamforge.objectives.dreamdpo import dreamdpo
from dreamforge.objectives.reward_sds import reward_sds, shares
from dreamforge.objectives.reward_vsd import reward_vsd
from dreamforge.objectives.sds import sds
from dreamforge.objectives.vsd import vsd
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import denoise
from tests.conftest import Recorder, conditions
from tests.objectives.networks import Network, answering, draw, seeded

T = torch.tensor([20, 500, 980])
Z, EPS = draw(3, 4), draw(3, 4, seed=1)
REWARDS = draw(6, 3, seed=4)


def level(pictures: Tensor) -> Tensor:
    return pictures.mean(1)


def noises(count: int) -> list[Tensor]:
    """What a method with the generator of seed 0 draws."""
    random = seeded()
    return [EPS, *(torch.randn(3, 4, generator=random).double() for _ in range(count - 1))]


@pytest.mark.parametrize("options", [{"draws": 1, "strategy": "best"}, {"progress": 0.7}])
def test_t_rw_1_one_draw_or_the_end_of_the_schedule_is_sds(options: dict) -> None:
    prior = Network()
    options = {"progress": 0.0, "draws": 4, "reward": level, "generator": seeded(), **options}
    grad = reward_sds(Z, T, EPS, prior, conditions(prior, 3), **options).grad
    assert torch.allclose(grad, sds(Z, T, EPS, prior, conditions(prior, 3)).grad, atol=1e-9)


def test_t_rw_1_a17_the_plain_mean_is_the_mean_over_draws() -> None:
    prior = Network()
    options = {"strategy": "mean", "draws": 3, "reward": level, "progress": 0.0, "generator": seeded()}
    grad = reward_sds(Z, T, EPS, prior, conditions(prior, 3), guidance=7.5, **options).grad
    parts = [sds(Z, T, noise, prior, conditions(prior, 3), guidance=7.5).grad for noise in noises(3)]
    assert torch.allclose(grad, sum(parts) / 3, atol=1e-9)


def test_t_rw_2_t_rw_3_t_rw_4_a17_weights_of_the_draws() -> None:
    """Equal rewards: softmax is the mean. min-max adds up to 0.8, 0.9 for the best two and -0.1 for the worst two of
    each view, and neither it nor best changes under R -> a + b R. Catches ends exchanged and ranks over the batch."""
    assert torch.allclose(shares(torch.full((5, 3), 2.0), "softmax"), torch.full((5, 3), 0.2))
    weights = shares(REWARDS, "min-max")
    assert torch.allclose(weights.sum(0), torch.full((3,), 0.8).double())
    for view in range(3):
        order = REWARDS[:, view].argsort()
        expected = torch.tensor([-0.05, -0.05, 0.0, 0.0, 0.45, 0.45]).double()
        assert torch.allclose(weights[order, view], expected, atol=1e-7)
    best = shares(REWARDS, "best")
    assert torch.equal(best.argmax(0), REWARDS.argmax(0)) and torch.equal(best.sum(0), torch.ones(3).double())
    for strategy, same in (("min-max", True), ("best", True), ("softmax", False)):
        assert torch.allclose(shares(3 + 5 * REWARDS, strategy), shares(REWARDS, strategy)) == same  # type: ignore[arg-type]


def test_t_rw_3_a17_on_equal_gradients_min_max_is_a_step_of_four_fifths() -> None:
    prior = Recorder(Network().noise, {"y": draw(3, 4, seed=2)})
    prior.decode = lambda z: z
    options = {"draws": 4, "steps": 1, "preview_guidance": 1, "reward": level, "progress": 0.0, "generator": seeded()}
    grad = reward_sds(Z, T, EPS, prior, conditions(prior, 3), guidance=1, **options).grad
    parts = torch.stack([prior.answers["y"] - noise for noise in noises(4)])
    alpha, sigma = prior.noise.alpha_sigma(T, Z)
    rewards = torch.stack([level(Z + sigma / alpha * part * -1) for part in parts])
    expected = (shares(rewards, "min-max")[..., None] * sigma**2 * parts).sum(0)
    assert torch.allclose(grad, expected, atol=1e-9)


def test_min_max_needs_four_draws() -> None:
    with pytest.raises(UserError, match="at least 4 draws, not 3"):
        reward_sds(
            Z, T, EPS, Network(), conditions(Network(), 3), draws=3, reward=level, progress=0.0, generator=seeded()
        )


def test_the_reward_chooses_among_denoised_pictures() -> None:
    """`best` takes the draw whose several-step picture scores highest, view by view."""
    prior = Network()
    options = {"strategy": "best", "draws": 3, "steps": 2, "progress": 0.0}
    low, high = (
        reward_sds(Z, T, EPS, prior, conditions(prior, 3), **options, reward=score, generator=seeded()).grad
        for score in (lambda p: -level(p), level)
    )
    parts = torch.stack([sds(Z, T, noise, prior, conditions(prior, 3)).grad for noise in noises(3)])
    for grad in (low, high):
        assert all((grad[view] - parts[:, view]).abs().amax(1).min() < 1e-9 for view in range(3))
    assert not torch.allclose(low, high)



def drawn(seed: int, shape: tuple[int, int] = (3, 4)) -> Tensor:
    """The one draw that DreamDPO takes from the generator of this seed."""
    return torch.randn(*shape, generator=seeded(seed)).double()


def test_t_dpo_1_a30_equal_draws_are_csd() -> None:
    """g = w (s - 1) delta: catches guidance on the loser, and a noise that is subtracted once only."""
    prior, prompt = Network(), conditions(Network(), 3)
    grad = dreamdpo(Z, T, drawn(2), prior, prompt, guidance=7.5, reward=level, generator=seeded(2)).grad
    assert torch.allclose(grad, 6.5 * csd(Z, T, drawn(2), prior, prompt, progress=0).grad, atol=1e-9)


def test_t_dpo_2_a30_the_order_of_the_draws_does_not_matter_but_the_preference_does() -> None:
    prior, prompt = Network(), conditions(Network(), 3)
    there, back, other = (
        dreamdpo(Z, T, drawn(first), prior, prompt, reward=reward, generator=seeded(second)).grad
        for first, second, reward in ((1, 2, level), (2, 1, level), (1, 2, lambda p: -level(p)))
    )
    assert torch.allclose(there, back, atol=1e-9) and not torch.allclose(there, other, atol=1e-3)


def test_below_the_margin_it_is_sds_of_the_better_draw() -> None:
    """With the winner's noise subtracted, which the released fallback leaves out. Ties go to the first."""
    prior, prompt = Network(), conditions(Network(), 3)
    options = {"guidance": 7.5, "margin": 0.1, "reward": lambda p: torch.zeros(3)}
    grad = dreamdpo(Z, T, EPS, prior, prompt, **options, generator=seeded()).grad
    assert torch.allclose(grad, sds(Z, T, EPS, prior, prompt, guidance=7.5).grad, atol=1e-9)


def test_t_dpo_4_b19_a_reward_that_does_not_look_leaves_csd() -> None:
    """Over both preferences and opposite draws (exact for what is linear) the mean is w (s - 1) delta, not SDS."""
    prior = Analytic(means=[[1.0, -2.0], [0.5, 0.5]], stds=[0.6, 0.4], prompts={"y": [1.0, 0.0], "": [0.0, 1.0]},
                     noise=Network().noise)  # fmt: skip
    t, second, prompt = torch.tensor([100, 400, 900]), drawn(3, (3, 2)), conditions(prior, 3)
    z = draw(3, 2)
    grads = [
        dreamdpo(z, t, -second, prior, prompt, guidance=7.5, reward=reward, generator=seeded(3)).grad
        for reward in (CountUp(), CountUp(-1))
    ]
    plain = [csd(z, t, eps, prior, prompt, progress=0).grad for eps in (second, -second)]
    assert torch.allclose(sum(grads) / 2, 6.5 * sum(plain) / 2, atol=1e-9)


class CountUp:
    """Scores by when it is asked and not by what it sees."""

    def __init__(self, step: int = 1) -> None:
        self.step, self.calls = step, 0

    def __call__(self, pictures: Tensor) -> Tensor:
        self.calls += self.step
        return torch.full((len(pictures),), float(self.calls))


def test_reward_vsd_weighs_vsd_as_reward_sds_weighs_sds() -> None:
    """The same draws and weights with phi's prediction in place of each draw's noise, and VSD at the end."""
    prior, learned = Network(), draw(3, 4, seed=8)
    prompt, phi = conditions(prior, 3), answering(learned)
    options = {"draws": 4, "steps": 2, "reward": level, "guidance": 7.5, "weight": "uniform"}
    grad = reward_vsd(Z, T, EPS, prior, prompt, phi=phi, progress=0.0, generator=seeded(), **options).grad
    other = reward_sds(Z, T, EPS, prior, prompt, progress=0.0, generator=seeded(), **options).grad
    pictures = [denoise(prior.noise, partial(guided, prior, prompt=prompt, scale=7.5), prior.noise.add(Z, e, T), T, 2) for e in noises(4)]
    weights = shares(torch.stack([level(prior.decode(picture)) for picture in pictures]), "min-max")[..., None]
    assert torch.allclose(grad - other, (weights * (torch.stack(noises(4)) - learned)).sum(0), atol=1e-9)
    late = reward_vsd(Z, T, EPS, prior, prompt, phi=phi, progress=0.9, generator=seeded(), **options).grad
    assert torch.allclose(late, vsd(Z, T, EPS, prior, prompt, guidance=7.5, weight="uniform", phi=phi).grad, atol=1e-9)
