"""How alike a picture and a prompt are to CLIP."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.ember.clip import ClipScorer
from dreamforge.errors import UserError


class ClipReward:
    """Cosine similarity of a picture and the prompt in the space of a CLIP model, times 100; differentiable.

    model: a folder that transformers' CLIPModel loads, a hub id, or ember-clip, which knows the toy world alone.
    template: what is said to the model, with the prompt in place of {}.
    """

    def __init__(
        self, *, model: str = "", template: str = "{}", device: torch.device = torch.device("cpu")
    ) -> None:
        if "{}" not in template:
            raise UserError(f"reward.template: {template!r} has no {{}} for the prompt; write one such as 'a photo of {{}}'")
        if not model:
            raise UserError("reward.model: name a folder of a CLIP model, a hub id, or ember-clip for the toy world")
        self.scorer, self.template = ClipScorer(model, device), template

    def __call__(
        self, pictures: Tensor, prompt: str, cameras: Cameras | None = None, background: Tensor | None = None
    ) -> Tensor:
        """See `dreamforge.contracts.Reward`; cameras and backgrounds are not used."""
        return 100 * self.scorer.scores(pictures.clamp(0, 1), [self.template.format(prompt)])[:, 0]
