"""Any text-conditioned diffusion model in the diffusers folder format, latent (with a VAE) or pixel."""

from __future__ import annotations

import difflib
import functools
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Condition
from dreamforge.ember.clip import OPENAI_MEAN, OPENAI_STD, normalized
from dreamforge.errors import UserError
from dreamforge.priors.additions import load_adapter, merge_loras
from dreamforge.priors.checkpoints import load, place_of, with_readers
from dreamforge.priors.families import family_of
from dreamforge.priors.texts import TEXT_ENCODERS, Texts, digest_of

WORDS_FILE = "words.txt"
"""In a checkpoint's folder: the only words it was trained on, one a line. Optional."""


class Diffusers:
    """A frozen network with its text encoders, scheduler and, for latent models, VAE; see `families` for which.

    model: a folder in diffusers format, a short name (sd15, sd21, sdxl, sd3, if), a hub id, the name of an embedded one,
    or a .safetensors file of the original code, with the configurations of the folder `config`. lora: .safetensors files of
    low-rank adapters, each with its scale, merged into the weights. adapter: an IP-Adapter for image prompts, a folder with
    its .safetensors and its image_encoder/; "own" is ip_adapter/ in the model's folder. With an adapter and no image
    prompt, predictions are made with the null image (a zero embedding, as it was trained).
    Half precision on CUDA, single elsewhere; noise is added and taken off in single. Latents are
    (E(2 rgb - 1) - shift) * scale with the encoder's mean; pictures are resized to the model's own resolution. Text
    encoders load only for prompts that no run has read before (`texts`). Where memory runs out, batches are halved.
    """

    posed = False
    """Whether the network is told cameras."""

    def __init__(
        self, *, model: str = "", config: str = "", adapter: str = "", lora: dict[str, float] | None = None,
        device: torch.device = torch.device("cpu"),
    ) -> None:  # fmt: skip
        lora = lora or {}
        self.place = place_of(model, config)
        self.checkpoint = {"model": str(self.place), "revision": self.place.revision}
        pipe = load(self.place, torch.float16 if device.type == "cuda" else torch.float32, device)
        merge_loras(pipe, lora, ["unet"])
        if adapter:
            load_adapter(pipe, self.place.folder / "ip_adapter" if adapter == "own" else Path(adapter).expanduser())
        words = self.place.folder / WORDS_FILE
        self._use(pipe, device, frozenset(words.read_text().split()) if words.is_file() else frozenset())

        def readers() -> Any:
            whole = with_readers(self.place, pipe)
            merge_loras(whole, lora, TEXT_ENCODERS)
            return whole

        files = [(digest_of([Path(name).expanduser()]), scale) for name, scale in lora.items()]
        self.texts = Texts(readers, self.family.embed, [self.place.revision, str(self.dtype), files], device)
        self._embed = functools.lru_cache(maxsize=256)(self.texts)

    def read(self, prompts: Iterable[str]) -> None:
        """Embed these prompts now, and let the text encoders go from memory."""
        for prompt in prompts:
            self._embed(prompt)
        self.texts.release()

    @classmethod
    def of(cls, pipe: Any, device: torch.device) -> Diffusers:
        """From a diffusers pipeline in memory, whose parts are frozen and moved to the device."""
        prior = cls.__new__(cls)
        prior._use(pipe, device, frozenset())
        for name in TEXT_ENCODERS:
            if getattr(pipe, name, None) is not None:
                _frozen(getattr(pipe, name), device)
        embed = torch.no_grad()(functools.partial(prior.family.embed, pipe, device=device))
        prior._embed = functools.lru_cache(maxsize=256)(embed)
        return prior

    def _use(self, pipe: Any, device: torch.device, words: frozenset[str]) -> None:
        self.pipe, self.device, self.words = pipe, device, words
        self.family = family_of(pipe)
        network = getattr(pipe, self.family.network)
        self.network = _frozen(network, device).to(memory_format=torch.channels_last)
        self.dtype = self.network.dtype
        if (getattr(self.network.config, "class_embed_type", None) == "projection") != self.posed:
            takes, other = ("no", "diffusers") if self.posed else ("a", "multiview")
            raise UserError(f"prior.model: its UNet takes {takes} camera; use --prior {other} for it")
        if self.family.network == "unet":
            self.unet = self.network  # what LoRA adapts
        vae = getattr(pipe, "vae", None)
        self.vae = _frozen(vae, device) if vae is not None else None
        self.adapted = getattr(self.network.config, "encoder_hid_dim_type", None) == "ip_image_proj"
        if self.adapted:
            _frozen(pipe.image_encoder, device)
        self.noise = self.family.noise(pipe, device)
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1) if self.vae is not None else 1
        self.size = self.network.config.sample_size * factor
        self._rows = 2**30  # of a batch at once; less once memory has run out

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
        config, mean = self.vae.config, self._in_parts(self._latents, pixels.to(self.dtype))
        return (mean.float() - (getattr(config, "shift_factor", None) or 0.0)) * config.scaling_factor

    def _latents(self, pixels: Tensor) -> Tensor:
        encoded = self.vae.encode(pixels)
        return encoded.latents if "latents" in encoded else encoded.latent_dist.mean  # tiny autoencoders draw nothing

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
        texts = [self._embed(prompt) for prompt in prompts]
        data = {name: torch.cat([text[name] for text in texts]) for name in texts[0]}
        if self.adapted:
            data["image_embeds"] = self._image_embeds(image, len(prompts))
        elif image is not None:
            raise UserError("the model takes no image prompts; name an IP-Adapter with prior.adapter=FOLDER (or own)")
        return Condition(data)

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The noise under each condition; see `dreamforge.contracts.Prior`."""
        count = len(conditions)
        inputs = z_t.to(self.dtype).repeat(count, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        names = list(conditions[0].data)
        told = [torch.cat([condition.data[name] for condition in conditions]) for name in names]
        times = self.family.times(self.noise, t.to(self.device)).repeat(count)

        def ask(z: Tensor, t: Tensor, *told: Tensor) -> Tensor:
            return self.family.ask(self.network, z, t, dict(zip(names, told, strict=True)))

        output = self._in_parts(ask, inputs, times, *told).float()
        return [self.noise.epsilon(part, z_t, t) for part in output.chunk(count)]

    def _in_parts(self, function: Callable[..., Tensor], *batches: Tensor) -> Tensor:
        """`function` of the batches, in as many parts as memory asks for; from then on in that many."""
        while True:
            try:
                parts = zip(*(batch.split(self._rows) for batch in batches), strict=True)
                return torch.cat([function(*part) for part in parts])
            except torch.OutOfMemoryError:
                rows = min(self._rows, len(batches[0]))
                if rows == 1:
                    raise
            torch.cuda.empty_cache()
            self._rows = -(-rows // 2)
            logging.getLogger("dreamforge").warning("out of memory: going on with %d pictures at a time", self._rows)

    @torch.no_grad()
    def _image_embeds(self, image: Tensor | None, count: int) -> Tensor:
        """`[count,1,…]`, of one picture for all `[3,H,W]` or of one each `[count,3,H,W]`, or of the null image."""
        extractor, size = self.pipe.feature_extractor, self.pipe.image_encoder.config.image_size
        pictures = torch.zeros(1, 3, size, size) if image is None else image.view(-1, *image.shape[-3:])
        mean, std = getattr(extractor, "image_mean", OPENAI_MEAN), getattr(extractor, "image_std", OPENAI_STD)
        pixels = normalized(pictures.to(self.device), size, mean, std)
        plain = hasattr(self.network.encoder_hid_proj.image_projection_layers[0], "image_embeds")
        seen, null = self.pipe.encode_image(pixels.to(self.dtype), self.device, 1, output_hidden_states=not plain)
        embeds = (null if image is None else seen)[:, None]
        return embeds.expand(count, *embeds.shape[1:])


def _frozen(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    return module.to(device).eval().requires_grad_(False)
