"""Every family of checkpoints: what the prior predicts is what the family's own pipeline predicts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("diffusers")

from dreamforge.errors import UserError
from dreamforge.priors import checkpoints
from dreamforge.priors.checkpoints import ALIASES, Place, check_memory, place_of
from dreamforge.priors.diffusers import Diffusers
from tests.priors.checkpoints import FAMILIES, stable_diffusion
from tests.priors.pipelines import assert_same, whole


@pytest.fixture(scope="module", params=FAMILIES)
def prior(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Diffusers:
    return Diffusers(model=str(FAMILIES[request.param](tmp_path_factory.mktemp(request.param))))


@pytest.mark.parametrize("index", [100, 700])
def test_predictions_are_the_pipelines_own(prior: Diffusers, index: int) -> None:
    """CFG included. Would miss a forgotten pooled text, wrong time ids, an empty prompt read otherwise, a shift."""
    assert_same(prior, whole(prior.place.folder), index)


def test_pictures_come_back_from_where_noise_was_added(prior: Diffusers) -> None:
    """The noise process and its inverse agree, and the encoder's gradient is finite."""
    rgb = torch.rand(2, 3, 16, 16, requires_grad=True)
    z = prior.encode(rgb)
    t, eps = torch.tensor([20, 980]), torch.randn_like(z)
    assert torch.allclose(prior.noise.clean(prior.noise.add(z, eps, t), eps, t), z, atol=2e-3)
    z.square().sum().backward()
    assert rgb.grad.isfinite().all() and rgb.grad.abs().max() > 0
    assert prior.decode(z).shape == (2, 3, prior.size, prior.size)


def test_batches_are_halved_where_memory_runs_out(
    prior: Diffusers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    z, t = prior.encode(torch.rand(3, 3, 16, 16)), torch.tensor([10, 400, 900])
    told = [prior.condition(["a cat"] * 3), prior.condition([""] * 3)]
    expected, asked, ask = prior.predict(z, t, told), [], prior.family.ask

    def small(network: Any, z_t: Tensor, *rest: Any) -> Tensor:
        asked.append(len(z_t))
        if len(z_t) > 2:
            raise torch.OutOfMemoryError
        return ask(network, z_t, *rest)

    monkeypatch.setattr(prior, "family", type(prior.family)(**{**vars(prior.family), "ask": small}))
    monkeypatch.setattr(prior, "_rows", prior._rows)
    with caplog.at_level(logging.WARNING, "dreamforge"):
        for found, wanted in zip(prior.predict(z, t, told), expected, strict=True):
            assert torch.allclose(found, wanted, atol=1e-5)
    assert asked == [6, 3, 2, 2, 2] and "2 pictures at a time" in caplog.text
    asked.clear()
    prior.predict(z, t, told)
    assert asked == [2, 2, 2]  # remembered


def test_checkpoints_are_found_by_short_name_folder_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path = tmp_path / "models"
    (tmp_path / "sd21").mkdir(parents=True)
    folder = stable_diffusion(tmp_path / "sd21")
    monkeypatch.setenv("DREAMFORGE_MODELS", str(folder.parent.parent))
    with pytest.raises(UserError, match="sd21 holds no model_index.json"):
        place_of("sd21")
    folder.rename(tmp_path / "sdxl")
    assert place_of("sdxl") == Place(tmp_path / "sdxl")
    with pytest.raises(UserError, match="did you mean 'sd"):
        place_of("sd1")


def test_ids_are_tried_in_order_and_the_reasons_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline for certain: nothing is asked of any hub."""
    import diffusers

    tried = []

    def download(name: str, **settings: Any) -> str:
        tried.append(name)
        raise OSError("offline\nmode")

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    with pytest.raises(UserError, match=r"cannot be downloaded \(offline mode\)") as caught:
        place_of("sd3")
    assert tuple(tried) == ALIASES["sd3"] and "\n" not in str(caught.value)
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", lambda name, **settings: f"/hub/{name}")
    assert place_of("somebody/some-model") == Place(Path("/hub/somebody/some-model"))


def test_memory_is_asked_for_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path)
    pipe = Diffusers(model=str(folder)).pipe
    needed = 2 * sum(p.numel() for part in (pipe.unet, pipe.vae) for p in part.parameters()) * checkpoints.HEADROOM
    check_memory(Place(folder), torch.float16, int(needed) + 2)
    with pytest.raises(UserError, match="needs about .* GiB of GPU memory"):
        check_memory(Place(folder), torch.float16, int(needed) - 2)
    with pytest.raises(UserError, match="GiB"):
        check_memory(Place(folder), torch.float32, int(needed) + 2)
