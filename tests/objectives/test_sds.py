"""SDS against closed-form truth (METHODS.md 3.1, tags T-SDS-1 to T-SDS-8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from dreamforge.contracts import PromptConditions
from dreamforge.objectives.sds import sds
from dreamforge.optimize import loss_of
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.guidance import guided
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import Recorder, conditions

Make = Callable[[list[list[float]], list[float]], Analytic]
F64 = torch.float64


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def test_t_sds_1_target_loss_has_gradient_g_over_batch() -> None:
    z, grad = draw(3, 2, 4, 4).requires_grad_(), draw(3, 2, 4, 4, seed=1)
    loss_of(z, grad).backward()
    assert torch.allclose(z.grad, grad / 3, atol=1e-12)
    theta, matrix = draw(5).requires_grad_(), draw(5, 8, seed=2)
    rendered = (theta @ matrix).view(2, 4)
    loss_of(rendered, draw(2, 4, seed=3)).backward()
    assert torch.allclose(theta.grad, matrix @ (draw(2, 4, seed=3) / 2).flatten(), atol=1e-12)


def test_t_sds_2_equals_the_x0_form(gaussians: Make) -> None:
    prior = gaussians([[1.0, -2.0], [0.5, 0.0]], [0.3, 0.9])
    z, eps, t = draw(4, 2), draw(4, 2, seed=1), torch.tensor([20, 300, 600, 980])
    prompt = conditions(prior, 4)
    grad = sds(z, t, eps, prior, prompt, guidance=7.5).grad
    alpha, sigma = prior.noise.alpha_sigma(t, z)
    z_t = prior.noise.add(z, eps, t)
    clean = prior.noise.clean(z_t, guided(prior, z_t, t, prompt, 7.5), t)
    assert torch.allclose(grad, sigma**2 * (alpha / sigma) * (z - clean), atol=1e-9)


@pytest.mark.parametrize("prediction", ["v_prediction", "flow"])
def test_t_sds_3_other_predictions_give_the_same_gradient(prediction: str) -> None:
    """g = w alpha (v_hat - v): catches a wrong conversion anywhere between network and objective."""
    base = NoiseProcess.stable_diffusion(dtype=F64) if prediction != "flow" else NoiseProcess.flow_matching(dtype=F64)
    z, eps, t = draw(2, 3), draw(2, 3, seed=1), torch.tensor([200, 800])
    alpha, sigma = base.alpha_sigma(t, z)
    v_hat = draw(2, 3, seed=2)
    target = alpha * eps - sigma * z if prediction == "v_prediction" else eps - z
    converted = NoiseProcess(base.alphas, base.sigmas, prediction)  # type: ignore[arg-type]
    eps_hat = converted.epsilon(v_hat, base.add(z, eps, t), t)
    prior = Recorder(converted, {"y": eps_hat})
    prompt = PromptConditions(lambda: prior.condition(["y"]), lambda: prior.condition([""]))
    grad = sds(z, t, eps, prior, prompt, guidance=1, weight="uniform").grad
    assert torch.allclose(grad, alpha * (v_hat - target), atol=1e-9)


def test_t_sds_4_guidance_one_never_asks_for_the_negative_and_zero_never_for_the_positive() -> None:
    noise = NoiseProcess.stable_diffusion(dtype=F64)
    z, t = draw(1, 2), torch.tensor([500])
    prior = Recorder(noise, {"y": draw(1, 2, seed=1), "n": draw(1, 2, seed=2)})
    prompt = PromptConditions(lambda: prior.condition(["y"]), lambda: prior.condition(["n"]))
    results = {s: sds(z, t, z, prior, prompt, guidance=s, weight="uniform").grad + z for s in (1, 0, 3)}
    assert prior.asked == [["y"], ["n"], ["y", "n"]]
    y, n = prior.answers["y"], prior.answers["n"]
    assert torch.allclose(results[1], y) and torch.allclose(results[0], n)
    assert torch.allclose(results[3], n + 3 * (y - n))


def test_i_1_gradient_is_affine_in_guidance(gaussians: Make) -> None:
    prior = gaussians([[1.0, -2.0], [0.5, 0.0]], [0.3, 0.9])
    z, eps, t = draw(2, 2), draw(2, 2, seed=1), torch.tensor([100, 700])
    g = {s: sds(z, t, eps, prior, conditions(prior, 2), guidance=s).grad for s in (0.0, 1.0, 7.5)}
    assert torch.allclose(g[7.5], g[0.0] + 7.5 * (g[1.0] - g[0.0]), atol=1e-9)


def test_t_sds_5_mean_gradient_points_to_the_mean(gaussians: Make) -> None:
    """E[g] = w f(sigma_bar)(z - m), f = s/(rho²+s²) in VE variables; antithetic noise makes the mean exact."""
    prior = gaussians([[1.0, -2.0]], [0.4])
    eps = draw(64, 2, seed=1)
    eps = torch.cat([eps, -eps])
    z = torch.tensor([[0.3, 0.8]], dtype=F64).expand(128, 2)
    t = torch.full((128,), 400)
    prompt = conditions(prior, 128, positive="")
    grad = sds(z, t, eps, prior, prompt, guidance=1).grad.mean(0)
    alpha, sigma = (table[400] for table in (prior.noise.alphas, prior.noise.sigmas))
    bar = sigma / alpha
    expected = sigma**2 * bar / (0.4**2 + bar**2) * (z[0] - torch.tensor([1.0, -2.0], dtype=F64))
    assert torch.allclose(grad, expected, atol=1e-9)


def test_t_sds_5_particles_collapse_onto_the_mean(gaussians: Make) -> None:
    prior = gaussians([[1.0, -2.0]], [0.4])
    z, random = 3 * draw(500, 2), torch.Generator().manual_seed(5)
    prompt = conditions(prior, 500, positive="")
    for step in range(1500):
        eps = torch.randn(500, 2, generator=random, dtype=F64)
        z = z - 0.2 * (1 - step / 1500) * sds(z, torch.full((500,), 300), eps, prior, prompt, guidance=1).grad
    assert torch.allclose(z.mean(0), torch.tensor([1.0, -2.0], dtype=F64), atol=0.02)
    assert z.var(0).max() < 0.02  # the prior's own variance is 0.16: SDS seeks the mode


def test_t_sds_6_a_cached_noise_tensor_moves_the_fixed_point(gaussians: Make) -> None:
    """z* = m + rho² eps / sigma_bar: catches an accidentally constant noise."""
    prior = gaussians([[1.0, -2.0]], [0.4])
    eps, t, z = draw(1, 2, seed=7), torch.tensor([250]), draw(1, 2)
    for _ in range(4000):
        z = z - 0.3 * sds(z, t, eps, prior, conditions(prior, 1, positive=""), guidance=1).grad
    bar = prior.noise.sigmas[250] / prior.noise.alphas[250]
    expected = torch.tensor([[1.0, -2.0]], dtype=F64) + 0.4**2 * eps / bar
    assert torch.allclose(z, expected, atol=1e-6)


def test_t_sds_7_guidance_overshoots_by_its_scale(gaussians: Make) -> None:
    """z* = [s m_y/A + (1-s) m_0/C] / [s/A + (1-s)/C]: the over-saturation of high guidance."""
    m_y, m_0, r_y, r_0, s = 1.0, -0.5, 0.5, 0.7, 3.0
    prior = gaussians([[m_y, 0.0], [m_0, 0.0]], [r_y, r_0])
    bar = (prior.noise.sigmas[300] / prior.noise.alphas[300]).item()
    a, c = r_y**2 + bar**2, r_0**2 + bar**2
    expected = (s * m_y / a + (1 - s) * m_0 / c) / (s / a + (1 - s) / c)
    eps = draw(32, 2, seed=3)
    eps, t = torch.cat([eps, -eps]), torch.full((64,), 300)
    z = torch.zeros(1, 2, dtype=F64)
    for _ in range(3000):
        z = z - 0.3 * sds(z.expand(64, 2), t, eps, prior, conditions(prior, 64), guidance=s).grad.mean(0)
    assert z[0, 0].item() == pytest.approx(expected, rel=1e-4)
    assert z[0, 0].item() > m_y


@pytest.mark.parametrize(("t", "stable"), [(700, True), (20, False)])
def test_t_sds_8_two_modes_merge_at_high_noise_and_part_at_low(gaussians: Make, t: int, stable: bool) -> None:
    """The origin between modes at +-a is stable iff a² < rho² + sigma_bar² (up to noise averaging)."""
    prior = Analytic(means=[[1.0], [-1.0]], stds=[0.3, 0.3], noise=NoiseProcess.stable_diffusion(dtype=F64))
    eps = draw(256, 1, seed=2)
    eps, steps = torch.cat([eps, -eps]), torch.full((512,), t)
    z = torch.full((1, 1), 0.05, dtype=F64)
    for _ in range(300):
        grad = sds(z.expand(512, 1), steps, eps, prior, conditions(prior, 512, positive=""), guidance=1, weight="uniform").grad
        z = z - 0.1 * grad.mean(0)
    assert (abs(z.item()) < 0.04) if stable else (abs(z.item()) > 0.8)


def test_sigma2_weight_scales_the_uniform_one(gaussians: Make) -> None:
    prior = gaussians([[1.0, -2.0], [0.5, 0.0]], [0.3, 0.9])
    z, eps, t = draw(2, 2), draw(2, 2, seed=1), torch.tensor([100, 700])
    uniform, sigma2 = (sds(z, t, eps, prior, conditions(prior, 2), weight=w).grad for w in ("uniform", "sigma2"))
    assert torch.allclose(sigma2, uniform * prior.noise.sigmas[t][:, None] ** 2)
