"""Image prompts for ember: an IP-Adapter (arXiv 2308.06721) in diffusers' form, over ember-clip's vision tower."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dreamforge.ember import networks
from dreamforge.ember.clip import normalized
from dreamforge.ember.data import Examples
from dreamforge.ember.fit import Random, Task
from dreamforge.ember.sampling import pictures
from dreamforge.ember.tasks.unet import UNCAPTIONED, embed, noise, part, velocity_losses, with_latents
from dreamforge.pictures import contact_sheet
from dreamforge.priors.diffusers import Diffusers
from dreamforge.runs import write_atomic
from dreamforge.toyworld import render_pairs

VIEWS, NO_IMAGE = 4, 0.1


class AdapterTask(Task):
    """Writes ember/ip_adapter/, from ember/ and ember-clip/: only what reads the image prompt learns.

    The image prompt shows the object from another side than the picture half the time and from the same otherwise, and
    one time in ten it is null; captions are left out as ever, together with it or not.
    """

    views, batch, lr, reuse = VIEWS, 32, 3e-4, 4

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.vae = part(folder, "vae", "AutoencoderTiny", device)
        self.text = part(folder, "ember/text_encoder", "CLIPTextModel", device)
        self.unet = part(folder, "ember/unet", "UNet2DConditionModel", device).to(memory_format=torch.channels_last)
        self.eye = part(folder, "ember-clip", "CLIPVisionModelWithProjection", device)
        self.tokenizer, self.noise = networks.tokenizer(), noise(device)
        self.size = self.unet.config.sample_size * networks.FACTOR
        self.unet._load_ip_adapter_weights([_fresh(self.unet, self.eye.config.projection_dim)], low_cpu_mem_usage=False)
        readers = [processor for name, processor in self.unet.attn_processors.items() if name.endswith("attn2.processor")]
        self.model = nn.ModuleDict(
            {"image": self.unet.encoder_hid_proj.image_projection_layers[0], "readers": nn.ModuleList(readers)}
        )
        self.model.requires_grad_(True)

    def prepare(self, examples: Examples) -> Examples:
        """With latents."""
        return with_latents(self.vae, examples)

    def losses(self, examples: Examples, random: Random) -> dict[str, Tensor]:
        """The velocity's error."""
        z = examples.latents
        draws = torch.rand(4, len(z), generator=random("captions"))
        texts = ["" if out else text for out, text in zip((draws[0] < UNCAPTIONED).tolist(), examples.captions, strict=True)]
        side = torch.where(draws[1] < 0.5, 0, (draws[2] * VIEWS).long())
        shown = torch.arange(len(z)) // VIEWS * VIEWS + (torch.arange(len(z)) + side) % VIEWS
        with torch.no_grad():
            hidden = embed(self.text, self.tokenizer, texts)
            prompts = normalized(examples.pictures(z.device)[shown], self.eye.config.image_size)
            seen = self.eye(pixel_values=prompts).image_embeds * (draws[3] >= NO_IMAGE)[:, None].to(z)
        told = {"image_embeds": [seen[:, None]]}
        return velocity_losses(
            self.noise, z, random, lambda z_t, t: self.unet(z_t, t, hidden, added_cond_kwargs=told).sample
        )

    def picture(self) -> Tensor:
        """Image prompts, and below each what is made of it without a word."""
        pipe = networks.pipeline(self.unet, self.text, self.vae)
        pipe.register_modules(image_encoder=self.eye)
        shown = render_pairs(8, seed=1, size=self.size).pictures
        made = pictures(Diffusers.of(pipe, self.unet.device), [""] * 8, image=shown, guidance=1.0)
        return contact_sheet(torch.cat([shown, made]), 8)

    def write(self, folder: Path) -> None:
        """ip_adapter.safetensors in the published form, and image_encoder/ beside it."""
        out = folder / "ember" / "ip_adapter"
        out.mkdir(exist_ok=True)
        image = self.model["image"]
        tensors = {
            "image_proj.proj.weight": image.image_embeds.weight, "image_proj.proj.bias": image.image_embeds.bias,
            "image_proj.norm.weight": image.norm.weight, "image_proj.norm.bias": image.norm.bias,
        }  # fmt: skip
        for index, reader in enumerate(self.model["readers"]):
            tensors[f"ip_adapter.{2 * index + 1}.to_k_ip.weight"] = reader.to_k_ip[0].weight
            tensors[f"ip_adapter.{2 * index + 1}.to_v_ip.weight"] = reader.to_v_ip[0].weight
        content = save({key: tensor.detach().cpu().half().contiguous() for key, tensor in tensors.items()})
        write_atomic(out / "ip_adapter.safetensors", content)
        self.eye.half().save_pretrained(out / "image_encoder")
        self.eye.float()


def _fresh(unet: nn.Module, image_width: int) -> dict[str, dict[str, Tensor]]:
    """An adapter to begin with, in the published form: the readers' keys and faint values are the text's."""
    width = unet.config.cross_attention_dim
    projection = nn.Linear(image_width, networks.IMAGE_TOKENS * width)
    readers = {}
    modules = dict(unet.named_modules())
    names = [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith("attn2.processor")]
    for index, name in enumerate(names):
        readers[f"{2 * index + 1}.to_k_ip.weight"] = modules[name].to_k.weight.detach().clone()
        readers[f"{2 * index + 1}.to_v_ip.weight"] = 0.1 * modules[name].to_v.weight.detach()
    norm = nn.LayerNorm(width)
    return {
        "image_proj": {
            "proj.weight": projection.weight.detach(), "proj.bias": projection.bias.detach(),
            "norm.weight": norm.weight.detach(), "norm.bias": norm.bias.detach(),
        },
        "ip_adapter": readers,
    }  # fmt: skip
