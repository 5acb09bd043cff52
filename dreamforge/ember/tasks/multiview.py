"""Ember-mv: ember with cameras and with attention across four views of one object, by MVDream's recipe (2308.16512)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.ember import networks
from dreamforge.ember.data import Examples
from dreamforge.ember.fit import Random, Task
from dreamforge.ember.sampling import pictures
from dreamforge.ember.tasks.unet import PROMPTS, UNCAPTIONED, embed, noise, part, timesteps, velocity_losses, with_latents
from dreamforge.pictures import contact_sheet
from dreamforge.priors.multiview import Multiview, camera_numbers, join_views

VIEWS = 4


class MultiviewTask(Task):
    """Writes ember-mv/, from ember/: fine-tunes its UNet on sets of four views. Text encoder and VAE stay as they are."""

    views, batch, lr, reuse, bf16 = VIEWS, 32, 2e-4, 4, True

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.vae = part(folder, "vae", "AutoencoderTiny", device)
        self.text = part(folder, "ember/text_encoder", "CLIPTextModel", device)
        single = part(folder, "ember/unet", "UNet2DConditionModel", device)
        self.tokenizer, self.noise = networks.tokenizer(), noise(device)
        self.size = single.config.sample_size * networks.FACTOR
        self.model = networks.unet(
            single.config.sample_size, widths=tuple(single.config.block_out_channels), cameras=True
        )
        self.model.load_state_dict(single.state_dict(), strict=False)
        self.model.to(memory_format=torch.channels_last)
        if device.type == "cpu":
            networks.attend_plainly(self.model)
        join_views(self.model, VIEWS)

    def prepare(self, examples: Examples) -> Examples:
        """With latents."""
        return with_latents(self.vae, examples)

    def losses(self, examples: Examples, random: Random) -> dict[str, Tensor]:
        """The velocity's error; the views of a set share the timestep, and their captions go together."""
        z = examples.latents
        sets = len(z) // VIEWS
        left_out = (torch.rand(sets, generator=random("captions")) < UNCAPTIONED).repeat_interleave(VIEWS)
        texts = ["" if out else text for out, text in zip(left_out.tolist(), examples.captions, strict=True)]
        with torch.no_grad():
            hidden = embed(self.text, self.tokenizer, texts)
        cameras = camera_numbers(examples.cameras).to(z)
        t = timesteps(sets, random, self.noise.steps).repeat_interleave(VIEWS)
        return velocity_losses(
            self.noise, z, random, lambda z_t, t: self.model(z_t, t, hidden, class_labels=cameras).sample, t
        )

    def picture(self) -> Tensor:
        """Four views each of six prompts."""
        prior = Multiview.of(networks.pipeline(self.model, self.text, self.vae), self.model.device, VIEWS)
        around = orbit([0.0, 90.0, 180.0, 270.0], 15.0)
        return contact_sheet(torch.cat([pictures(prior, [prompt] * VIEWS, cameras=around) for prompt in PROMPTS[:6]]), 8)

    def write(self, folder: Path) -> None:
        """The folder of a pipeline whose UNet takes a camera with each picture."""
        networks.save_pipeline(networks.pipeline(self.model, self.text, self.vae), folder / "ember-mv")
