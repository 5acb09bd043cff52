"""How well pictures show texts, by a CLIP model: the embedded ember-clip, or any other in the standard format."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dreamforge.ember import quiet_libraries, shipped
from dreamforge.errors import UserError, one_line

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class ClipScorer:
    """Cosine similarities of pictures and texts.

    model: a folder of a `CLIPModel` with its tokenizer, a hub id, or "ember-clip", the embedded one, which knows the toy
    world alone. Frozen; single precision. UserError where it cannot be loaded.
    """

    def __init__(self, model: str | Path = "ember-clip", device: torch.device | str = "cpu") -> None:
        quiet_libraries()
        place = shipped(model) if model == "ember-clip" else Path(model).expanduser()
        local = place.exists() or str(model).startswith((".", "/", "~"))
        network, self.tokenizer = _load(str(place) if local else str(model), local)
        self.model = network.to(device).eval().requires_grad_(False)
        self.size = self.model.config.vision_config.image_size
        self.mean, self.std = picture_statistics(place)
        self.texts = functools.lru_cache(maxsize=64)(self._texts)

    def pictures(self, pictures: Tensor) -> Tensor:
        """Unit embeddings `[B,D]` of pictures `[B,3,H,W]` in [0,1]; differentiable."""
        pixels = normalized(pictures.to(self.model.device), self.size, self.mean, self.std)
        projected = self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output)
        return torch.nn.functional.normalize(projected, dim=-1)

    def scores(self, pictures: Tensor, texts: Sequence[str]) -> Tensor:
        """Similarities in [-1,1], `[B,T]`, of pictures `[B,3,H,W]` in [0,1] and T texts; differentiable in the pictures."""
        return self.pictures(pictures) @ self.texts(tuple(texts)).T

    @torch.no_grad()
    def _texts(self, texts: tuple[str, ...]) -> Tensor:
        """Unit embeddings `[T,D]`."""
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        pooled = self.model.text_model(**tokens.to(self.model.device)).pooler_output
        return torch.nn.functional.normalize(self.model.text_projection(pooled), dim=-1)


def _load(place: str, local: bool):  # noqa: ANN202  (classes of an optional dependency)
    from transformers import AutoTokenizer, CLIPModel

    try:
        network = CLIPModel.from_pretrained(place, use_safetensors=True, local_files_only=local, dtype=torch.float32)
        return network, AutoTokenizer.from_pretrained(place, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot load the CLIP model {place}: {one_line(error)}; try a local folder") from error


def normalized(
    pictures: Tensor, size: int, mean: Sequence[float] = OPENAI_MEAN, std: Sequence[float] = OPENAI_STD
) -> Tensor:
    """What a CLIP vision tower sees: pictures `[B,3,H,W]` in [0,1] resized to `size`, less the mean, over the deviation."""
    if pictures.shape[-2:] != (size, size):
        pictures = torch.nn.functional.interpolate(pictures, (size, size), mode="bicubic", antialias=True)
    return (pictures - pictures.new_tensor(mean)[:, None, None]) / pictures.new_tensor(std)[:, None, None]


def picture_statistics(folder: Path) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation of each channel that a folder's preprocessor_config.json names (OpenAI's where it has none)."""
    path = folder / "preprocessor_config.json"
    said = json.loads(path.read_text()) if path.is_file() else {}
    return said.get("image_mean", OPENAI_MEAN), said.get("image_std", OPENAI_STD)
