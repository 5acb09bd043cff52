"""The learned score that stands on the prior's own network, on tiny random checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from dreamforge.cameras import orbit
from dreamforge.errors import UserError
from dreamforge.learned.lora import LoRA
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.diffusers import Diffusers
from dreamforge.rng import generator
from tests.priors.checkpoints import stable_diffusion

pytestmark = pytest.mark.usefixtures("one_thread")

T = torch.tensor([50, 800])
CAMERAS, BEHIND = orbit([0.0, 180.0], 15.0, size=16), torch.ones(2, 3)


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def prior(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Diffusers:
    return Diffusers(model=str(stable_diffusion(tmp_path_factory.mktemp("sd"), request.param)))


def latents() -> torch.Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def test_d2_adapters_start_at_zero_and_come_off_again(prior: Diffusers) -> None:
    """phi is the prior to the bit, with and without camera; once trained it is not, and the prior still is itself."""
    z = latents()
    [expected] = prior.predict(z, T, [prior.condition(["a cat"] * 2)])
    phi = LoRA(prior=prior, seed=0, learning_rate=1e-2)
    bound = phi.phi("a cat", CAMERAS, BEHIND)
    with torch.no_grad():
        for condition in (bound.posed, bound.free):
            assert torch.equal(phi.predict(z, T, [condition])[0], expected)
    losses = [phi.learn(z, "a cat", CAMERAS, BEHIND, 0.5, generator(0, i % 4))["phi_loss"].item() for i in range(24)]
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    bound = phi.phi("a cat", CAMERAS, BEHIND)
    with torch.no_grad():
        posed, free, empty = phi.predict(z, T, [bound.posed, bound.free, bound.empty])
    assert all((answer - expected).abs().max() > 1e-2 for answer in (posed, free))
    assert (posed - free).abs().max() > 1e-4 and (posed - empty).abs().max() > 1e-4
    assert torch.equal(prior.predict(z, T, [prior.condition(["a cat"] * 2)])[0], expected)


def test_only_the_adapters_learn(prior: Diffusers) -> None:
    """phi's parameters are none of the prior's, and the prior's stay without gradients (T-VSD-7)."""
    phi = LoRA(prior=prior, seed=0)
    own = {id(p) for p in phi.parameters()}
    assert own.isdisjoint({id(p) for p in prior.unet.parameters()})
    assert sum(p.numel() for p in phi.parameters()) < 0.2 * sum(p.numel() for p in prior.unet.parameters())
    z = latents().requires_grad_()
    phi.learn(z, "a cat", CAMERAS, BEHIND, 0.5, generator(0))
    assert z.grad is None and all(p.grad is None and not p.requires_grad for p in prior.unet.parameters())


def test_its_loss_is_in_what_the_network_predicts(prior: Diffusers) -> None:
    """The mean square of the raw output against eps, or against v. Catches an epsilon loss on a v-prediction network."""
    phi, z = LoRA(prior=prior, seed=0, camera_dropout=1.0), latents()
    loss = phi.learn(z, "a cat", CAMERAS, BEHIND, 0.5, generator(7))["phi_loss"]
    random = generator(7)
    torch.rand(2, generator=random)
    t = torch.randint(1000, (2,), generator=random)
    eps = torch.randn(z.shape, generator=random)
    alpha, sigma = prior.noise.alpha_sigma(t, z)
    told = prior.condition(["a cat"] * 2).data
    with torch.no_grad():
        raw = prior.unet(alpha * z + sigma * eps, t, **told).sample
    target = eps if prior.noise.prediction == "epsilon" else alpha * eps - sigma * z
    assert torch.allclose(loss, (raw - target).square().mean(), rtol=1e-4)


def test_another_checkpoint_can_carry_it(prior: Diffusers, tmp_path: Path) -> None:
    """ProlificDreamer's pairing: an epsilon-prediction prior and a v-prediction phi over the same latents."""
    phi = LoRA(prior=prior, seed=0, model=str(stable_diffusion(tmp_path, "v_prediction")))
    assert phi.noise.prediction == "v_prediction" and phi.base is not prior
    bound, z = phi.phi("a cat", CAMERAS, BEHIND), latents()
    with torch.no_grad():
        [found] = bound.predict(z, T, [bound.posed])
    assert torch.allclose(found, phi.base.predict(z, T, [phi.base.condition(["a cat"] * 2)])[0], atol=1e-6)


def test_a_prior_without_a_network_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="use phi=network"):
        LoRA(prior=Analytic(), seed=0)
