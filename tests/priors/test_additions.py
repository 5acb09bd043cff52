"""LoRA files and IP-Adapters: with them the prior predicts what diffusers' own pipeline predicts with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

pytest.importorskip("diffusers")

from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from dreamforge.errors import UserError
from dreamforge.priors.diffusers import Diffusers
from tests.priors.checkpoints import FAMILIES
from tests.priors.pipelines import assert_same, whole

Adapters = dict[str, Tensor]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: FAMILIES[name](tmp_path_factory.mktemp(name)) for name in ("sd", "sdxl")}


def adapters(folder: Path, seed: int, rank: int = 3) -> Adapters:
    """Random ones on every attention projection of every network, by peft's names."""
    pipe, draw = whole(folder), torch.Generator().manual_seed(seed)
    ends = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "v_proj", "out_proj")
    return {
        f"{part}.{name}.lora_{side}.weight": 0.3 * torch.randn(shape, generator=draw)
        for part in ("unet", "text_encoder", "text_encoder_2")
        if hasattr(pipe, part)
        for name, layer in getattr(pipe, part).named_modules()
        if name.endswith(ends)
        for side, shape in (("A", (rank, layer.in_features)), ("B", (layer.out_features, rank)))
    }


def as_peft(found: Adapters) -> Adapters:
    return found


def as_diffusers(found: Adapters) -> Adapters:
    """As diffusers wrote them before peft."""
    written = {}
    for key, value in found.items():
        name = "lora" if key.startswith("unet") else "lora_linear_layer"
        written[key.replace("lora_A", f"{name}.down").replace("lora_B", f"{name}.up")] = value
    return written


def as_kohya(found: Adapters) -> Adapters:
    """As most files on the web are, with an alpha that is not the rank."""
    written = {}
    for key, value in found.items():
        layer, end = key.split(".lora_")
        part, layer = layer.split(".", 1)
        two = any(name.startswith("text_encoder_2") for name in found)
        prefix = {"unet": "lora_unet", "text_encoder": "lora_te1" if two else "lora_te", "text_encoder_2": "lora_te2"}[part]
        inside = layer if part == "unet" else f"text_model.{layer.removeprefix('text_model.')}"
        name = f"{prefix}_{inside.replace('.', '_')}"
        written[f"{name}.lora_{'down' if end[0] == 'A' else 'up'}.weight"] = value
        written[f"{name}.alpha"] = torch.tensor(1.5)
    return written


@pytest.mark.parametrize(
    ("family", "written"), [("sd", as_diffusers), ("sd", as_kohya), ("sdxl", as_kohya), ("sdxl", as_peft)]
)
def test_loras_are_added_as_the_pipeline_adds_them(
    family: str, written: Callable[[Adapters], Adapters], models: dict[str, Path], tmp_path: Path
) -> None:
    """Two files, each at its scale, on the UNet and the text encoders; alpha counts.

    The pipeline has the first merged and the second beside its layers: transformers 5 loses the text encoders' first
    adapter when a second is loaded beside it.
    """
    pipe, files = whole(models[family]), {str(tmp_path / "one.safetensors"): 0.7, str(tmp_path / "two.safetensors"): -0.4}
    for seed, file in enumerate(files):
        save_file(written(adapters(models[family], seed)), file)
    one, two = files
    pipe.load_lora_weights(one)
    pipe.fuse_lora(["unet", "text_encoder", "text_encoder_2"][: 3 if family == "sdxl" else 2], files[one])
    pipe.unload_lora_weights()
    pipe.load_lora_weights(two, adapter_name="two")
    pipe.set_adapters(["two"], [files[two]])
    found = assert_same(Diffusers(model=str(models[family]), lora=files), pipe, 400)
    plain = assert_same(Diffusers(model=str(models[family])), whole(models[family]), 400)
    assert (found - plain).abs().max() > 0.01


def test_a_file_for_something_else_is_refused_in_one_line(
    models: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of another family, with layers that are not there, with other things than adapters, or none at all."""
    file, found = tmp_path / "file.safetensors", {name: adapters(folder, 0) for name, folder in models.items()}
    deeper = {key.replace("layers.1", "layers.7").replace("blocks.1.", "blocks.3."): v for key, v in found["sd"].items()}
    cases = (
        ("sd", found["sdxl"], "does not fit StableDiffusion checkpoints"),
        ("sdxl", as_kohya(found["sd"]), "does not fit StableDiffusionXL checkpoints"),
        ("sd", deeper, "does not fit StableDiffusion checkpoints: its unet has other layers"),
        ("sd", {"conv.weight": torch.zeros(3)}, "other tensors than low-rank adapters"),
    )
    for family, tensors, message in cases:
        save_file(tensors, file)
        with pytest.raises(UserError, match=message) as caught:
            Diffusers(model=str(models[family]), lora={str(file): 1.0})
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    with pytest.raises(UserError, match="nowhere.safetensors is not a .safetensors file"):
        Diffusers(model=str(models["sd"]), lora={"nowhere.safetensors": 1.0})
    assert not caplog.records
    with pytest.raises(UserError, match="LoRA files are for SD and SDXL"):
        Diffusers(model=str(FAMILIES["sd3"](tmp_path)), lora={str(file): 1.0})


@pytest.fixture(scope="module")
def adapter(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a random IP-Adapter for a family, in the published form."""

    def make(family: str) -> Path:
        folder, unet = tmp_path_factory.mktemp("adapter"), whole(models[family]).unet
        draw, width = torch.Generator().manual_seed(0), unet.config.cross_attention_dim
        tensors = {
            "image_proj.proj.weight": 0.3 * torch.randn(4 * width, 16, generator=draw),
            "image_proj.proj.bias": torch.zeros(4 * width),
            "image_proj.norm.weight": torch.ones(width), "image_proj.norm.bias": torch.zeros(width),
        }  # fmt: skip
        readers = [module for name, module in unet.named_modules() if name.endswith("attn2")]
        for index, reader in enumerate(readers):
            for name in ("to_k_ip", "to_v_ip"):
                shape = reader.to_q.out_features, width
                tensors[f"ip_adapter.{2 * index + 1}.{name}.weight"] = 0.3 * torch.randn(shape, generator=draw)
        save_file(tensors, folder / "ip-adapter.safetensors")
        torch.manual_seed(0)
        eye = CLIPVisionConfig(
            hidden_size=16, intermediate_size=16, projection_dim=16, num_hidden_layers=1, num_attention_heads=2,
            image_size=24, patch_size=8,
        )  # fmt: skip
        CLIPVisionModelWithProjection(eye).save_pretrained(folder / "image_encoder")
        return folder

    return make


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_image_prompts_are_read_as_the_pipeline_reads_them(
    family: str, models: dict[str, Path], adapter: Callable[[str], Path]
) -> None:
    """Guided from the null image and the empty prompt, at the size of the image encoder, where resizing is nothing."""
    folder, pipe = adapter(family), whole(models[family])
    pipe.load_ip_adapter(str(folder), subfolder="", weight_name="ip-adapter.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    prior = Diffusers(model=str(models[family]), adapter=str(folder))
    image = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    seen = assert_same(prior, pipe, 400, image, ip_adapter_image=Image.fromarray(pixels))
    other = assert_same(prior, pipe, 400, 1 - image, ip_adapter_image=Image.fromarray(255 - pixels))
    assert (seen - other).abs().max() > 1e-3
