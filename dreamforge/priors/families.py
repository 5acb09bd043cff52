"""What differs between families of checkpoints: which network predicts, how a prompt is read, how noise is added.

A family is a row of `FAMILIES`, by the class that a checkpoint's model_index.json names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dreamforge.errors import UserError, did_you_mean
from dreamforge.priors.noise import NoiseProcess

NEAREST_TO_NOISE = 1 - 1 / 2000  # the largest sigma of a flow: at 1 nothing is left of the picture to estimate

ADDED = ("text_embeds", "time_ids", "image_embeds")
"""Inputs that a UNet of diffusers takes in `added_cond_kwargs`."""


@dataclass(frozen=True)
class Family:
    """network: the pipeline's attribute. embed: a prompt to the network's text inputs by name, `[1,…]` each, as the
    pipeline's own `encode_prompt` gives them. noise: what the pipeline's scheduler adds. ask: network, z_t, the network's
    own times `[B]` (`times`) and inputs by name to the raw output."""

    network: str
    embed: Callable[[Any, str, torch.device], dict[str, Tensor]]
    noise: Callable[[Any, torch.device], NoiseProcess]
    ask: Callable[[Any, Tensor, Tensor, dict[str, Tensor]], Tensor]
    times: Callable[[NoiseProcess, Tensor], Tensor] = lambda noise, t: t


def family_of(pipe: Any) -> Family:
    """The row for a pipeline; UserError for a kind that is not known."""
    kind = type(pipe).__name__
    if kind not in FAMILIES:
        raise UserError(f"prior.model: no family for {kind} checkpoints{did_you_mean(kind, FAMILIES)}")
    return FAMILIES[kind]


def _noise_of_betas(pipe: Any, device: torch.device) -> NoiseProcess:
    schedule = pipe.scheduler
    return NoiseProcess.variance_preserving(
        schedule.alphas_cumprod.float().to(device), schedule.config.prediction_type
    )


def _ask_unet(network: Any, z_t: Tensor, t: Tensor, told: dict[str, Tensor]) -> Tensor:
    added = {key: told[key] for key in ADDED if key in told}
    if "image_embeds" in added:
        added["image_embeds"] = [added["image_embeds"]]  # one adapter's
    plain = {key: value for key, value in told.items() if key not in ADDED}
    output = network(z_t, t, **plain, **({"added_cond_kwargs": added} if added else {})).sample
    return output[:, : z_t.shape[1]]  # models that also predict a variance put it behind the mean


def _embed_stable_diffusion(pipe: Any, prompt: str, device: torch.device) -> dict[str, Tensor]:
    return {"encoder_hidden_states": pipe.encode_prompt(prompt, device, 1, False)[0]}


def _embed_sdxl(pipe: Any, prompt: str, device: torch.device) -> dict[str, Tensor]:
    """With the pooled text, and the time ids of a whole picture of the model's own size. No words are zeros where the
    checkpoint was trained so."""
    hidden, _, pooled, _ = pipe.encode_prompt(prompt, device=device, do_classifier_free_guidance=False)
    if not prompt and pipe.config.force_zeros_for_empty_prompt:
        hidden, pooled = torch.zeros_like(hidden), torch.zeros_like(pooled)
    side = pipe.unet.config.sample_size * pipe.vae_scale_factor
    ids = torch.tensor([[side, side, 0, 0, side, side]], device=device, dtype=hidden.dtype)
    return {"encoder_hidden_states": hidden, "text_embeds": pooled, "time_ids": ids}


def _embed_deepfloyd(pipe: Any, prompt: str, device: torch.device) -> dict[str, Tensor]:
    return {"encoder_hidden_states": pipe.encode_prompt(prompt, False, device=device)[0]}


def _embed_sd3(pipe: Any, prompt: str, device: torch.device) -> dict[str, Tensor]:
    hidden, _, pooled, _ = pipe.encode_prompt(prompt, prompt, prompt, device=device, do_classifier_free_guidance=False)
    return {"encoder_hidden_states": hidden, "pooled_projections": pooled}


def _noise_of_flow(pipe: Any, device: torch.device) -> NoiseProcess:
    """The shifted flow that the checkpoint was trained on: sigma is its own sigma, alpha = 1 - sigma."""
    sigmas = pipe.scheduler.sigmas.flip(0).float().clamp(max=NEAREST_TO_NOISE).to(device)
    return NoiseProcess(1 - sigmas, sigmas, "flow")


def _times_of_flow(noise: NoiseProcess, t: Tensor) -> Tensor:
    """A thousand times sigma: what the network is told."""
    return 1000 * noise.sigmas[t]


def _ask_sd3(network: Any, z_t: Tensor, t: Tensor, told: dict[str, Tensor]) -> Tensor:
    return network(hidden_states=z_t, timestep=t, **told).sample


FAMILIES = {
    "StableDiffusionPipeline": Family("unet", _embed_stable_diffusion, _noise_of_betas, _ask_unet),
    "StableDiffusionXLPipeline": Family("unet", _embed_sdxl, _noise_of_betas, _ask_unet),
    "IFPipeline": Family("unet", _embed_deepfloyd, _noise_of_betas, _ask_unet),
    "StableDiffusion3Pipeline": Family("transformer", _embed_sd3, _noise_of_flow, _ask_sd3, _times_of_flow),
}
