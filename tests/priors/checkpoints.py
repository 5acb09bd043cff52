"""Tiny random checkpoints of every family, in the real folder formats."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    IFPipeline,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

BLOCKS = {"block_out_channels": (32, 64), "layers_per_block": 1}
NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def stable_diffusion(folder: Path, prediction: str = "epsilon") -> Path:
    """StableDiffusionPipeline."""
    torch.manual_seed(0)
    pipe = StableDiffusionPipeline(
        vae=_vae(4), text_encoder=CLIPTextModel(_text_config()), tokenizer=_clip_tokenizer(folder), unet=_unet(),
        scheduler=_ddim(prediction), **NO_CHECKER,
    )  # fmt: skip
    return _saved(pipe, folder)


def sdxl(folder: Path) -> Path:
    """StableDiffusionXLPipeline: two text encoders, pooled text, time ids."""
    torch.manual_seed(1)
    unet = _unet(
        cross_attention_dim=64, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
    )  # fmt: skip
    tokenizer = _clip_tokenizer(folder)
    pipe = StableDiffusionXLPipeline(
        vae=_vae(4), text_encoder=CLIPTextModel(_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()), tokenizer=tokenizer, tokenizer_2=tokenizer,
        unet=unet, scheduler=_ddim("epsilon"), force_zeros_for_empty_prompt=True, add_watermarker=False,
    )  # fmt: skip
    return _saved(pipe, folder)


def deepfloyd(folder: Path) -> Path:
    """IFPipeline: pixels, a T5 encoder, a predicted variance behind the noise."""
    torch.manual_seed(2)
    pipe = IFPipeline(
        tokenizer=_t5_tokenizer(), text_encoder=_t5(), unet=_unet(in_channels=3, out_channels=6),
        scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True),
        watermarker=None, **NO_CHECKER,
    )  # fmt: skip
    return _saved(pipe, folder)


def sd3(folder: Path) -> Path:
    """StableDiffusion3Pipeline: a transformer on a shifted flow."""
    torch.manual_seed(3)
    transformer = SD3Transformer2DModel(
        sample_size=8, patch_size=1, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=64, pooled_projection_dim=64,
    )  # fmt: skip
    tokenizer = _clip_tokenizer(folder)
    pipe = StableDiffusion3Pipeline(
        transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), vae=_vae(4, shift_factor=0.06),
        text_encoder=CLIPTextModelWithProjection(_text_config()), tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(_text_config()), tokenizer_2=tokenizer,
        text_encoder_3=_t5(64), tokenizer_3=_t5_tokenizer(),
    )  # fmt: skip
    return _saved(pipe, folder)


FAMILIES = {"sd": stable_diffusion, "sdxl": sdxl, "if": deepfloyd, "sd3": sd3}


def _saved(pipe: Any, folder: Path) -> Path:
    pipe.save_pretrained(folder / "model", safe_serialization=True)
    return folder / "model"


def _unet(**changes: Any) -> UNet2DConditionModel:
    common = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "cross_attention_dim": 32, "attention_head_dim": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }  # fmt: skip
    return UNet2DConditionModel(**{**common, **BLOCKS, **changes})


def _vae(channels: int, **changes: Any) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=channels, **BLOCKS, **changes,
    )  # fmt: skip


def _ddim(prediction: str) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction,
        clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=54, hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=16, bos_token_id=0, eos_token_id=1, projection_dim=32,
    )  # fmt: skip


def _clip_tokenizer(folder: Path) -> CLIPTokenizer:
    letters = string.ascii_lowercase
    words = ["<|startoftext|>", "<|endoftext|>", *(f"{c}</w>" for c in letters), *letters]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)


def _t5(width: int = 32) -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=40, d_model=width, d_kv=8, d_ff=37, num_layers=1, num_heads=4))


def _t5_tokenizer() -> T5TokenizerFast:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *string.ascii_lowercase]
    return T5TokenizerFast(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=0)
