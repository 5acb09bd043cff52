"""SDS and VSD on real checkpoint formats equal their equations, computed again from what diffusers itself answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("diffusers")

from dreamforge.cameras import orbit
from dreamforge.contracts import PromptConditions
from dreamforge.learned.lora import PROJECTIONS, LoRA
from dreamforge.objectives.sds import sds
from dreamforge.objectives.vsd import vsd
from dreamforge.priors.diffusers import Diffusers
from tests.priors.checkpoints import sd3, sdxl, stable_diffusion
from tests.priors.pipelines import GUIDANCE, prediction, whole

MODELS = {
    "epsilon": stable_diffusion, "v_prediction": lambda folder: stable_diffusion(folder, "v_prediction"), "sdxl": sdxl,
    "sd3": sd3,
}  # fmt: skip
CPU = torch.device("cpu")


def drawn(seed: int) -> Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def noised(pipe: Any, z: Tensor, eps: Tensor, index: int) -> tuple[Tensor, float]:
    """z_t by the checkpoint's own scheduler, and sigma_t²."""
    if hasattr(pipe.scheduler, "alphas_cumprod"):
        return pipe.scheduler.add_noise(z, eps, torch.tensor([index])), float(1 - pipe.scheduler.alphas_cumprod[index])
    sigma = float(pipe.scheduler.sigmas.flip(0)[index])
    return sigma * eps + (1 - sigma) * z, sigma**2


def as_noise(pipe: Any, output: Tensor, z_t: Tensor, variance: float) -> Tensor:
    """What the network answered, as noise."""
    if not hasattr(pipe.scheduler, "alphas_cumprod"):
        return z_t + (1 - variance**0.5) * output
    if pipe.scheduler.config.prediction_type == "v_prediction":
        return (1 - variance) ** 0.5 * output + variance**0.5 * z_t
    return output


def conditions(prior: Diffusers) -> PromptConditions:
    return PromptConditions(lambda: prior.condition(["a red cat"]), lambda: prior.condition([""]))


@pytest.mark.parametrize("name", MODELS)
def test_sds_is_the_weighted_residual_of_the_pipelines_guided_prediction(name: str, tmp_path: Path) -> None:
    """g = sigma² (eps_hat - eps), with z_t from the scheduler and eps_hat from the pipeline's own loop."""
    prior, pipe = Diffusers(model=str(MODELS[name](tmp_path))), whole(tmp_path / "model")
    z, eps, index = drawn(1), drawn(2), 350
    z_t, variance = noised(pipe, z, eps, index)
    output, same = prediction(pipe, index, latents=z_t)
    assert torch.equal(same, z_t)
    expected = variance * (as_noise(pipe, output, z_t, variance) - eps)
    found = sds(z, torch.tensor([index]), eps, prior, conditions(prior), guidance=GUIDANCE).grad
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", ["epsilon", "v_prediction"])
def test_vsd_subtracts_what_the_adapted_network_predicts(name: str, tmp_path: Path) -> None:
    """g = sigma² (eps_hat - eps_phi): phi by hand, as W + B A in a copy of the UNet and a shift of its time embedding."""
    prior, pipe = Diffusers(model=str(MODELS[name](tmp_path))), whole(tmp_path / "model")
    z, eps, index, camera = drawn(1), drawn(2), 350, orbit([40.0], 15.0)
    phi = LoRA(prior=prior, seed=0)
    with torch.no_grad():
        for number, parameter in enumerate(phi.parameters()):
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    z_t, variance = noised(pipe, z, eps, index)
    guided = as_noise(pipe, prediction(pipe, index, latents=z_t)[0], z_t, variance)

    state, targets = phi.state_dict(), [m for n, m in pipe.unet.named_modules() if n.endswith(PROJECTIONS)]
    with torch.no_grad():
        for number, layer in enumerate(targets):
            layer.weight += state[f"adapters.{number}.up.weight"] @ state[f"adapters.{number}.down.weight"]
        hidden = torch.nn.functional.silu(camera.c2w.flatten(1) @ state["camera.0.weight"].T + state["camera.0.bias"])
        shift = hidden @ state["camera.2.weight"].T + state["camera.2.bias"]
        pipe.unet.time_embedding.register_forward_hook(lambda module, inputs, output: output + shift)
        text = pipe.encode_prompt("a red cat", CPU, 1, False)[0]
        learned = as_noise(pipe, pipe.unet(z_t, index, text).sample, z_t, variance)

    bound = phi.phi("a red cat", camera, torch.ones(1, 3))
    found = vsd(z, torch.tensor([index]), eps, prior, conditions(prior), guidance=GUIDANCE, phi=bound).grad
    expected = variance * (guided - learned)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert (learned - guided).abs().max() > 0.1  # the adapters matter
