"""Any text-conditioned diffusion model in the diffusers folder format, latent (with a VAE) or pixel."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Condition
from dreamforge.errors import UserError
from dreamforge.priors.noise import NoiseProcess


class Diffusers:
    """A frozen UNet with its text encoder, scheduler and, for latent models, VAE.

    model: a folder in diffusers format, or a hub id. Half precision on CUDA, single elsewhere. Latents are
    (E(2 rgb - 1) - shift) * scale with the encoder's mean; pictures are resized to the model's own resolution.
    """

    def __init__(self, *, model: str = "", device: torch.device = torch.device("cpu")) -> None:
        self.device = device
        self.dtype = torch.float16 if device.type == "cuda" else torch.float32
        pipe = _load(model, self.dtype)
        self.unet = _frozen(pipe.unet, device).to(memory_format=torch.channels_last)
        self.text_encoder, self.tokenizer = _frozen(pipe.text_encoder, device), pipe.tokenizer
        vae = getattr(pipe, "vae", None)
        self.vae = _frozen(vae, device) if vae is not None else None
        schedule = pipe.scheduler
        self.noise = NoiseProcess.variance_preserving(
            schedule.alphas_cumprod.float().to(device), schedule.config.prediction_type
        )
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1) if self.vae is not None else 1
        self.size = self.unet.config.sample_size * factor
        self._embed = functools.cache(self._embedding)

    def check(self, prompt: str) -> None:
        """Any prompt will do."""

    def encode(self, rgb: Tensor) -> Tensor:
        """Pictures to latents (or to [-1,1] for pixel models); differentiable."""
        if rgb.shape[-1] != self.size:
            rgb = torch.nn.functional.interpolate(rgb, size=(self.size, self.size), mode="bilinear", antialias=True)
        pixels = 2 * rgb - 1
        if self.vae is None:
            return pixels
        config = self.vae.config
        mean = self.vae.encode(pixels.to(self.dtype)).latent_dist.mean.float()
        return (mean - (getattr(config, "shift_factor", None) or 0.0)) * config.scaling_factor

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Latents to pictures, for looking at."""
        if self.vae is not None:
            config = self.vae.config
            z = z / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)
            z = self.vae.decode(z.to(self.dtype)).sample.float()
        return (0.5 * z + 0.5).clamp(0, 1)

    def condition(
        self, prompts: Sequence[str], cameras: Cameras | None = None, background: Tensor | None = None
    ) -> Condition:
        """What to tell the model; see `dreamforge.contracts.Prior`."""
        return Condition(torch.cat([self._embed(prompt) for prompt in prompts]))

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The noise under each condition; see `dreamforge.contracts.Prior`."""
        count = len(conditions)
        inputs = z_t.to(self.dtype).repeat(count, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        text = torch.cat([condition.data for condition in conditions])
        output = self.unet(inputs, t.to(self.device).repeat(count), encoder_hidden_states=text).sample.float()
        output = output[:, : z_t.shape[1]]  # models that also predict a variance put it behind the mean
        return [self.noise.epsilon(part, z_t, t) for part in output.chunk(count)]

    @torch.no_grad()
    def _embedding(self, prompt: str) -> Tensor:
        tokens = self.tokenizer(
            prompt, padding="max_length", max_length=self.tokenizer.model_max_length, truncation=True,
            return_tensors="pt",
        )
        return self.text_encoder(tokens.input_ids.to(self.device))[0]


def _frozen(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    return module.to(device).eval().requires_grad_(False)


def _load(model: str, dtype: torch.dtype):  # noqa: ANN202  (a pipeline of an optional dependency)
    if not model:
        raise UserError("prior.model: name a checkpoint folder in diffusers format, or a hub id")
    try:
        from diffusers import DiffusionPipeline
    except ImportError as error:
        raise UserError(
            "the diffusers prior needs extra packages: pip install 'dreamforge3d[diffusers]'"
        ) from error
    folder = Path(model).expanduser()
    looks_local = model.startswith((".", "/", "~")) or folder.exists()
    if looks_local and not (folder / "model_index.json").is_file():
        raise UserError(f"prior.model: {folder} holds no model_index.json; give a folder in diffusers format")
    options = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    known = _index_keys(folder) if looks_local else options
    try:
        return DiffusionPipeline.from_pretrained(
            str(folder) if looks_local else model,
            dtype=dtype, use_safetensors=True, local_files_only=looks_local,
            **{key: value for key, value in options.items() if key in known},
        )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"prior.model: cannot load {model}: {reason}; try a local checkpoint folder") from error


def _index_keys(folder: Path) -> set[str]:
    """The parts that a pipeline's index names: only these take arguments."""
    return set(json.loads((folder / "model_index.json").read_text()))
