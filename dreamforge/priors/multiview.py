"""Diffusion models of several views of one object at once: cameras in, attention across the views (MVDream, 2308.16512)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.components import Count
from dreamforge.contracts import Condition
from dreamforge.errors import UserError
from dreamforge.priors.diffusers import Diffusers


class Multiview(Diffusers):
    """A frozen UNet that sees `views` views of an object together and is told the camera of each.

    model: a folder in diffusers format whose UNet takes 16 numbers a picture (`class_embed_type="projection"`), as
    ember-mv's, or a folder with MVDream's own UNet ("mvdream": the hub's). Consecutive items of a batch are one object's views: a quarter turn apart and at one timestep, as
    in training, unless you know better.
    """

    posed = True

    def __init__(
        self, *, model: str = "", views: Count = 4, adapter: str = "", lora: dict[str, float] | None = None,
        device: torch.device = torch.device("cpu"),
    ) -> None:  # fmt: skip
        super().__init__(model=model, adapter=adapter, lora=lora, device=device)
        self._join(views)

    @classmethod
    def of(cls, pipe: Any, device: torch.device, views: int = 4) -> Multiview:
        """From a diffusers pipeline in memory."""
        prior = super().of(pipe, device)
        prior._join(views)
        return prior

    def _join(self, views: int) -> None:
        self.views = views
        join_views(self.unet, views)

    def condition(
        self,
        prompts: Sequence[str],
        cameras: Cameras | None = None,
        background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Condition:
        """What to tell the model; see `dreamforge.contracts.Prior`. Needs cameras."""
        if cameras is None or len(prompts) % self.views:
            raise UserError(f"the multiview prior needs the cameras of {self.views} views, or of several such sets")
        told = super().condition(prompts, cameras, background, image).data
        return Condition({**told, "class_labels": camera_numbers(cameras).to(self.device, self.dtype)})


def camera_numbers(cameras: Cameras) -> Tensor:
    """`[B,16]`: each camera's c2w matrix, row by row, its position scaled to the unit sphere."""
    c2w = cameras.c2w.clone()
    c2w[:, :3, 3] = torch.nn.functional.normalize(c2w[:, :3, 3], dim=-1)
    return c2w.flatten(1)


def join_views(unet: Any, views: int) -> None:
    """Let the self-attention of a UNet run over all pixels of `views` consecutive pictures, and no others."""
    processors = dict(unet.attn_processors)
    for name, processor in processors.items():
        if name.endswith("attn1.processor"):
            processors[name] = JoinedViews(getattr(processor, "inner", processor), views)
    unet.set_attn_processor(processors)


class JoinedViews:
    """An attention processor in front of another: `[N*V,L,C]` tokens become `[N,V*L,C]`, and apart again behind it."""

    def __init__(self, inner: Any, views: int) -> None:
        self.inner, self.views = inner, views

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        pictures, tokens, width = hidden_states.shape
        joined = hidden_states.reshape(pictures // self.views, self.views * tokens, width)
        return self.inner(attn, joined, encoder_hidden_states, attention_mask).reshape(pictures, tokens, width)
