"""Ember-clip: a dual encoder, the judge of pictures. Its data and seeds are its own; ember is not trained with it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from dreamforge.ember import networks
from dreamforge.ember.clip import OPENAI_MEAN, OPENAI_STD, normalized
from dreamforge.ember.data import ATTRIBUTES, Examples
from dreamforge.ember.fit import Random, Task
from dreamforge.ember.tokenizer import every_word
from dreamforge.pictures import contact_sheet
from dreamforge.priors.diffusers import WORDS_FILE
from dreamforge.toyworld import render_pairs

SHIFT = 4  # pixels at most


class ClipTask(Task):
    """Writes ember-clip/.

    The contrastive loss of CLIP, in which a caption's targets are all pictures of which it is true. While it trains, linear
    heads that name each attribute of a picture, too: they teach the vision tower what contrast within a batch seldom
    asks for, and go. Pictures are mirrored and shifted, of which no caption says anything.
    """

    views, size, batch, lr, muon, reuse, bf16 = 4, 64, 64, 1e-3, 9e-3, 4, True

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.tokenizer = networks.tokenizer()
        clip = networks.clip(self.tokenizer)
        if device.type == "cpu":
            networks.attend_plainly(clip)
        self.choices = [1 + len(words) for words in ATTRIBUTES.values()]  # or none
        naming = nn.Linear(clip.config.vision_config.hidden_size, sum(self.choices))
        self.model = nn.ModuleDict({"clip": clip, "naming": naming})

    def losses(self, examples: Examples, random: Random) -> dict[str, Tensor]:
        """"naming": cross-entropies of all attributes together. "top1": how often the caption nearest to a picture is true of
        it, within the batch."""
        clip, device = self.model["clip"], self.model["clip"].device
        pixels = normalized(_moved(examples.pictures(device), random("moved")), clip.config.vision_config.image_size)
        seen = clip.vision_model(pixel_values=pixels).pooler_output
        images = nn.functional.normalize(clip.visual_projection(seen), dim=-1)
        scores = clip.logit_scale.exp().clamp(max=100) * self._texts(examples.captions) @ images.T  # [captions,pictures]
        true = examples.truth().to(device)
        contrast = 0.5 * (_contrast(scores, true) + _contrast(scores.T, true.T))
        named = self.model["naming"](seen).float().split(self.choices, dim=1)
        shown = examples.attributes().to(device).T
        naming = torch.stack([nn.functional.cross_entropy(*pair) for pair in zip(named, shown, strict=True)]).sum()
        return {
            "loss": contrast + naming,
            "contrast": contrast.detach(),
            "naming": naming.detach(),
            "noun": (named[0].argmax(1) == shown[0]).float().mean(),
            "top1": true.T.gather(1, scores.argmax(0)[:, None]).float().mean(),
        }

    def _texts(self, captions: list[str]) -> Tensor:
        clip = self.model["clip"]
        tokens = self.tokenizer(captions, padding=True, truncation=True, return_tensors="pt").input_ids
        pooled = clip.text_model(input_ids=tokens.to(clip.device)).pooler_output
        return nn.functional.normalize(clip.text_projection(pooled), dim=-1)

    @torch.no_grad()
    def picture(self) -> Tensor:
        """Pictures never seen: each column's first, then the three it takes for the likest of 64."""
        pictures = render_pairs(64, seed=1, size=self.size).pictures.to(self.model["clip"].device)
        clip = self.model["clip"]
        seen = clip.vision_model(pixel_values=normalized(pictures, clip.config.vision_config.image_size))
        images = nn.functional.normalize(clip.visual_projection(seen.pooler_output), dim=-1)
        likest = (images[:8] @ images.T).topk(4, dim=1).indices  # itself first
        return contact_sheet(pictures[likest.T.flatten()], 8)

    def write(self, folder: Path) -> None:
        """The `CLIPModel` folder in half precision, with tokenizer, picture processor and words."""
        from transformers import CLIPImageProcessor

        out, clip = folder / "ember-clip", self.model["clip"]
        size = clip.config.vision_config.image_size
        clip.half().save_pretrained(out)
        clip.float()
        self.tokenizer.save_pretrained(out)
        CLIPImageProcessor(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}, image_mean=OPENAI_MEAN, image_std=OPENAI_STD
        ).save_pretrained(out)
        (out / WORDS_FILE).write_text("\n".join(every_word()) + "\n")


def _moved(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Each mirrored half the time, all shifted alike; the borders go on."""
    mirrored = torch.rand(len(pictures), 1, 1, 1, generator=random).to(pictures.device) < 0.5
    down, right = torch.randint(2 * SHIFT + 1, (2,), generator=random).tolist()
    padded = nn.functional.pad(torch.where(mirrored, pictures.flip(-1), pictures), (SHIFT,) * 4, mode="replicate")
    height, width = pictures.shape[-2:]
    return padded[..., down : down + height, right : right + width]


def _contrast(scores: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy of each row against its true columns, alike."""
    target = true.float() / true.sum(1, keepdim=True)
    return -(target * scores.float().log_softmax(1)).sum(1).mean()
