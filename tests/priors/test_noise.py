"""The conversions of METHODS.md 1.3 and the schedule's regression constants of 1.2."""

from __future__ import annotations

import pytest
import torch

from dreamforge.priors.noise import NoiseProcess


def test_stable_diffusion_schedule_has_the_published_values() -> None:
    noise = NoiseProcess.stable_diffusion(dtype=torch.float64)
    abar = noise.alphas**2
    for t, value in {20: 0.9813, 200: 0.7537, 500: 0.2763, 980: 0.00584, 999: 0.00466}.items():
        assert abar[t].item() == pytest.approx(value, rel=2e-3)
    assert torch.allclose(noise.alphas**2 + noise.sigmas**2, torch.ones(1000, dtype=torch.float64))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow", "sample"])
def test_every_prediction_type_gives_back_the_noise(prediction: str) -> None:
    base = NoiseProcess.stable_diffusion(dtype=torch.float64)
    if prediction == "flow":
        base = NoiseProcess.flow_matching(dtype=torch.float64)
    noise = NoiseProcess(base.alphas, base.sigmas, prediction)  # type: ignore[arg-type]
    z, eps = torch.randn(5, 3, 4, 4, dtype=torch.float64), torch.randn(5, 3, 4, 4, dtype=torch.float64)
    t = torch.tensor([0, 20, 500, 980, 999])
    alpha, sigma = noise.alpha_sigma(t, z)
    output = {"epsilon": eps, "v_prediction": alpha * eps - sigma * z, "flow": eps - z, "sample": z}[prediction]
    z_t = noise.add(z, eps, t)
    assert torch.allclose(noise.epsilon(output, z_t, t), eps, atol=1e-9)
    assert torch.allclose(noise.clean(z_t, eps, t), z, atol=1e-9)


def test_differences_commute_with_the_conversion_up_to_its_factor() -> None:
    """eps_a - eps_b = alpha (v_a - v_b): catches a missing factor in the v conversion."""
    noise = NoiseProcess.stable_diffusion(dtype=torch.float64)
    v = NoiseProcess(noise.alphas, noise.sigmas, "v_prediction")
    a, b, z_t = (torch.randn(2, 3, dtype=torch.float64) for _ in range(3))
    t = torch.tensor([100, 700])
    alpha, _ = noise.alpha_sigma(t, a)
    assert torch.allclose(v.epsilon(a, z_t, t) - v.epsilon(b, z_t, t), alpha * (a - b))


def test_fractions_become_timesteps_inside_the_table() -> None:
    noise = NoiseProcess.stable_diffusion()
    assert noise.timestep(torch.tensor([0.0, 0.02, 0.98, 1.0])).tolist() == [0, 20, 980, 999]
