"""How alike a picture and a prompt are to CLIP."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.errors import UserError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""What CLIP's pictures are normalized by."""


class ClipReward:
    """Cosine similarity of a picture and the prompt in the space of a CLIP model, times 100; differentiable.

    model: a folder that transformers' CLIPModel loads, or a hub id. template: what is said to the model, with the
    prompt in place of {}. The processing of pictures is done in tensors, so that gradients pass through it.
    """

    def __init__(
        self, *, model: str = "", template: str = "{}", device: torch.device = torch.device("cpu")
    ) -> None:
        if "{}" not in template:
            raise UserError(f"reward.template: {template!r} has no {{}} for the prompt; write one such as 'a photo of {{}}'")
        self.model, self.tokenizer = _load(model, device)
        self.template, self.size = template, self.model.config.vision_config.image_size
        self._text = functools.cache(self._embed_text)

    def __call__(
        self, pictures: Tensor, prompt: str, cameras: Cameras | None = None, background: Tensor | None = None
    ) -> Tensor:
        """See `dreamforge.contracts.Reward`; cameras and backgrounds are not used."""
        small = torch.nn.functional.interpolate(
            pictures.clamp(0, 1), size=(self.size, self.size), mode="bicubic", antialias=True
        )
        mean, std = (small.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        vision = self.model.vision_model((small - mean) / std).pooler_output
        seen = torch.nn.functional.normalize(self.model.visual_projection(vision), dim=-1)
        return 100 * (seen * self._text(prompt)).sum(-1)

    @torch.no_grad()
    def _embed_text(self, prompt: str) -> Tensor:
        tokens = self.tokenizer([self.template.format(prompt)], padding=True, truncation=True, return_tensors="pt")
        text = self.model.text_model(**tokens.to(self.model.device)).pooler_output
        return torch.nn.functional.normalize(self.model.text_projection(text), dim=-1)


@functools.cache
def _load(model: str, device: torch.device):  # noqa: ANN202  (classes of an optional dependency)
    if not model:
        raise UserError("reward.model: name a folder of a CLIP model, or a hub id such as openai/clip-vit-base-patch32")
    try:
        from transformers import AutoTokenizer, CLIPModel
    except ImportError as error:
        raise UserError("the clip reward needs extra packages: pip install 'dreamforge3d[diffusers]'") from error
    folder = Path(model).expanduser()
    local = model.startswith((".", "/", "~")) or folder.exists()
    place, options = (str(folder) if local else model), {"local_files_only": local}
    try:
        network = CLIPModel.from_pretrained(place, use_safetensors=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"reward.model: cannot load {model}: {reason}; try a local folder") from error
    return network.to(device).eval().requires_grad_(False), tokenizer
