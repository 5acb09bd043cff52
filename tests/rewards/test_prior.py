"""The prior as a critic."""

from __future__ import annotations

import torch

from dreamforge.cameras import orbit
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.toyworld import ToyWorld
from dreamforge.rewards.prior import PriorReward
from tests.objectives.networks import F64

PRIOR = Analytic(
    means=[[0.5, -0.5, 0.0], [-0.5, 0.5, 0.2]], stds=[0.3, 0.4], prompts={"y": [1.0, 0.0]},
    noise=NoiseProcess.stable_diffusion(dtype=F64),
)  # fmt: skip


def test_it_is_the_log_posterior_of_two_hypotheses_and_climbs_by_its_gradient() -> None:
    """log p(x | y) / (p(x | y) + p(x)), widths and noise included, by torch's own densities. Catches a missing
    normalization, a width that is not widened and the two hypotheses exchanged."""
    x = torch.rand(4, 3, 2, 2, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    score = PriorReward(prior=PRIOR, std=0.7)(x, "y")
    densities = [
        torch.distributions.Normal(mean.view(3, 1, 1), (std**2 + 0.49) ** 0.5).log_prob(2 * x - 1).sum((1, 2, 3))
        for mean, std in zip(PRIOR.means, PRIOR.stds, strict=True)
    ]
    world = torch.logaddexp(*densities) - torch.log(torch.tensor(2.0))
    assert torch.allclose(score, densities[0] - torch.logaddexp(densities[0], world), atol=1e-9)
    [gradient] = torch.autograd.grad(score.sum(), x)
    better = PriorReward(prior=PRIOR, std=0.7)((x + 0.01 * gradient).detach(), "y")
    assert (better > score).all()


def test_without_densities_it_is_estimated_from_the_errors_of_the_prediction() -> None:
    """A diffusion classifier: the same order of pictures, and no gradient."""

    class Opaque:
        def __init__(self) -> None:
            self.noise, self.encode, self.condition, self.predict = PRIOR.noise, PRIOR.encode, PRIOR.condition, PRIOR.predict

    colors = torch.tensor([[0.75, 0.25, 0.5], [0.5, 0.5, 0.55], [0.25, 0.75, 0.6]], dtype=F64)
    pictures = colors[:, :, None, None].expand(3, 3, 4, 4).clone().requires_grad_()
    score = PriorReward(prior=Opaque())(pictures, "y")  # type: ignore[arg-type]
    assert score[0] > score[1] > score[2] and not score.requires_grad


def test_the_toy_world_knows_its_nouns() -> None:
    """A duck is a duck from where it is seen, and not a car; at its own camera and background."""
    prior = ToyWorld(instances=2)
    cameras, behind = orbit([20.0, 200.0], 15.0, size=24), torch.tensor([[0.2, 0.6, 0.4], [0.9, 0.8, 0.1]])
    shown = prior.decode(prior.condition(["a duck"] * 2, cameras, behind).data.pictures[:, 0])
    reward = PriorReward(prior=prior)
    duck, car = (reward(shown, prompt, cameras, behind) for prompt in ("a duck", "a car"))
    assert (duck > -2).all() and (car < duck - 5).all()


def test_a_second_reward_is_for_agreeing_with_the_image_prompt() -> None:
    """log p(image | picture, prompt) with even odds, times `visual`: by the mixture's own densities with the weights of
    the observation. Catches the image beside the empty prompt, and a weight on the first reward."""
    x = torch.rand(3, 3, 2, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    image = torch.tensor([0.75, 0.25, 0.5], dtype=F64).view(3, 1, 1).expand(3, 4, 4)
    world = Analytic(means=PRIOR.means.tolist(), stds=PRIOR.stds.tolist(), prompts={"y": [0.8, 0.2]}, noise=PRIOR.noise)
    told, without = world.condition(["y"] * 3, image=image), world.condition(["y"] * 3)
    seen = world.log_likelihood(2 * x - 1, told, 1.0) - world.log_likelihood(2 * x - 1, without, 1.0)
    plain, both = (PriorReward(prior=world, visual=visual)(x, "y", image=image) for visual in (0.0, 3.0))
    assert torch.allclose(both, plain + 3 * torch.nn.functional.logsigmoid(seen), atol=1e-9)
    assert seen.abs().max() > 0.1
    assert torch.equal(PriorReward(prior=world, visual=3.0)(x, "y"), plain)
