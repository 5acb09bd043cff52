"""The architectures: stock classes of diffusers and transformers, so that their own loaders read what is trained here.

Latent diffusion at a quarter of the picture's size: 64 pixels are 16x16 latents, 7M parameters. (At an eighth a network
trains twice as fast, on latents that have lost the faces.) The text reaches the UNet twice, by cross-attention and
pooled, as a part of the time embedding that scales and shifts every layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dreamforge.ember.tokenizer import LENGTH, every_word, make_tokenizer
from dreamforge.priors.diffusers import WORDS_FILE

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from torch import Tensor
    from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, PreTrainedModel
    from transformers.models.clip.modeling_clip import CLIPVisionTransformer

FACTOR, LATENT_CHANNELS, TEXT_WIDTH, CAMERA_WIDTH, IMAGE_TOKENS = 4, 8, 128, 16, 4


def tokenizer() -> CLIPTokenizer:
    """Of every word there is in the toy world."""
    return make_tokenizer(every_word())


def autoencoder(width: int = 48) -> AutoencoderTiny:
    """TAESD's architecture with a level less: 8 channels at a quarter of the size. Convolutions alone."""
    from diffusers import AutoencoderTiny
    from torch.nn import Conv2d
    from torch.nn.init import kaiming_normal_, zeros_

    network = AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(width,) * 3, num_encoder_blocks=(0, 1, 3),
        decoder_block_out_channels=(width,) * 3, num_decoder_blocks=(3, 2, 0),
    )  # fmt: skip
    for name, layer in network.named_modules():
        if isinstance(layer, Conv2d):  # nothing normalizes here: with torch's own first weights the signal dies away
            kaiming_normal_(layer.weight, nonlinearity="relu")
            layer.weight.data *= 0.1 if name.endswith("conv.4") else 1.0  # a block's last: it begins as nothing much
            if layer.bias is not None:
                zeros_(layer.bias)
    network.decoder.layers[-1].weight.data *= 0.1  # gray, to begin with
    return network


def text_config(tokens: CLIPTokenizer, width: int = TEXT_WIDTH, layers: int = 3) -> dict[str, int]:
    """A small CLIP text model's configuration."""
    return {
        "vocab_size": len(tokens), "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers,
        "num_attention_heads": width // 32, "max_position_embeddings": LENGTH, "projection_dim": width,
        "bos_token_id": tokens.bos_token_id, "eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id,
    }  # fmt: skip


def text_encoder(tokens: CLIPTokenizer) -> CLIPTextModel:
    """Ember's own text encoder, trained along with its UNet."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(**text_config(tokens)))


def clip(tokens: CLIPTokenizer, width: int = 128, layers: int = 6) -> CLIPModel:
    """A dual encoder of 2M parameters for 64-pixel pictures."""
    from transformers import CLIPConfig, CLIPModel

    vision = {
        "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers, "image_size": 64,
        "num_attention_heads": width // 32, "patch_size": 8, "projection_dim": TEXT_WIDTH,
    }  # fmt: skip
    model = CLIPModel(CLIPConfig(text_config=text_config(tokens), vision_config=vision, projection_dim=TEXT_WIDTH))
    _mimic(model.vision_model)
    return model


def _mimic(vision: CLIPVisionTransformer) -> None:
    """First weights that resemble trained ones (Trockman & Kolter, 2305.09828): a patch attends to its neighbours and itself,
    by sinusoidal positions, and what it reads is taken off what it has. The network then learns from far fewer pictures."""
    import torch

    embeddings = vision.embeddings
    side, width = embeddings.image_size // embeddings.patch_size, embeddings.embed_dim
    angles = torch.arange(side)[:, None] * 100.0 ** (-torch.arange(width // 4) / (width // 4))
    waves = torch.cat([angles.sin(), angles.cos()], 1)  # [side,width/2]
    grid = torch.cat([waves[:, None].expand(side, side, -1), waves[None].expand(side, side, -1)], -1)
    embeddings.position_embedding.weight.data[1:] = 0.5 * grid.flatten(0, 1)
    for layer in vision.encoder.layers:
        attention = layer.self_attn
        heads = [_factors(0.7, 0.7, width, attention.head_dim) for _ in range(attention.num_heads)]
        attention.q_proj.weight.data, attention.k_proj.weight.data = map(torch.cat, zip(*heads, strict=True))
        outward, attention.v_proj.weight.data = _factors(0.4, -0.4, width, width)
        attention.out_proj.weight.data = outward.T.contiguous()


def _factors(noise: float, identity: float, width: int, rank: int) -> tuple[Tensor, Tensor]:
    """A, B `[rank,width]` with AᵀB the best approximation of noise / sqrt(width) N(0,1) + identity I."""
    import torch

    u, s, v = torch.linalg.svd(noise / width**0.5 * torch.randn(width, width) + identity * torch.eye(width))
    root = s[:rank, None].sqrt()
    return root * u.T[:rank], root * v[:rank]


def unet(size: int, widths: tuple[int, ...] = (64, 128, 128), cameras: bool = False) -> UNet2DConditionModel:
    """Without attention at full size, where a layer costs the most.

    size: of the latents. cameras: with an embedding of the camera's 16 numbers (ember-mv), which begins at zero.
    """
    from diffusers import UNet2DConditionModel
    from torch.nn.init import zeros_

    deeper = len(widths) - 1
    network = UNet2DConditionModel(
        sample_size=size, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS,
        block_out_channels=widths, layers_per_block=1,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * deeper),
        up_block_types=(*("CrossAttnUpBlock2D",) * deeper, "UpBlock2D"),
        attention_head_dim=4,  # of heads, whatever the name says
        cross_attention_dim=TEXT_WIDTH, addition_embed_type="text", addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
        **({"class_embed_type": "projection", "projection_class_embeddings_input_dim": CAMERA_WIDTH} if cameras else {}),
    )  # fmt: skip
    if cameras:
        zeros_(network.class_embedding.linear_2.weight)
        zeros_(network.class_embedding.linear_2.bias)
    return network


def attend_plainly(network: UNet2DConditionModel | PreTrainedModel) -> None:
    """Attention as products of matrices, for training on a CPU: the fused one's gradient in bf16 costs a third of a step."""
    if hasattr(network, "set_attn_processor"):
        from diffusers.models.attention_processor import AttnProcessor

        network.set_attn_processor(AttnProcessor())
    else:
        network.set_attn_implementation("eager")


def scheduler() -> DDIMScheduler:
    """A cosine schedule with v-prediction. Its last alpha is 5e-5: zero terminal SNR in effect, and never 0/0."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction",
        timestep_spacing="trailing", clip_sample=False, steps_offset=1,
    )  # fmt: skip


def pipeline(network: UNet2DConditionModel, text: CLIPTextModel, vae: AutoencoderTiny) -> StableDiffusionPipeline:
    """The parts as diffusers' own pipeline."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer(), unet=network, scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


def save_pipeline(pipe: StableDiffusionPipeline, folder: Path) -> None:
    """The standard folder in half precision, and the words it knows.

    The text encoder stays in single, since transformers loads what is on disk where diffusers converts: with halves on both
    sides a plain `from_pretrained(folder)` would not run.
    """
    import torch

    for part in (pipe.unet, pipe.vae):
        part.register_to_config(_name_or_path="")  # of the folder it was trained in
        part.to(torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    for part in (pipe.unet, pipe.vae):
        part.to(torch.float32)
    (folder / WORDS_FILE).write_text("\n".join(every_word()) + "\n")
