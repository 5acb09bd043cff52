"""How well pictures show texts, by a CLIP model: the embedded ember-clip, or any folder in the standard format."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dreamforge.ember import quiet_libraries, shipped
from dreamforge.errors import UserError

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class ClipScorer:
    """Cosine similarities of pictures and texts.

    folder: a `CLIPModel` folder with its tokenizer and preprocessor_config.json; None is the embedded ember-clip, which
    knows the toy world alone. Frozen; single precision.
    """

    def __init__(self, folder: str | Path | None = None, device: torch.device | str = "cpu") -> None:
        quiet_libraries()
        from transformers import CLIPModel, CLIPTokenizer

        path = shipped("ember-clip") if folder is None else Path(folder).expanduser()
        if not (path / "config.json").is_file():
            raise UserError(f"{path} holds no config.json; give a CLIP model's folder")
        self.model = CLIPModel.from_pretrained(path, local_files_only=True, dtype=torch.float32).to(device)
        self.model.eval().requires_grad_(False)
        self.tokenizer = CLIPTokenizer.from_pretrained(path, local_files_only=True)
        self.size = self.model.config.vision_config.image_size
        self.mean, self.std = picture_statistics(path)
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
        tokens = self.tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
        pooled = self.model.text_model(input_ids=tokens.input_ids.to(self.model.device)).pooler_output
        return torch.nn.functional.normalize(self.model.text_projection(pooled), dim=-1)


def normalized(
    pictures: Tensor, size: int, mean: Sequence[float] = OPENAI_MEAN, std: Sequence[float] = OPENAI_STD
) -> Tensor:
    """What a CLIP vision tower sees: pictures `[B,3,H,W]` in [0,1] resized to `size`, less the mean, over the deviation."""
    if pictures.shape[-2:] != (size, size):
        pictures = torch.nn.functional.interpolate(pictures, (size, size), mode="bilinear", antialias=True)
    return (pictures - pictures.new_tensor(mean)[:, None, None]) / pictures.new_tensor(std)[:, None, None]


def picture_statistics(folder: Path) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation of each channel that a folder's preprocessor_config.json names (OpenAI's where it has none)."""
    path = folder / "preprocessor_config.json"
    said = json.loads(path.read_text()) if path.is_file() else {}
    return said.get("image_mean", OPENAI_MEAN), said.get("image_std", OPENAI_STD)
