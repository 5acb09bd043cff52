"""Ember: the UNet and its text encoder, trained together from nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dreamforge.ember import networks
from dreamforge.ember.data import Examples
from dreamforge.ember.fit import Random, Task
from dreamforge.errors import UserError
from dreamforge.ember.sampling import pictures
from dreamforge.pictures import contact_sheet
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.noise import NoiseProcess

UNCAPTIONED, SNR_CAP, SHIFT = 0.12, 5.0, 2.0
PROMPTS = (
    "a red car, front view", "a corgi in a top hat", "a blue duck", "a green cactus", "a purple castle", "a teapot, side view",
    "an orange cat wearing a scarf", "a pink airplane", "a yellow chair, back view", "a penguin", "a brown guitar", "a donut",
)  # fmt: skip


class UnetTask(Task):
    """Writes ember/."""

    views, size, batch, lr, muon, reuse, bf16 = 1, 64, 64, 1e-3, 4e-3, 4, True
    compiled = ("unet", "text")

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.vae = part(folder, "vae", "AutoencoderTiny", device)
        self.tokenizer = networks.tokenizer()
        self.noise = noise(device)
        network = networks.unet(self.size // networks.FACTOR).to(memory_format=torch.channels_last)
        self.model = nn.ModuleDict({"unet": network, "text": networks.text_encoder(self.tokenizer)})
        if device.type == "cpu":
            networks.attend_plainly(network)
        self.latent_size = self.size // networks.FACTOR

    def prepare(self, examples: Examples) -> Examples:
        """With latents."""
        return with_latents(self.vae, examples)

    def losses(self, examples: Examples, random: Random) -> dict[str, Tensor]:
        """The error of the predicted velocity; one caption in eight is left out."""
        z = examples.latents
        self.latent_size = z.shape[-1]
        left_out = torch.rand(len(z), generator=random("captions")) < UNCAPTIONED
        texts = ["" if out else text for out, text in zip(left_out.tolist(), examples.captions, strict=True)]
        hidden = embed(self.model["text"], self.tokenizer, texts)
        return velocity_losses(self.noise, z, random, lambda z_t, t: self.model["unet"](z_t, t, hidden).sample)

    def picture(self) -> Tensor:
        """Samples at guidance 5."""
        return contact_sheet(pictures(Diffusers.of(self._pipeline(), self.vae.device), PROMPTS), 6)

    def write(self, folder: Path) -> None:
        """The folder of a `StableDiffusionPipeline`."""
        networks.save_pipeline(self._pipeline(), folder / "ember")

    def _pipeline(self) -> Any:
        """Its size is that of the pictures it saw last."""
        self.model["unet"].register_to_config(sample_size=self.latent_size)
        return networks.pipeline(self.model["unet"], self.model["text"], self.vae)


def part(folder: Path, name: str, kind: str, device: torch.device) -> nn.Module:
    """A frozen part that an earlier training wrote."""
    import diffusers
    import transformers

    if not (folder / name / "config.json").is_file():
        raise UserError(f"{folder / name} is not there yet; train it first (`dreamforge ember train` does all in order)")
    factory = getattr(diffusers, kind, None) or getattr(transformers, kind)
    return factory.from_pretrained(folder / name, local_files_only=True).float().to(device).eval().requires_grad_(False)


def noise(device: torch.device) -> NoiseProcess:
    """Ember's schedule."""
    return NoiseProcess.variance_preserving(networks.scheduler().alphas_cumprod.to(device), "v_prediction")


@torch.no_grad()
def with_latents(vae: nn.Module, examples: Examples) -> Examples:
    """The examples with the latents of their pictures, channels last."""
    encoded = vae.encode(2 * examples.pictures(vae.device) - 1).latents.float()
    return replace(examples, latents=encoded.contiguous(memory_format=torch.channels_last))


def embed(text_encoder: nn.Module, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Hidden states `[B,L,D]`."""
    tokens = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
    return text_encoder(tokens.input_ids.to(text_encoder.device))[0]


def velocity_losses(
    process: NoiseProcess,
    z: Tensor,
    random: Random,
    predict: Callable[[Tensor, Tensor], Tensor],
    t: Tensor | None = None,
) -> dict[str, Tensor]:
    """Mean squared error of v = alpha eps - sigma z, weighted by min(1, (c + 1) / (SNR + 1)).

    In terms of z that is min(SNR + 1, c + 1): "min-SNR" (arXiv 2303.09556) with weight 1 kept at high noise, where
    min(SNR, c) would go to zero and with it all that decides what a picture shows. t: `[B]`; by default spread evenly.
    """
    if t is None:
        t = timesteps(len(z), random, process.steps)
    t = t.to(z.device)
    eps = torch.randn(z.shape, generator=random("noise")).to(z)
    alpha, sigma = process.alpha_sigma(t, z)
    target = alpha * eps - sigma * z
    error = (predict(process.add(z, eps, t), t).float() - target).square().mean((1, 2, 3))
    weight = ((SNR_CAP + 1) * sigma.square()).clamp(max=1).flatten()  # 1 / (SNR + 1) = sigma²
    return {"loss": (weight * error).mean(), "v": error.mean().detach()}


def timesteps(count: int, random: Random, steps: int) -> Tensor:
    """`[count]` timesteps in random order, one in each of as many parts of the range: equal parts, shifted towards noise
    by u -> s u / (1 + (s - 1) u) (2403.03206), where it is decided what a picture shows."""
    draws = torch.rand(count, generator=random("timesteps"))
    order = torch.randperm(count, generator=random("order"))
    even = (order + draws) / count
    return (SHIFT * even / (1 + (SHIFT - 1) * even) * steps).long()
