"""Weights under the names of the original code, in one file (SD, SDXL, SD3) or in MVDream's folders.

diffusers renames them; nothing of anyone's own code is run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from dreamforge.errors import UserError

SIGNS = {
    "model.diffusion_model.joint_blocks.": "sd3",
    "conditioner.embedders.1.": "sdxl",
    "cond_stage_model.model.": "sd21",
    "cond_stage_model.transformer.": "sd15",
}
"""What a key of a whole checkpoint begins with, and which family's it then is."""
TEXT_KEYS = ("cond_stage_model.", "conditioner.", "text_encoders.")


def kind_of(file: Path, keys: list[str]) -> str:
    """The short name of the family that a checkpoint file belongs to, by its keys. UserError for another sort of file."""
    for sign, kind in SIGNS.items():
        if any(key.startswith(sign) for key in keys):
            return kind
    hint = "; LoRA files go in prior.lora" if any("lora" in key for key in keys) else ""
    raise UserError(f"prior.model: {file} is no whole checkpoint of SD, SDXL or SD3{hint}")


def is_mvdream(index: dict[str, Any]) -> bool:
    """Whether a folder with this model_index.json holds MVDream's own UNet."""
    return index.get("unet", ["", ""])[1] == "MultiViewUNetModel"


def mvdream(folder: Path, dtype: torch.dtype, given: dict[str, Any]) -> Any:
    """An MVDream folder (2308.16512, as converted by ashawkey) as a Stable Diffusion pipeline with cameras as classes.

    given: parts to take instead of loading them. The UNet's self-attention is not joined yet (`multiview.join_views`).
    """
    import transformers
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline

    loaders = {
        "vae": AutoencoderKL, "text_encoder": transformers.CLIPTextModel, "tokenizer": transformers.CLIPTokenizer,
        "scheduler": DDIMScheduler,
    }  # fmt: skip
    parts = {"unet": given["unet"] if "unet" in given else mvdream_unet(folder / "unet").to(dtype)}
    for name, loader in loaders.items():
        typed = {} if name in ("tokenizer", "scheduler") else {"dtype": dtype, "use_safetensors": True}
        parts[name] = given[name] if name in given else loader.from_pretrained(str(folder / name), **typed)
    unused = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline(**parts, **unused)


def mvdream_unet(folder: Path) -> Any:
    """MVDream's UNet as diffusers' own class, told of cameras in this project's axes."""
    from diffusers import UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    own = json.loads((folder / "config.json").read_text())
    if own.get("ip_dim"):
        raise UserError("prior.model: ImageDream checkpoints take pictures in a way of their own; name an MVDream one")
    widths = [own["model_channels"] * factor for factor in own["channel_mult"]]
    crossed = [2**level in own["attention_resolutions"] for level in range(len(widths))]
    config = {
        "sample_size": own["image_size"], "in_channels": own["in_channels"], "out_channels": own["out_channels"],
        "layers_per_block": own["num_res_blocks"], "block_out_channels": widths,
        "attention_head_dim": [width // own["num_head_channels"] for width in widths],
        "cross_attention_dim": own["context_dim"], "use_linear_projection": True,
        "down_block_types": ["CrossAttnDownBlock2D" if cross else "DownBlock2D" for cross in crossed],
        "up_block_types": ["CrossAttnUpBlock2D" if cross else "UpBlock2D" for cross in reversed(crossed)],
        "class_embed_type": "projection", "projection_class_embeddings_input_dim": own["camera_dim"],
    }  # fmt: skip
    stored = {key: value for path in sorted(folder.glob("*.safetensors")) for key, value in load_file(path).items()}
    named = {f"model.diffusion_model.{key.replace('camera_embed.', 'label_emb.0.')}": value for key, value in stored.items()}
    unet = UNet2DConditionModel(**config)
    weights = convert_ldm_unet_checkpoint(named, config)
    weights["class_embedding.linear_1.weight"] = in_our_axes(weights["class_embedding.linear_1.weight"])
    unet.load_state_dict(weights)
    return unet


def in_our_axes(weight: Tensor) -> Tensor:
    """A first layer over MVDream's 16 camera numbers, for ours.

    Theirs are of a world with z up whose objects face +x, ours of one with y up whose objects face +z: x, y, z of theirs
    are z, x, y of ours. Both are a camera-to-world matrix row by row, looking along -z, at distance 1.
    """
    rows = weight.view(-1, 4, 4)
    return torch.stack([rows[:, 1], rows[:, 2], rows[:, 0], rows[:, 3]], 1).flatten(1)
