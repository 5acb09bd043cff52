"""CLIP as a critic, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dreamforge.errors import UserError
from dreamforge.rewards.clip import ClipReward

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of a few thousand weights whose words are letters."""
    root = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    text = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2,
            "vocab_size": 64, "max_position_embeddings": 20, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    transformers.CLIPModel(config).save_pretrained(root)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = {token: i for i, token in enumerate(["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)])}
    (root / "vocab.json").write_text(json.dumps(vocabulary))
    (root / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(str(root / "vocab.json"), str(root / "merges.txt")).save_pretrained(root)
    return root


def test_it_is_the_models_own_similarity(folder: Path) -> None:
    """At the model's size, against the model's own forward on the same numbers."""
    reward = ClipReward(model=str(folder), template="a {}")
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    processor = transformers.CLIPImageProcessor(do_resize=False, do_center_crop=False, do_rescale=False)
    inputs = {
        "pixel_values": processor(list(pictures), return_tensors="pt")["pixel_values"],
        **reward.scorer.tokenizer(["a duck"], return_tensors="pt"),
    }
    with torch.no_grad():
        output = reward.scorer.model(**inputs)
    expected = output.logits_per_image[:, 0] / reward.scorer.model.logit_scale.exp() * 100
    assert torch.allclose(reward(pictures, "duck"), expected, atol=1e-2)
    assert not torch.allclose(reward(pictures, "car"), expected, atol=1e-2)


def test_t_vlm_2_gradients_reach_the_picture_through_the_resizing(folder: Path) -> None:
    """By finite differences."""
    reward = ClipReward(model=str(folder))
    reward.scorer.model.double()
    pictures = (0.2 + 0.6 * torch.rand(1, 3, 48, 40, generator=torch.Generator().manual_seed(1))).double().requires_grad_()
    [gradient] = torch.autograd.grad(reward(pictures, "duck").sum(), pictures)
    direction = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(2)).double()
    step = 1e-5 * direction
    with torch.no_grad():
        slope = (reward(pictures + step, "duck") - reward(pictures - step, "duck")) / 2e-5
    assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4) and abs(slope.item()) > 1e-3
    reward.scorer.model.float()


def test_what_cannot_be_loaded_is_said_in_one_line(tmp_path: Path) -> None:
    for options, words in (({}, "name a folder"), ({"model": str(tmp_path)}, "cannot load"), ({"template": "x"}, "has no {}")):
        with pytest.raises(UserError, match=words) as refusal:
            ClipReward(**options)
        assert "\n" not in str(refusal.value)


def test_a_second_reward_is_for_likeness_to_the_image_prompt(folder: Path) -> None:
    """In the model's space: the picture itself is the most alike. Catches the prompt's weight changed with it."""
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain, both = (ClipReward(model=str(folder), visual=visual)(pictures, "duck", image=pictures[1]) for visual in (0.0, 0.5))
    extra = (both - plain) / 50
    embedded = ClipReward(model=str(folder)).scorer.pictures(pictures)
    assert torch.allclose(extra, embedded @ embedded[1], atol=1e-5) and extra[1].item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(ClipReward(model=str(folder), visual=0.5)(pictures, "duck"), plain)
