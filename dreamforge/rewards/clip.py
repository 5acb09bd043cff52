"""How alike a picture and a prompt are to CLIP."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.components import NonNegative
from dreamforge.ember.clip import ClipScorer
from dreamforge.errors import UserError


class ClipReward:
    """Cosine similarity of a picture and the prompt in the space of a CLIP model, times 100; differentiable.

    model: a folder that transformers' CLIPModel loads, a hub id, or ember-clip, which knows the toy world alone.
    template: what is said to the model, with the prompt in place of {}. visual: how much more counts how alike the
    picture and the image prompt are, in the same space (VP3D's second reward; its weights are unconfirmed).
    """

    def __init__(
        self, *, model: str = "", template: str = "{}", visual: NonNegative = 0.0,
        device: torch.device = torch.device("cpu"),
    ) -> None:
        if "{}" not in template:
            raise UserError(f"reward.template: {template!r} has no {{}} for the prompt; write one such as 'a photo of {{}}'")
        if not model:
            raise UserError("reward.model: name a folder of a CLIP model, a hub id, or ember-clip for the toy world")
        self.scorer, self.template, self.visual = ClipScorer(model, device), template, visual

    def __call__(
        self, pictures: Tensor, prompt: str, cameras: Cameras | None = None, background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Tensor:
        """See `dreamforge.contracts.Reward`; cameras and backgrounds are not used."""
        said = self.scorer.texts((self.template.format(prompt),))[0]
        shown = 0.0 if image is None or not self.visual else self.visual * self.scorer.pictures(image[None])[0]
        return 100 * self.scorer.pictures(pictures.clamp(0, 1)) @ (said + shown)
