"""Any text-conditioned diffusion model in the diffusers folder format, latent (with a VAE) or pixel."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Condition
from dreamforge.ember import EMBEDDED, quiet_libraries, shipped
from dreamforge.ember.clip import OPENAI_MEAN, OPENAI_STD, normalized
from dreamforge.errors import UserError
from dreamforge.priors.noise import NoiseProcess

WORDS_FILE = "words.txt"
"""In a checkpoint's folder: the only words it was trained on, one a line. Optional."""


class Diffusers:
    """A frozen UNet with its text encoder, scheduler and, for latent models, VAE.

    model: a folder in diffusers format, a hub id, or the name of an embedded one. adapter: an IP-Adapter for image
    prompts, a folder with its .safetensors and its image_encoder/; "own" is ip_adapter/ in the model's folder. With an
    adapter and no image prompt, predictions are made with the null image (a zero embedding, as it was trained).
    Half precision on CUDA, single elsewhere. Latents are (E(2 rgb - 1) - shift) * scale with the encoder's mean;
    pictures are resized to the model's own resolution.
    """

    def __init__(self, *, model: str = "", adapter: str = "", device: torch.device = torch.device("cpu")) -> None:
        folder = _folder(model)
        pipe = _load(model, folder, torch.float16 if device.type == "cuda" else torch.float32)
        if adapter:
            _load_adapter(pipe, folder / "ip_adapter" if adapter == "own" and folder else Path(adapter).expanduser())
        words = folder / WORDS_FILE if folder else None
        self._use(pipe, device, frozenset(words.read_text().split()) if words and words.is_file() else frozenset())

    @classmethod
    def of(cls, pipe: Any, device: torch.device) -> Diffusers:
        """From a diffusers pipeline in memory, whose parts are frozen and moved to the device."""
        prior = cls.__new__(cls)
        prior._use(pipe, device, frozenset())
        return prior

    def _use(self, pipe: Any, device: torch.device, words: frozenset[str]) -> None:
        self.device, self.dtype, self.words = device, pipe.unet.dtype, words
        self.unet = _frozen(pipe.unet, device).to(memory_format=torch.channels_last)
        self.text_encoder, self.tokenizer = _frozen(pipe.text_encoder, device), pipe.tokenizer
        vae = getattr(pipe, "vae", None)
        self.vae = _frozen(vae, device) if vae is not None else None
        self.pipe = pipe if self.unet.config.encoder_hid_dim_type == "ip_image_proj" else None
        if self.pipe:
            _frozen(pipe.image_encoder, device)
        schedule = pipe.scheduler
        self.noise = NoiseProcess.variance_preserving(
            schedule.alphas_cumprod.float().to(device), schedule.config.prediction_type
        )
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1) if self.vae is not None else 1
        self.size = self.unet.config.sample_size * factor
        self._embed = functools.cache(self._embedding)

    def check(self, prompt: str) -> None:
        """Raise UserError, with the nearest known words, for words outside the model's list where it has one."""
        unknown = [word for word in re.findall(r"[^\W\d_]+", prompt.lower()) if word not in self.words]
        if self.words and unknown:
            near = dict.fromkeys(match for word in unknown for match in difflib.get_close_matches(word, self.words, 2, 0.5))
            listed = ", ".join(map(repr, unknown))
            hint = f"; the nearest it knows: {', '.join(near)}" if near else ""
            raise UserError(f"the model was not trained on {listed} in {prompt!r}{hint}")

    def encode(self, rgb: Tensor) -> Tensor:
        """Pictures to latents (or to [-1,1] for pixel models); differentiable."""
        if rgb.shape[-1] != self.size:
            rgb = torch.nn.functional.interpolate(rgb, size=(self.size, self.size), mode="bilinear", antialias=True)
        pixels = 2 * rgb - 1
        if self.vae is None:
            return pixels
        config, encoded = self.vae.config, self.vae.encode(pixels.to(self.dtype))
        mean = encoded.latents if "latents" in encoded else encoded.latent_dist.mean  # tiny autoencoders draw nothing
        return (mean.float() - (getattr(config, "shift_factor", None) or 0.0)) * config.scaling_factor

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Latents to pictures, for looking at."""
        if self.vae is not None:
            config = self.vae.config
            z = z / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)
            z = self.vae.decode(z.to(self.dtype)).sample.float()
        return (0.5 * z + 0.5).clamp(0, 1)

    def condition(
        self,
        prompts: Sequence[str],
        cameras: Cameras | None = None,
        background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Condition:
        """What to tell the model; see `dreamforge.contracts.Prior`. The data are the network's inputs by name."""
        data = {"encoder_hidden_states": torch.cat([self._embed(prompt) for prompt in prompts])}
        if self.pipe:
            data["image_embeds"] = self._image_embeds(image, len(prompts))
        elif image is not None:
            raise UserError("the model takes no image prompts; name an IP-Adapter with prior.adapter=FOLDER (or own)")
        return Condition(data)

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The noise under each condition; see `dreamforge.contracts.Prior`."""
        count = len(conditions)
        inputs = z_t.to(self.dtype).repeat(count, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        told = {key: torch.cat([condition.data[key] for condition in conditions]) for key in conditions[0].data}
        if "image_embeds" in told:
            told["added_cond_kwargs"] = {"image_embeds": [told.pop("image_embeds")]}
        output = self.unet(inputs, t.to(self.device).repeat(count), **told).sample.float()
        output = output[:, : z_t.shape[1]]  # models that also predict a variance put it behind the mean
        return [self.noise.epsilon(part, z_t, t) for part in output.chunk(count)]

    @torch.no_grad()
    def _embedding(self, prompt: str) -> Tensor:
        tokens = self.tokenizer(
            prompt, padding="max_length", max_length=self.tokenizer.model_max_length, truncation=True,
            return_tensors="pt",
        )
        return self.text_encoder(tokens.input_ids.to(self.device))[0]

    @torch.no_grad()
    def _image_embeds(self, image: Tensor | None, count: int) -> Tensor:
        """`[count,1,…]`, of one picture for all `[3,H,W]` or of one each `[count,3,H,W]`, or of the null image."""
        extractor, size = self.pipe.feature_extractor, self.pipe.image_encoder.config.image_size
        pictures = torch.zeros(1, 3, size, size) if image is None else image.view(-1, *image.shape[-3:])
        mean, std = getattr(extractor, "image_mean", OPENAI_MEAN), getattr(extractor, "image_std", OPENAI_STD)
        pixels = normalized(pictures.to(self.device), size, mean, std)
        plain = hasattr(self.unet.encoder_hid_proj.image_projection_layers[0], "image_embeds")
        seen, null = self.pipe.encode_image(pixels.to(self.dtype), self.device, 1, output_hidden_states=not plain)
        embeds = (null if image is None else seen)[:, None]
        return embeds.expand(count, *embeds.shape[1:])


def _frozen(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    return module.to(device).eval().requires_grad_(False)


def _folder(model: str) -> Path | None:
    """The local folder that is meant, or None for a hub id."""
    if not model:
        raise UserError("prior.model: name a checkpoint folder in diffusers format, or a hub id")
    if model in EMBEDDED:
        return shipped(model)
    folder = Path(model).expanduser()
    if not (model.startswith((".", "/", "~")) or folder.exists()):
        return None
    if not (folder / "model_index.json").is_file():
        raise UserError(f"prior.model: {folder} holds no model_index.json; give a folder in diffusers format")
    return folder


def _load(model: str, folder: Path | None, dtype: torch.dtype) -> Any:
    quiet_libraries()
    from diffusers import DiffusionPipeline

    options = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    known = _index_keys(folder) if folder else options
    try:
        return DiffusionPipeline.from_pretrained(
            str(folder) if folder else model,
            dtype=dtype, use_safetensors=True, local_files_only=folder is not None,
            **{key: value for key, value in options.items() if key in known},
        )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"prior.model: cannot load {model}: {reason}; try a local checkpoint folder") from error


def _index_keys(folder: Path) -> set[str]:
    """The parts that a pipeline's index names: only these take arguments."""
    return set(json.loads((folder / "model_index.json").read_text()))


def _load_adapter(pipe: Any, folder: Path) -> None:
    """An IP-Adapter and its image encoder into the pipeline."""
    weights = sorted(folder.glob("*.safetensors"))
    if len(weights) != 1 or not (folder / "image_encoder").is_dir():
        raise UserError(f"prior.adapter: {folder} does not hold one .safetensors file and an image_encoder folder")
    try:
        pipe.load_ip_adapter(
            str(folder), subfolder="", weight_name=weights[0].name, local_files_only=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"prior.adapter: cannot load {weights[0]}: {reason}") from error
