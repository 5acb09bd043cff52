"""The diffusers wrapper, on tiny random checkpoints written to disk: its predictions equal the network's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dreamforge.contracts import PromptConditions
from dreamforge.errors import UserError
from dreamforge.objectives.sds import sds
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.guidance import guided


def write_checkpoint(folder: Path, prediction: str) -> Path:
    """A Stable Diffusion of a few thousand random weights, in the standard folder format."""
    torch.manual_seed(0)
    words = ["<|startoftext|>", "<|endoftext|>", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz")]
    words += list("abcdefghijklmnopqrstuvwxyz")
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=16, bos_token_id=0, eos_token_id=1,
    )
    blocks = {"block_out_channels": (32, 64), "layers_per_block": 1}
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, cross_attention_dim=32, attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **blocks,
    )
    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, latent_channels=4, **blocks
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction,
        clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    )
    StableDiffusionPipeline(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder / "model", safe_serialization=True)
    return folder / "model"


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def prior(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Diffusers:
    return Diffusers(model=str(write_checkpoint(tmp_path_factory.mktemp("sd"), request.param)))


def test_prediction_is_the_networks_own_converted_to_epsilon(prior: Diffusers) -> None:
    z, t = torch.randn(2, 4, 8, 8), torch.tensor([100, 800])
    eps = prior.predict(z, t, [prior.condition(["a cat", "a dog"]), prior.condition(["", ""])])
    for prompts, answer in zip((["a cat", "a dog"], ["", ""]), eps, strict=True):
        tokens = prior.tokenizer(prompts, padding="max_length", max_length=16, truncation=True, return_tensors="pt")
        raw = prior.unet(z, t, encoder_hidden_states=prior.text_encoder(tokens.input_ids)[0]).sample
        alpha, sigma = prior.noise.alpha_sigma(t, z)
        expected = raw if prior.noise.prediction == "epsilon" else alpha * raw + sigma * z
        assert torch.allclose(answer, expected, atol=1e-4)
    assert (eps[0] - eps[1]).abs().max() > 1e-4  # the text matters


def test_guidance_takes_one_batched_forward(prior: Diffusers, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = prior.unet.forward
    monkeypatch.setattr(prior.unet, "forward", lambda *a, **k: calls.append(a[0].shape) or forward(*a, **k))
    prompt = PromptConditions(lambda: prior.condition(["a"] * 3), lambda: prior.condition([""] * 3))
    guided(prior, torch.randn(3, 4, 8, 8), torch.tensor([5, 50, 500]), prompt, 7.5)
    assert calls == [(6, 4, 8, 8)]


def test_gradient_reaches_the_picture_through_the_encoder(prior: Diffusers) -> None:
    rgb = torch.rand(2, 3, 16, 16, requires_grad=True)
    z = prior.encode(rgb)
    assert z.shape == (2, 4, 8, 8)
    assert torch.allclose(
        z, prior.vae.encode(2 * rgb - 1).latent_dist.mean * prior.vae.config.scaling_factor, atol=1e-5
    )
    prompt = PromptConditions(lambda: prior.condition(["a cat"] * 2), lambda: prior.condition([""] * 2))
    grad = sds(z.detach(), torch.tensor([100, 800]), torch.randn_like(z), prior, prompt).grad
    z.backward(grad)
    assert rgb.grad.abs().max() > 0
    assert all(p.grad is None for p in prior.unet.parameters())
    assert prior.decode(z).shape == (2, 3, 16, 16)


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    for model, message in ((str(tmp_path), "model_index.json"), ("", "name a checkpoint")):
        with pytest.raises(UserError, match=message) as caught:
            Diffusers(model=model)
        assert "\n" not in str(caught.value)
