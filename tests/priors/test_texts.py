"""Prompts are read once: what a text encoder said is on the disk, and no later run loads it."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

pytest.importorskip("diffusers")

from dreamforge.errors import UserError
from dreamforge.priors import texts
from dreamforge.priors.checkpoints import Place
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.texts import digest_of
from tests.priors.checkpoints import FAMILIES, stable_diffusion


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stable_diffusion(tmp_path_factory.mktemp("sd"))


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text encoder can be loaded."""

    def load(*_: object, **__: object) -> None:
        raise OSError("no text encoder")

    for name in ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel"):
        monkeypatch.setattr(getattr(transformers, name), "from_pretrained", load)


def said(model: Path, prompt: str = "a cat") -> dict[str, Tensor]:
    return Diffusers(model=str(model)).condition([prompt]).data


@pytest.mark.parametrize("family", FAMILIES)
def test_a_second_run_loads_no_text_encoder(
    family: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same numbers, bit for bit; a new prompt needs the text encoder."""
    folder = FAMILIES[family](tmp_path)
    first = said(folder)
    request.getfixturevalue("unreadable")
    again = said(folder)
    assert first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first)
    with pytest.raises(UserError, match="cannot load .* no text encoder"):
        said(folder, "a dog")


def test_what_an_embedding_depends_on_is_read_anew(model: Path, cache: Path, tmp_path: Path) -> None:
    """Another prompt, another revision; a copy elsewhere is the same revision. And what is broken."""
    first = said(model)
    said(model, "a dog")
    shutil.copytree(model, tmp_path / "copy")
    said(tmp_path / "copy")
    assert len(list(cache.iterdir())) == 2
    weights = tmp_path / "copy" / "text_encoder" / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    said(tmp_path / "copy")
    assert len(list(cache.iterdir())) == 3
    for path in cache.iterdir():
        path.write_bytes(b"half a fi")
    assert torch.equal(said(model)["encoder_hidden_states"], first["encoder_hidden_states"])
    (tmp_path / "cache" / "dreamforge").rename(tmp_path / "old")
    (tmp_path / "cache" / "dreamforge").write_text("nothing can be kept here")
    assert torch.equal(said(model)["encoder_hidden_states"], first["encoder_hidden_states"])


def test_text_encoders_leave_memory_when_all_is_read(model: Path) -> None:
    prior = Diffusers(model=str(model))
    prior.condition(["a cat"])
    encoder = weakref.ref(prior.texts._pipe.text_encoder)
    prior.read(["a dog", ""])
    gc.collect()
    assert encoder() is None
    assert prior.condition(["a cow"]).data["encoder_hidden_states"].shape == (1, 16, 32)


def test_what_was_unused_for_longest_goes_first(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(model)
    [first] = cache.iterdir()
    monkeypatch.setattr(texts, "MOST", int(2.5 * first.stat().st_size))
    said(model, "a dog")
    second = next(path for path in cache.iterdir() if path != first)
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    said(model)  # used again
    said(model, "a cow")
    kept = set(cache.iterdir())
    assert first in kept and second not in kept and len(kept) == 2


def test_a_digest_sees_every_part_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "SAMPLE", 64)
    path, size = tmp_path / "weights.safetensors", 2**20
    path.write_bytes(bytes(size))
    before, step = digest_of([path]), size // 128
    for start in range(0, size, step):  # a layer of 128
        content = bytearray(size)
        content[start : start + step] = b"\1" * step
        path.write_bytes(content)
        assert digest_of([path]) != before
    assert Place(Path("models--a--b/snapshots/0123abc")).revision == "0123abc"
