"""How good ember is, in figures: its pictures judged by ember-clip, beside the toy world's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.contracts import Prior
from dreamforge.ember.clip import ClipScorer
from dreamforge.ember.sampling import pictures
from dreamforge.rendering.background import composite
from dreamforge.toyworld import Description, draw, instance, parse, render_each
from dreamforge.toyworld import held_out as is_held_out
from dreamforge.toyworld.descriptions import article

RETRIEVED, TAKES = 64, 4
"""Prompts among which a picture has to find its own; samples of a prompt whose spread is measured."""
FRONTED = (
    "a corgi", "a cat", "a rabbit", "a bear", "a pig", "an elephant", "a penguin", "an owl", "a duck", "a dinosaur",
    "a car", "a bus", "a robot", "a chair", "a house", "an airplane",
)  # fmt: skip
VIEW_AZIMUTHS = {"front": 0.0, "side": 90.0, "back": 180.0}

Draw = Callable[[Sequence[str], int], Tensor]
"""Prompts and a seed to pictures `[B,3,H,W]`."""


@dataclass(frozen=True)
class Figures:
    """retrieval: of the prompts, the share whose picture is nearer to its own prompt than to any of the other 63.
    view: of nouns with a front, the share of pictures nearest to the view asked for. spread: the mean distance between
    embeddings of pictures of one prompt."""

    retrieval: float
    held_out: float
    view: float
    spread: float


def evaluate(draw_pictures: Draw, judge: ClipScorer, seed: int = 0) -> Figures:
    """The figures of anything that draws. About 320 pictures, a batch of 16 at a time."""
    trained, unseen = (prompts(RETRIEVED, seed, held_out=unseen) for unseen in (False, True))
    return Figures(
        retrieval(draw_pictures, judge, trained, seed),
        retrieval(draw_pictures, judge, unseen, seed),
        obeyed_views(draw_pictures, judge, seed),
        spread(draw_pictures, judge, trained[: RETRIEVED // TAKES], seed),
    )


def prompts(count: int, seed: int, *, held_out: bool) -> list[str]:
    """Different prompts of one thing, of compositions never trained on or of others; the plainest wording of each."""
    rng = np.random.default_rng([seed, 64, held_out])
    found: dict[str, None] = {}
    while len(found) < count:
        description = draw(rng, relations=False)
        if is_held_out(description) == held_out:
            found[plainly(description)] = None
    return list(found)


def plainly(thing: Description) -> str:
    """The plainest wording of one thing: "a red wooden cat wearing a top hat"."""
    worn = [article(" ".join(filter(None, (color, name)))) for name, color in thing.accessories]
    looks = " ".join(filter(None, (thing.size, thing.color, thing.finish, thing.noun)))
    return article(looks) + (f" wearing {' and '.join(worn)}" if worn else "")


def retrieval(draw_pictures: Draw, judge: ClipScorer, texts: Sequence[str], seed: int) -> float:
    """The share of texts that their own picture is nearest to."""
    nearest = judge.scores(_drawn(draw_pictures, texts, seed), texts).argmax(1).cpu()
    return float((nearest == torch.arange(len(texts))).float().mean())


def obeyed_views(draw_pictures: Draw, judge: ClipScorer, seed: int) -> float:
    """The share of pictures of "NOUN, front view" and so on that are nearest to the view they were asked for."""
    right = []
    for view in VIEW_AZIMUTHS:
        shown = _drawn(draw_pictures, [f"{noun}, {view} view" for noun in FRONTED], seed)
        for picture, noun in zip(shown, FRONTED, strict=True):
            scores = judge.scores(picture[None], [f"{noun}, {other} view" for other in VIEW_AZIMUTHS])[0]
            right.append(list(VIEW_AZIMUTHS)[int(scores.argmax())] == view)
    return float(np.mean(right))


def spread(draw_pictures: Draw, judge: ClipScorer, texts: Sequence[str], seed: int) -> float:
    """The mean distance between embeddings of `TAKES` pictures of the same text."""
    takes = torch.stack([judge.pictures(_drawn(draw_pictures, texts, seed + take)) for take in range(TAKES)])
    apart = torch.cdist(takes.transpose(0, 1), takes.transpose(0, 1))  # [texts,takes,takes]
    return float(apart.sum() / (len(texts) * TAKES * (TAKES - 1)))


def ground_truth(size: int = 64) -> Draw:
    """The toy world itself: a random instance of each prompt, from its view or any, on a plain background."""

    def draw_pictures(texts: Sequence[str], seed: int) -> Tensor:
        rng = np.random.default_rng([seed, 7])
        things = [parse(text) for text in texts]
        azimuths = [VIEW_AZIMUTHS.get(thing.view or "", rng.uniform(-180, 180)) for thing in things]
        shown = [instance(thing, int(rng.integers(2**31))) for thing in things]
        rgba = render_each(shown, orbit(azimuths, 15.0, size=size))
        return composite(rgba, torch.from_numpy(rng.random((len(texts), 3), np.float32)))

    return draw_pictures


def drawn_by(prior: Prior, guidance: float = 5.0, steps: int = 20) -> Draw:
    """A prior's samples."""
    return lambda texts, seed: pictures(prior, texts, guidance=guidance, steps=steps, seed=seed)


def _drawn(draw_pictures: Draw, texts: Sequence[str], seed: int) -> Tensor:
    return torch.cat([draw_pictures(texts[i : i + 16], seed + 1000 * i) for i in range(0, len(texts), 16)])
