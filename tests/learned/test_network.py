"""The learned score that is a small network: it learns the score of what it is shown, and of nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit
from dreamforge.learned.network import Network
from dreamforge.objectives.esd import esd
from dreamforge.objectives.vsd import vsd
from dreamforge.saving import optimizer_tensors, restore_optimizer
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.noise import NoiseProcess
from dreamforge.rng import generator
from tests.conftest import conditions
from tests.objectives.networks import F64, draw, gaussian, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

MEAN, SPREAD = torch.tensor([0.8, -0.5], dtype=F64), 0.6


def views(count: int) -> tuple[Cameras, Tensor]:
    return orbit([0.0, 180.0] * (count // 2), 15.0, size=8), torch.ones(count, 3)


def test_t_vsd_3_a2_outputs_of_any_kind_are_the_same_noise_and_errors_scale_with_them() -> None:
    """v = alpha eps - sigma z and its kin come back as eps; `error` is the slope's inverse. Catches alpha and sigma
    swapped in either."""
    z, eps, t = draw(3, 4), draw(3, 4, seed=1), torch.tensor([5, 500, 990])
    for prediction in ("epsilon", "v_prediction", "flow", "sample"):
        make = NoiseProcess.flow_matching if prediction == "flow" else NoiseProcess.stable_diffusion
        process = make(dtype=F64)
        noise = NoiseProcess(process.alphas, process.sigmas, prediction)  # type: ignore[arg-type]
        alpha, sigma = noise.alpha_sigma(t, z)
        target = {"epsilon": eps, "v_prediction": alpha * eps - sigma * z, "flow": eps - z, "sample": z}[prediction]
        z_t = noise.add(z, eps, t)
        assert torch.allclose(noise.epsilon(target, z_t, t), eps, atol=1e-12)
        wrong = target + draw(3, 4, seed=2)
        found = noise.error(noise.epsilon(wrong, z_t, t) - eps, t)
        assert torch.allclose(found, wrong - target, rtol=1e-9), prediction


@pytest.mark.parametrize("loss", ["epsilon", "v"])
def test_t_vsd_6_phi_of_a_gaussian_cloud_is_its_oracle_score(loss: str) -> None:
    """eps_phi -> sigma (z_t - alpha mu) / (alpha² v + sigma²) at every noise level. Catches a wrong target or noise
    level, and a score that is not of the renders but of the noised ones."""
    prior = gaussian(0.4)
    phi = Network(prior=prior, shape=(2,), seed=0, width=8, blocks=0, loss=loss, learning_rate={0: 0.1, 1: 0.001})
    cameras, behind = views(128)
    for step in range(150):
        z = MEAN + SPREAD * draw(128, 2, seed=step)
        figures = phi.learn(z, "", cameras, behind, step / 150, generator(0, step))
    assert figures["phi_loss"] < 1
    t, z_t = torch.tensor([50, 200, 500, 900]), draw(4, 2, seed=1)
    bound = phi.phi("", *views(4))
    [found] = bound.predict(z_t, t, [bound.free])
    alpha, sigma = prior.noise.alpha_sigma(t, z_t)
    expected = sigma * (z_t - alpha * MEAN) / (alpha**2 * SPREAD**2 + sigma**2)
    assert torch.allclose(found, expected, atol=0.1)


def test_t_vsd_5_one_particle_comes_to_the_mode_as_under_sds() -> None:
    """phi in pursuit of a single point: the point still gets to the mean, where phi with the wrong sign drives it off."""
    prior = gaussian(0.4)
    phi = Network(prior=prior, shape=(2,), seed=0, width=8, blocks=0, learning_rate=0.02)
    z, prompt, (cameras, behind) = torch.full((16, 2), 3.0, dtype=F64), conditions(prior, 16), views(16)
    late = []
    for step in range(400):
        with torch.no_grad():
            t = torch.randint(20, 600, (16,), generator=seeded(step))
            grad = vsd(z, t, draw(16, 2, seed=step), prior, prompt, guidance=1, phi=phi.phi("", cameras, behind)).grad
            z = z - 0.3 * grad.mean(0)
        phi.learn(z, "", cameras, behind, 0.5, generator(0, step))
        late += [z[0]] if step >= 200 else []
    assert torch.allclose(torch.stack(late).mean(0), torch.tensor([1.0, -2.0], dtype=F64), atol=0.15)
    assert torch.stack(late).std(0).max() < 0.3


def test_cameras_tell_pictures_apart_and_the_camera_free_score_mixes_them() -> None:
    """The front is dark and the back bright. Catches a camera that is not read, and one that is never hidden."""
    prior = Analytic()
    phi = Network(prior=prior, shape=(3, 8, 8), seed=0, width=16, blocks=1, loss="v", learning_rate=0.03, camera_dropout=0.3)
    cameras, behind = views(4)
    z = torch.tensor([-0.8, 0.8, -0.8, 0.8])[:, None, None, None].expand(4, 3, 8, 8)
    for step in range(100):
        phi.learn(z, "", cameras, behind, 0.5, generator(0, step))
    t = torch.full((4,), 900)
    eps = draw(4, 3, 8, 8, seed=1).float()
    bound, z_t = phi.phi("", cameras, behind), prior.noise.add(z, eps, t)
    posed, free = (prior.noise.clean(z_t, e, t).mean((1, 2, 3)) for e in bound.predict(z_t, t, [bound.posed, bound.free]))
    assert torch.allclose(posed, z[:, 0, 0, 0], atol=0.4)
    assert (free.abs() < 0.6).all()


def test_t_vsd_7_gradients_do_not_leak_between_the_scene_and_phi() -> None:
    prior, (cameras, behind) = Analytic(), views(4)
    phi = Network(prior=prior, shape=(3, 8, 8), seed=0, width=8, blocks=1)
    scene = torch.zeros(4, 3, 8, 8, requires_grad=True)
    z = 2 * scene - 1
    before = {name: value.clone() for name, value in phi.state_dict().items()}
    phi.learn(z, "", cameras, behind, 0.5, generator(0))
    assert scene.grad is None and all(p.grad is None for p in phi.parameters())
    assert any(not torch.equal(before[name], value) for name, value in phi.state_dict().items())
    with torch.no_grad():
        found = esd(z, torch.full((4,), 500), torch.randn(4, 3, 8, 8), prior, conditions(prior, 4), phi=phi.phi("", cameras, behind))
    z.backward(found.grad)
    assert scene.grad is not None and all(p.grad is None for p in phi.parameters())


def test_its_state_goes_on_where_it_was() -> None:
    """Two copies, one restored from the other's tensors, take the same next update."""
    prior, (cameras, behind) = Analytic(), views(2)
    one, two = (Network(prior=prior, shape=(3, 8, 8), seed=seed, width=8, blocks=1) for seed in (0, 1))
    z = draw(2, 3, 8, 8).float()
    for step in range(3):
        one.learn(z, "", cameras, behind, 0.1, generator(0, step))
    two.load_state_dict(one.state_dict())
    restore_optimizer(two.optimizer, optimizer_tensors(one.optimizer, "phi_optimizer"), "phi_optimizer")
    for phi in (one, two):
        phi.learn(z, "", cameras, behind, 0.1, generator(0, 3))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_the_running_mean_is_kept_with_phi() -> None:
    """Starts at the first value, and outlives the step and the run. Catches keep and 1 - keep exchanged."""
    phi, again = (Network(prior=gaussian(0.4), shape=(2,), seed=0, width=8, blocks=0) for _ in range(2))
    one, two = torch.tensor(4.0, dtype=F64), torch.tensor(2.0, dtype=F64)
    bound = phi.phi("", *views(2))
    assert bound.running(one, 0.9) == 4 and bound.running(two, 0.75).item() == pytest.approx(3.5)
    again.load_state_dict(phi.state_dict())
    assert again.phi("", *views(2)).running(two, 0.5).item() == pytest.approx(2.75)
    assert bound.running(one, 0.0) == 4


def test_d3_a_phi_that_learns_more_in_a_step_brings_a_cloud_nearer_to_the_priors_spread() -> None:
    """The lag of phi: with one update a step it still takes the cloud for wider than it is, which contracts too far."""
    off = []
    for updates in (1, 4):
        prior, cloud = gaussian(0.4), 1.5 * draw(64, 2) + 1
        phi = Network(prior=prior, shape=(2,), seed=0, width=8, blocks=0, learning_rate=0.03, updates=updates)
        cameras, behind = views(64)
        prompt, t = conditions(prior, 128), torch.full((128,), 200)
        for step in range(60):
            eps = draw(64, 2, seed=step)
            z, both = torch.cat([cloud, cloud]), torch.cat([eps, -eps])
            with torch.no_grad():
                bound = phi.phi("", *views(128))
                bound._posed = bound._free
                pull = vsd(z, t, both, prior, prompt, guidance=1, weight="uniform", phi=bound).grad
            cloud = cloud - 0.3 * (pull[:64] + pull[64:]) / 2
            phi.learn(cloud, "", cameras, behind, step / 60, generator(0, step))
        off.append((cloud.var(0, correction=0).mean() - 0.4**2).abs().item())
    assert off[1] < 0.7 * off[0]
