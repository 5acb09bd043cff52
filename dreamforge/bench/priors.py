"""Diffusion models of the usual sizes with random weights: they cost what trained ones cost, and need no files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Condition
from dreamforge.errors import UserError
from dreamforge.priors.noise import NoiseProcess
from dreamforge.rng import generator

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel


class RandomWeights:
    """A UNet, and for a latent model a VAE, as a prior that knows nothing.

    factor: how much smaller than the picture the latents are, by the VAE or else by pixel unshuffling. tokens: of a
    prompt, each an embedding drawn at random. Half precision on CUDA, single elsewhere.
    """

    def __init__(
        self, unet: UNet2DConditionModel, vae: AutoencoderKL | None, factor: int, tokens: int, device: torch.device
    ) -> None:
        self.device = device
        self.dtype = torch.float16 if device.type == "cuda" else torch.float32
        self.unet = self._frozen(unet).to(memory_format=torch.channels_last)
        self.vae = None if vae is None else self._frozen(vae)
        self.size, self.factor = unet.config.sample_size * factor, factor
        self.embedding = (tokens, unet.config.cross_attention_dim)
        self.noise = NoiseProcess.stable_diffusion()
        self.noise.alphas, self.noise.sigmas = self.noise.alphas.to(device), self.noise.sigmas.to(device)
        self._embed = functools.cache(self._embedding)

    def _frozen(self, module: torch.nn.Module) -> torch.nn.Module:
        module = module.half() if self.dtype == torch.float16 else module
        return module.to(self.device).eval().requires_grad_(False)

    def check(self, prompt: str) -> None:
        """Any prompt will do."""

    def encode(self, rgb: Tensor) -> Tensor:
        """See `dreamforge.contracts.Prior`."""
        if rgb.shape[-1] != self.size:
            rgb = torch.nn.functional.interpolate(rgb, size=(self.size, self.size), mode="bilinear", antialias=True)
        if self.vae is None:
            return torch.nn.functional.pixel_unshuffle(2 * rgb - 1, self.factor)
        return self.vae.encode((2 * rgb - 1).to(self.dtype)).latent_dist.mean.float() * self.vae.config.scaling_factor

    def decode(self, z: Tensor) -> Tensor:
        """Without a VAE; a random one has nothing to show."""
        return (0.5 * torch.nn.functional.pixel_shuffle(z, self.factor) + 0.5).clamp(0, 1)

    def condition(
        self, prompts: Sequence[str], cameras: Cameras | None = None, background: Tensor | None = None
    ) -> Condition:
        """See `dreamforge.contracts.Prior`."""
        return Condition(torch.cat([self._embed(prompt) for prompt in prompts]))

    def _embedding(self, prompt: str) -> Tensor:
        return torch.randn(1, *self.embedding, generator=generator(0, prompt)).to(self.device, self.dtype)

    @torch.no_grad()
    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """See `dreamforge.contracts.Prior`."""
        inputs = z_t.to(self.dtype).repeat(len(conditions), 1, 1, 1).contiguous(memory_format=torch.channels_last)
        text = torch.cat([condition.data for condition in conditions])
        output = self.unet(inputs, t.repeat(len(conditions)), encoder_hidden_states=text).sample
        return list(output.float().chunk(len(conditions)))


def _unet(device: torch.device) -> RandomWeights:
    """About ember's size: 5M weights on 64-pixel pictures unshuffled to 32x32x12, attention at the lowest level."""
    from diffusers import UNet2DConditionModel

    network = UNet2DConditionModel(
        sample_size=32, in_channels=12, out_channels=12, block_out_channels=(48, 96, 160), layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=128, attention_head_dim=4, norm_num_groups=16,
    )  # fmt: skip
    return RandomWeights(network, None, 2, 16, device)


def _sd21(device: torch.device) -> RandomWeights:
    """Stable Diffusion 2.1 base: 866M weights, 64x64x4 latents of 512-pixel pictures."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with device:
        network = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        )  # fmt: skip
    return RandomWeights(network, vae, 8, 77, device)


RANDOM: dict[str, Callable[[torch.device], RandomWeights]] = {"unet": _unet, "sd21": _sd21}


def random_prior(name: str, device: torch.device) -> RandomWeights:
    """One of `RANDOM`, its weights drawn from a fixed seed."""
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return RANDOM[name](device)
    except ImportError as error:
        raise UserError(f"the prior '{name}' needs extra packages: pip install 'dreamforge3d[diffusers]'") from error
