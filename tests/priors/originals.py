"""Tiny checkpoints under the names of the original code: one file of Stable Diffusion 1, a folder of MVDream."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.priors.checkpoints import _unet, stable_diffusion
from tests.priors.pipelines import whole

Names = list[tuple[str, str]]

RESNET = r"(put_blocks\.\d+\.0|middle_block\.\d)"
UNET: Names = [
    (r"conv_in", "input_blocks.0.0"), (r"down_blocks.0.resnets.0", "input_blocks.1.0"),
    (r"down_blocks.0.downsamplers.0.conv", "input_blocks.2.0.op"), (r"down_blocks.1.resnets.0", "input_blocks.3.0"),
    (r"down_blocks.1.attentions.0", "input_blocks.3.1"), (r"mid_block.resnets.0", "middle_block.0"),
    (r"mid_block.attentions.0", "middle_block.1"), (r"mid_block.resnets.1", "middle_block.2"),
    (r"up_blocks.0.resnets.([01])", r"output_blocks.\1.0"), (r"up_blocks.0.attentions.([01])", r"output_blocks.\1.1"),
    (r"up_blocks.0.upsamplers.0.conv", "output_blocks.1.2.conv"), (r"up_blocks.1.resnets.0", "output_blocks.2.0"),
    (r"up_blocks.1.resnets.1", "output_blocks.3.0"), (r"time_embedding.linear_1", "time_embed.0"),
    (r"time_embedding.linear_2", "time_embed.2"), (r"class_embedding.linear_1", "camera_embed.0"),
    (r"class_embedding.linear_2", "camera_embed.2"), (r"conv_norm_out", "out.0"), (r"conv_out", "out.2"),
    (rf"{RESNET}\.norm1", r"\1.in_layers.0"), (rf"{RESNET}\.conv1", r"\1.in_layers.2"),
    (rf"{RESNET}\.norm2", r"\1.out_layers.0"), (rf"{RESNET}\.conv2", r"\1.out_layers.3"),
    (r"time_emb_proj", "emb_layers.1"), (r"conv_shortcut", "skip_connection"),
]  # fmt: skip
VAE: Names = [
    (r"conv_norm_out", "norm_out"), (r"mid_block.resnets.0", "mid.block_1"), (r"mid_block.resnets.1", "mid.block_2"),
    (r"mid_block.attentions.0", "mid.attn_1"), (r"group_norm", "norm"), (r"to_([qkv])", r"\1"), (r"to_out.0", "proj_out"),
    (r"down_blocks.(\d).resnets", r"down.\1.block"), (r"down_blocks.(\d).downsamplers.0", r"down.\1.downsample"),
    (r"up_blocks.0.", "up.1."), (r"up_blocks.1.", "up.0."), (r"resnets", "block"), (r"upsamplers.0", "upsample"),
    (r"conv_shortcut", "nin_shortcut"),
]  # fmt: skip


def renamed(network: torch.nn.Module, names: Names, prefix: str) -> dict[str, Tensor]:
    """The weights of a network under their original names."""
    found = {}
    for key, value in network.state_dict().items():
        for pattern, name in names:
            key = re.sub(pattern, name, key)
        if "mid.attn_1" in key and value.dim() == 2:
            value = value[:, :, None, None]
        found[prefix + key] = value.contiguous()
    return found


def single_file(folder: Path) -> tuple[Path, Path]:
    """A folder in diffusers format, and the same model as a file of the original code."""
    model = stable_diffusion(folder)
    pipe, file = whole(model), folder / "model.safetensors"
    tensors = {
        **renamed(pipe.unet, UNET, "model.diffusion_model."), **renamed(pipe.vae, VAE, "first_stage_model."),
        **renamed(pipe.text_encoder, [], "cond_stage_model.transformer.text_model."),
    }  # fmt: skip
    save_file(tensors, file)
    return model, file


def mvdream(folder: Path) -> tuple[Path, Any]:
    """A folder as the hub's MVDream folders are, which name code of their own; and its UNet as diffusers' class."""
    model = stable_diffusion(folder)
    torch.manual_seed(5)
    unet = _unet(
        use_linear_projection=True, class_embed_type="projection", projection_class_embeddings_input_dim=16,
        attention_head_dim=[4, 8],
    )  # fmt: skip
    for path in (model / "unet").iterdir():
        path.unlink()
    save_file(renamed(unet, UNET, ""), model / "unet" / "diffusion_pytorch_model.safetensors")
    config = {
        "_class_name": "MultiViewUNetModel", "image_size": 8, "in_channels": 4, "out_channels": 4, "model_channels": 32,
        "num_res_blocks": 1, "attention_resolutions": [2], "channel_mult": [1, 2], "num_head_channels": 8,
        "transformer_depth": 1, "context_dim": 32, "camera_dim": 16, "use_checkpoint": False,
    }  # fmt: skip
    (model / "unet" / "config.json").write_text(json.dumps(config))
    index = json.loads((model / "model_index.json").read_text())
    index |= {"_class_name": ["pipeline", "MVDreamPipeline"], "unet": ["mv_unet", "MultiViewUNetModel"]}
    (model / "model_index.json").write_text(json.dumps(index))
    return model, unet
