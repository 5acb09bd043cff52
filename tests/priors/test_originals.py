"""Weights under the names of the original code: a single file, MVDream's folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("diffusers")

from dreamforge.cameras import orbit
from dreamforge.errors import UserError
from dreamforge.priors.checkpoints import Place, check_memory, place_of
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.multiview import Multiview, camera_numbers
from dreamforge.priors.originals import in_our_axes, kind_of
from tests.priors.originals import mvdream, single_file

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return single_file(tmp_path_factory.mktemp("single"))


def test_a_single_file_is_the_model_that_was_written_into_it(both: tuple[Path, Path]) -> None:
    """UNet, VAE and text encoder; the configurations alone come from the folder."""
    folder, file = both
    plain, prior = Diffusers(model=str(folder)), Diffusers(model=str(file), config=str(folder))
    z, t, rgb = torch.randn(2, 4, 8, 8), torch.tensor([100, 800]), torch.rand(2, 3, 16, 16)
    [expected], [found] = (one.predict(z, t, [one.condition(["a cat", ""])]) for one in (plain, prior))
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(prior.encode(rgb), plain.encode(rgb), atol=1e-5)
    assert torch.allclose(prior.decode(z), plain.decode(z), atol=1e-5)
    assert prior.checkpoint["revision"] != plain.checkpoint["revision"] and prior.place.file == file


def test_a_file_takes_the_configurations_of_its_familys_short_name(
    both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From $DREAMFORGE_MODELS, or the hub's without the weights; offline the error says what helps."""
    import huggingface_hub

    folder, file = both
    asked: list[Any] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        if len(asked) > 1:
            raise OSError("offline")
        return "/hub/snapshots/abc"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert place_of(str(file)) == Place(Path("/hub/snapshots/abc"), file)
    assert asked == [("stable-diffusion-v1-5/stable-diffusion-v1-5", ["*.json", "*.txt", "*.model"])]
    with pytest.raises(UserError, match="looks like sd15 and has no configurations; name a folder with prior.config"):
        place_of(str(file))
    (tmp_path / "sd15").symlink_to(folder)
    monkeypatch.setenv("DREAMFORGE_MODELS", str(tmp_path))
    assert place_of(str(file)) == Place(tmp_path / "sd15", file)


def test_files_are_told_apart_by_their_keys(tmp_path: Path, both: tuple[Path, Path]) -> None:
    signs = {
        "sd21": "cond_stage_model.model.ln_final.bias", "sdxl": "conditioner.embedders.1.model.logit_scale",
        "sd3": "model.diffusion_model.joint_blocks.0.x_block.attn.proj.bias",
    }  # fmt: skip
    for kind, key in signs.items():
        assert kind_of(tmp_path, ["first_stage_model.x", key]) == kind
    for key, message in (("unet.lora_A.weight", "LoRA files go in prior.lora"), ("x", "no whole checkpoint")):
        save_file({key: torch.zeros(1)}, tmp_path / "other.safetensors")
        with pytest.raises(UserError, match=message):
            Diffusers(model=str(tmp_path / "other.safetensors"))
    save_file({"model.diffusion_model.x": torch.zeros(1)}, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match="cannot load .*half.safetensors") as caught:
        Diffusers(model=str(tmp_path / "half.safetensors"), config=str(both[0]))
    assert "\n" not in str(caught.value)


def test_memory_is_asked_for_the_networks_of_a_file(both: tuple[Path, Path]) -> None:
    """Text encoders excepted, as for a folder."""
    folder, file = both
    for free, fits in ((2**30, True), (1000, False)):
        for place in (Place(folder), Place(folder, file)):
            if fits:
                check_memory(place, torch.float16, free)
                continue
            with pytest.raises(UserError) as caught:
                check_memory(place, torch.float16, free)
            assert "needs about 0.0 GiB" in str(caught.value)


def test_mvdream_folders_load_without_their_code(tmp_path: Path) -> None:
    """The same network as diffusers' class, told the same cameras in MVDream's axes."""
    folder, unet = mvdream(tmp_path)
    prior, pipe = Multiview(model=str(folder)), whole_with(folder, unet)
    with torch.no_grad():
        unet.class_embedding.linear_1.weight.copy_(in_our_axes(unet.class_embedding.linear_1.weight))
    other = Multiview.of(pipe, CPU)
    z, t, around = torch.randn(4, 4, 8, 8), torch.tensor([300] * 4), orbit([0.0, 90.0, 180.0, 270.0], 15.0)
    [found], [expected] = (one.predict(z, t, [one.condition(["a cat"] * 4, around)]) for one in (prior, other))
    assert torch.allclose(found, expected, atol=1e-5) and prior.size == 16
    [turned] = prior.predict(z, t, [prior.condition(["a cat"] * 4, orbit([30.0, 120.0, 210.0, 300.0], 15.0))])
    assert (turned - found).abs().max() > 1e-4
    with pytest.raises(UserError, match="takes a camera; use --prior multiview"):
        Diffusers(model=str(folder))
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps({**config, "ip_dim": 16}))
    with pytest.raises(UserError, match="prior.model: ImageDream"):
        Multiview(model=str(folder))


def whole_with(folder: Path, unet: Any) -> Any:
    """The folder's pipeline around another UNet."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextModel, CLIPTokenizer

    loaders = {"vae": AutoencoderKL, "text_encoder": CLIPTextModel, "tokenizer": CLIPTokenizer, "scheduler": DDIMScheduler}
    parts = {name: loader.from_pretrained(folder / name) for name, loader in loaders.items()}
    return StableDiffusionPipeline(
        **parts, unet=unet, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def test_cameras_are_told_in_mvdreams_axes() -> None:
    """As its `get_camera` has them: OpenGL cameras around an object whose front is at azimuth 90, then z up."""
    weight = torch.randn(5, 16)
    for azimuth, elevation in ((0.0, 15.0), (70.0, -20.0), (200.0, 40.0)):
        theirs = mvdream_camera(azimuth + 90, elevation)
        ours = camera_numbers(orbit([azimuth], elevation))
        assert torch.allclose(ours @ in_our_axes(weight).T, theirs @ weight.T, atol=1e-5)


def mvdream_camera(azimuth: float, elevation: float) -> torch.Tensor:
    """`[1,16]`: at distance 1, azimuth from +z to +x in a world with y up; then x, y, z become x, -z, y."""
    a, e = np.radians([azimuth, elevation])
    position = np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    right = np.cross(-position, [0, 1, 0])
    right /= np.linalg.norm(right)
    c2w = np.eye(4)
    c2w[:3] = np.stack([right, np.cross(right, -position), position, position], 1)
    x, y, z, last = c2w
    return torch.tensor(np.stack([x, -z, y, last]).reshape(1, 16), dtype=torch.float32)
