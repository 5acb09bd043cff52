"""Which things the toy world can picture: what is possible, drawing and counting it, and the held-out split."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dreamforge.toyworld.accessories import ACCESSORIES
from dreamforge.toyworld.figure import COLORS, FINISHES
from dreamforge.toyworld.nouns import NOUNS, places
from dreamforge.toyworld.primitives import Finish

VIEWS = ("front", "side", "back", "overhead")
SIZES = {"tiny": 0.45, "small": 0.65, "big": 1.4}  # beside the other thing, or in the picture where there is one
RELATIONS = ("on", "under", "above", "next to", "in front of", "behind")
_METALS = tuple(name for name, (finish, _) in FINISHES.items() if finish == Finish.METAL)  # which take no colour
_NEEDS = {"on": "seat", "under": "room"}  # what the second thing must have
_HELD_OUT = 12  # one in so many combinations of a noun and an attribute is never trained on


@dataclass(frozen=True)
class Description:
    """What a prompt asks for. accessories: (name, color or None) each. A noun of None is any noun at all.

    other: the second thing, which the first stands in `relation` to; it has no view and no other of its own.
    """

    noun: str | None
    color: str | None = None
    accessories: tuple[tuple[str, str | None], ...] = ()
    view: str | None = None
    finish: str | None = None
    size: str | None = None
    relation: str | None = None
    other: Description | None = None

    @property
    def things(self) -> list[Description]:
        """The one or two things there are."""
        return [self] if self.other is None else [self, self.other]


def wearable(noun: str) -> tuple[str, ...]:
    """The accessories that a noun has a place for."""
    return tuple(name for name, accessory in ACCESSORIES.items() if accessory.place in places(noun))


def partners(relation: str) -> tuple[str, ...]:
    """The nouns that something can stand in that relation to."""
    return tuple(noun for noun in NOUNS if _NEEDS.get(relation, "top") in places(noun))


def problem(description: Description) -> str | None:
    """Why the toy world cannot picture it, in one line with what to try; None where it can."""
    for thing in description.things:
        noun = thing.noun
        if noun is None:
            continue
        for name, _ in thing.accessories:
            if name not in wearable(noun):
                return f"{article(noun)} has no place for a {name}; it can wear: {', '.join(wearable(noun))}"
        if thing.color and thing.finish in _METALS:
            either = f"'{article(f'{thing.finish} {noun}')}' or '{article(f'{thing.color} {noun}')}'"
            return f"{thing.finish} is a colour already; say {either}"
    if description.other and description.other.noun not in partners(str(description.relation)):
        known = partners(str(description.relation))
        return f"nothing can be {description.relation} {article(str(description.other.noun))}; try: {', '.join(known)}"
    return None


def article(words: str) -> str:
    """The words with "a" or "an" before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def draw(rng: np.random.Generator, relations: bool = True) -> Description:
    """A random possible description without a view; with `relations` three in ten have a second thing."""
    first = _draw_one(rng, dressed=0.3)
    if not (relations and rng.random() < 0.3):
        return first
    relation = str(rng.choice(RELATIONS))
    return replace(first, relation=relation, other=_draw_one(rng, dressed=0.08, nouns=partners(relation)))


def _draw_one(rng: np.random.Generator, dressed: float, nouns: Sequence[str] = tuple(NOUNS)) -> Description:
    noun = str(rng.choice(nouns))
    finish = str(rng.choice(list(FINISHES))) if rng.random() < 0.35 else None
    color = str(rng.choice(list(COLORS))) if rng.random() < 0.6 and finish not in _METALS else None
    size = str(rng.choice(list(SIZES))) if rng.random() < 0.15 else None
    worn = ()
    if rng.random() < dressed:
        worn = ((str(rng.choice(wearable(noun))), str(rng.choice(list(COLORS))) if rng.random() < 0.4 else None),)
    return Description(noun, color, worn, finish=finish, size=size)


def count(nouns: Sequence[str] = tuple(NOUNS)) -> int:
    """How many different descriptions of `nouns` there are: with at most one accessory a thing, and no view word."""
    looks = (1 + len(COLORS)) * (1 + len(FINISHES) - len(_METALS)) + len(_METALS)
    one = {noun: looks * (1 + len(SIZES)) * (1 + (1 + len(COLORS)) * len(wearable(noun))) for noun in nouns}
    others = sum(one[noun] for relation in RELATIONS for noun in partners(relation) if noun in one)
    return sum(one.values()) * (1 + others)


def held_out(description: Description) -> bool:
    """Whether a description is never trained on.

    It is when any combination in it is one of those held out: a noun with a colour, a finish or an accessory, or two
    nouns in a relation. Which those are is a hash of the words, one in twelve, so that every word is trained on, and a
    combination held out is unseen in every context.
    """
    return any(zlib.crc32(pair.encode()) % _HELD_OUT == 0 for pair in _combinations(description))


def _combinations(description: Description) -> Iterator[str]:
    for thing in description.things:
        worn = (name for name, _ in thing.accessories)
        for attribute in filter(None, (thing.color, thing.finish, *worn)):
            yield f"{thing.noun}|{attribute}"
    if description.other:
        yield f"{description.noun}|{description.relation}|{description.other.noun}"
