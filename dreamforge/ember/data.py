"""What ember learns from: captioned pictures of toy-world objects, each seen from four sides. Batch k depends on (seed, k)
alone; worker processes render ahead of the training."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dreamforge.cameras import Cameras, cat
from dreamforge.processes import use_threads
from dreamforge.prompts import view_words
from dreamforge.rng import generator
from dreamforge.toyworld import Description, render_pairs, vocabulary
from dreamforge.toyworld.descriptions import VIEWS

PAIRED, ELEVATIONS, VIEW_WORD = 4, (-20.0, 70.0), 0.75
"""One batch of new objects in so many has pictures of two things, three in ten; degrees, so that some are overhead; the share
of captions that say the view."""
_WORDS = vocabulary()
ATTRIBUTES = {
    f"{which}{part}": _WORDS[part.split()[-1]]
    for which in ("", "other ") for part in ("noun", "color", "finish", "size", "accessory", "accessory color")
} | {part: _WORDS[part] for part in ("relation", "view")}  # fmt: skip
"""What there is to name in a picture, and the words for it."""


@dataclass
class Examples:
    """N objects, each from V sides (a turn's equal parts apart); everything runs over the N*V pictures, object by object.

    pixels: `[N*V,3,H,W]` uint8. latents: theirs, `[N*V,C,h,w]`, where a task has prepared them. said: what the caption
    of a picture says, its view word or none included.
    """

    views: int
    pixels: Tensor
    captions: list[str]
    said: list[Description]
    cameras: Cameras
    latents: Tensor | None = None

    def __len__(self) -> int:
        return len(self.captions)

    def pictures(self, device: torch.device) -> Tensor:
        """`[N*V,3,H,W]` in [0,1]."""
        return self.pixels.to(device).float() / 255

    def object(self, index: int) -> Examples:
        """One object's pictures."""
        here = slice(index * self.views, (index + 1) * self.views)
        return Examples(
            self.views, self.pixels[here], self.captions[here], self.said[here], self.cameras[here],
            None if self.latents is None else self.latents[here],
        )  # fmt: skip

    def attributes(self) -> Tensor:
        """`[N*V,len(ATTRIBUTES)]`: the number of what each picture shows of each attribute; 0 for what is not said."""
        views = view_words(self.cameras)
        return torch.tensor([_numbers(replace(said, view=view)) for said, view in zip(self.said, views, strict=True)])

    def truth(self) -> Tensor:
        """`[N*V,N*V]` bool: whether caption i is true of picture j (of the same description, and from the view it says)."""
        things = [replace(said, view=None) for said in self.said]
        numbers = {thing: i for i, thing in enumerate(dict.fromkeys(things))}
        thing = torch.tensor([numbers[thing] for thing in things])
        said = torch.tensor([VIEWS.index(said.view) if said.view else -1 for said in self.said])
        seen = torch.tensor([VIEWS.index(view) for view in view_words(self.cameras)])
        return (thing[:, None] == thing) & ((said[:, None] == seen) | (said[:, None] < 0))


@dataclass(frozen=True)
class Stream:
    """Batches of `objects` objects from `views` sides in pictures of `size` pixels.

    reuse: how many times an object is shown on average, out of a pool of the latest `pool` objects; 1 shows each once.
    workers: processes that render ahead (0: none, between the steps).
    """

    seed: int
    objects: int
    views: int
    size: int
    reuse: int = 1
    pool: int = 8192
    workers: int = 0

    @property
    def fresh(self) -> int:
        """Objects in a batch that were not shown before, on average."""
        return max(1, self.objects // self.reuse)

    def batches(self, first: int = 0, prepare: Callable[[Examples], Examples] = lambda new: new) -> Iterator[Examples]:
        """Batch `first` and those after it; which is the first makes no difference to any. prepare: applied to new objects,
        once each."""
        depth = max(1, self.pool // self.fresh) if self.reuse > 1 else 1
        kept: deque[Examples] = deque(maxlen=depth)
        start = max(0, first - depth + 1)
        ahead = {"prefetch_factor": 4, "multiprocessing_context": "spawn"} if self.workers else {}
        items = DataLoader(
            _Rendered(self), batch_size=None, sampler=range(start, 2**40), num_workers=self.workers,
            worker_init_fn=_one_thread, **ahead,
        )  # fmt: skip
        for k, examples in enumerate(items, start):
            kept.append(prepare(examples))
            if k >= first:
                yield kept[-1] if self.reuse == 1 else self._drawn(kept, k)

    def _drawn(self, kept: deque[Examples], k: int) -> Examples:
        index = torch.randint(len(kept) * self.fresh, (self.objects,), generator=generator(self.seed, k, "pool"))
        return _joined([kept[i // self.fresh].object(i % self.fresh) for i in index.tolist()])


class _Rendered(Dataset):
    """Item k: the objects that are new in batch k."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __getitem__(self, k: int) -> Examples:
        stream = self.stream
        seed = generator(stream.seed, k, "examples").initial_seed()
        pairs = render_pairs(
            stream.fresh, seed, stream.size, views=stream.views, view_word=VIEW_WORD, relations=k % PAIRED == 0,
            elevations=ELEVATIONS,
        )  # fmt: skip
        return Examples(stream.views, (pairs.pictures * 255).round().byte(), pairs.captions, pairs.descriptions, pairs.cameras)


def _joined(parts: list[Examples]) -> Examples:
    return Examples(
        parts[0].views,
        torch.cat([part.pixels for part in parts]),
        [text for part in parts for text in part.captions],
        [said for part in parts for said in part.said],
        cat([part.cameras for part in parts]),
        None if parts[0].latents is None else torch.cat([part.latents for part in parts]),
    )


def _numbers(said: Description) -> list[int]:
    """In the order of `ATTRIBUTES`."""
    shown = {"relation": said.relation, "view": said.view}
    for which, thing in zip(("", "other "), said.things, strict=False):
        worn, tint = thing.accessories[0] if thing.accessories else (None, None)
        shown |= {f"{which}{part}": getattr(thing, part) for part in ("noun", "color", "finish", "size")}
        shown |= {f"{which}accessory": worn, f"{which}accessory color": tint}
    return [words.index(shown[name]) + 1 if shown.get(name) else 0 for name, words in ATTRIBUTES.items()]


def _one_thread(worker: int) -> None:
    use_threads(1)
