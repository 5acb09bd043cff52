"""Prompts as a checkpoint's networks take them: read once, kept on the disk, so that text encoders seldom load."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from dreamforge.caching import cache_folder, keep

MOST = 2 * 2**30
"""Bytes that are kept; what was unused for longest goes first. A prompt takes 0.2 MB (SD 1.5) to 5 MB (SD3)."""


class Texts:
    """The embeddings of a checkpoint's prompts, each from the disk where it was read before.

    readers: loads the checkpoint's pipeline with its text encoders. embed: a prompt to the network's inputs by name. key:
    everything that they depend on. A text encoder is loaded when the first prompt is not on the disk, is on the device
    only while it reads, and stays in the host's memory until `release`.
    """

    def __init__(
        self, readers: Callable[[], Any], embed: Callable[[Any, str, torch.device], dict[str, Tensor]], key: Any,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._load, self._embed, self._device = readers, embed, device
        self._key = [key, *(version(name) for name in ("diffusers", "transformers"))]
        self._pipe: Any = None

    def __call__(self, prompt: str) -> dict[str, Tensor]:
        """The network's inputs for a prompt, `[1,…]` each."""
        digest = hashlib.blake2b(json.dumps([*self._key, prompt]).encode(), digest_size=20).hexdigest()
        path = cache_folder("texts") / f"{digest}.safetensors"
        with suppress(OSError, SafetensorError):
            found = load_file(path, device=str(self._device))
            os.utime(path)
            return found
        text = self._read(prompt)
        keep(path, save({name: value.contiguous().cpu() for name, value in text.items()}))
        with suppress(OSError):  # of what another run removed meanwhile
            _keep_newest(path.parent, MOST)
        return text

    def release(self) -> None:
        """Let the text encoders go from memory; another prompt loads them again."""
        if self._pipe is not None:
            self._pipe = None
            gc.collect()

    @torch.no_grad()
    def _read(self, prompt: str) -> dict[str, Tensor]:
        if self._pipe is None:
            self._pipe = self._load()
        readers = [reader for name in TEXT_ENCODERS if (reader := getattr(self._pipe, name, None)) is not None]
        for reader in readers:
            reader.eval().to(self._device)
        text = self._embed(self._pipe, prompt, self._device)
        for reader in readers:
            reader.to("cpu")
        return text


TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TEXT_PARTS = (*TEXT_ENCODERS, "tokenizer", "tokenizer_2", "tokenizer_3")


def digest_of(paths: Iterable[Path]) -> str:
    """Of the contents of files, in this order; of large ones 200 samples, which tell trainings apart, not every changed byte."""
    digest = hashlib.blake2b(digest_size=20)
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name} {size} ".encode())
        with path.open("rb") as stream:
            for start in range(0, size, max(SAMPLE, size // SAMPLES)):
                stream.seek(start)
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()


SAMPLE, SAMPLES = 2**16, 200


def _keep_newest(folder: Path, most: int) -> None:
    files = sorted(((path.stat(), path) for path in folder.glob("*.safetensors")), key=lambda file: -file[0].st_mtime_ns)
    for status, path in files:
        most -= status.st_size
        if most < 0:
            path.unlink(missing_ok=True)


