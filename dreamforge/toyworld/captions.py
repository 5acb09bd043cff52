"""The words of the toy world: prompts to descriptions and back.

A prompt is `[decoration] [color] noun [, accessories] [, view]`: "a blue duck wearing a red scarf, front view".
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from dreamforge.toyworld.accessories import ACCESSORIES
from dreamforge.toyworld.figure import COLORS
from dreamforge.toyworld.nouns import NOUNS, places

VIEWS = ("front", "side", "back", "overhead")


@dataclass(frozen=True)
class Description:
    """What a prompt asks for. accessories: (name, color or None) each. A noun of None is any noun at all."""

    noun: str | None
    color: str | None = None
    accessories: tuple[tuple[str, str | None], ...] = ()
    view: str | None = None


class UnknownWords(ValueError):
    """A prompt that the toy world cannot picture; the message is one line that says why and what to try."""


_SYNONYMS: dict[str, dict[str, str]] = {
    "noun": {
        "dog": "corgi", "puppy": "corgi", "doggy": "corgi", "kitten": "cat", "kitty": "cat", "bunny": "rabbit",
        "hare": "rabbit", "teddy bear": "bear", "teddy": "bear", "piglet": "pig", "lamb": "sheep", "tortoise": "turtle",
        "duckling": "duck", "rubber duck": "duck", "toad": "frog", "bumblebee": "bee", "automobile": "car",
        "hamburger": "burger", "cheeseburger": "burger", "spaceship": "rocket", "toadstool": "mushroom",
        "cup": "mug", "plane": "airplane", "aeroplane": "airplane", "sailboat": "boat", "ship": "boat",
        "locomotive": "train", "balloon": "hot air balloon", "hot-air balloon": "hot air balloon", "doughnut": "donut",
        "cottage": "house", "home": "house", "muffin": "cupcake", "ice cream cone": "ice cream", "postbox": "mailbox",
        "letterbox": "mailbox", "tea pot": "teapot", "tulip": "flower", "daisy": "flower", "dino": "dinosaur",
        "jack-o-lantern": "pumpkin", "sub": "submarine", "chick": "duck",
    },
    "color": {
        "grey": "gray", "violet": "purple", "turquoise": "teal", "golden": "yellow", "scarlet": "red", "crimson": "red",
    },
    "accessory": {
        "hat": "top hat", "tophat": "top hat", "glasses": "sunglasses", "shades": "sunglasses", "bowtie": "bow tie",
        "birthday hat": "party hat", "woolly hat": "beanie", "cap": "beanie",
    },
    "view": {
        "front view": "front", "side view": "side", "back view": "back", "rear view": "back",
        "overhead view": "overhead", "top view": "overhead",
    },
}  # fmt: skip
_DECORATION = (
    "a an the of in on with wearing and its head photo photograph picture image render rendering dslr 3d cgi model "
    "toy plush cartoon cute small little tiny big adorable lovely beautiful highly detailed high quality realistic"
).split()


@cache
def _lexicon() -> dict[str, tuple[str, str]]:
    """Every known phrase: its part of speech and what it stands for."""
    known = {word: ("decoration", word) for word in _DECORATION}
    for part, names in (("noun", NOUNS), ("color", COLORS), ("accessory", ACCESSORIES)):
        known |= {name: (part, name) for name in names}
    for part, synonyms in _SYNONYMS.items():
        known |= {word: (part, name) for word, name in synonyms.items()}
    return known


def vocabulary() -> dict[str, tuple[str, ...]]:
    """The nouns, colors, accessories and views there are, by part of speech, for listing."""
    return {"noun": tuple(NOUNS), "color": tuple(COLORS), "accessory": tuple(ACCESSORIES), "view": VIEWS}


def wearable(noun: str) -> tuple[str, ...]:
    """The accessories that a noun has a place for."""
    return tuple(name for name, accessory in ACCESSORIES.items() if accessory.place in places(noun))


def parse(prompt: str) -> Description:
    """What a prompt describes. The empty prompt is any noun at all.

    Raises `UnknownWords` for words outside the vocabulary, for no noun or two, and for an accessory that the noun has
    no place for.
    """
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", prompt.lower())
    if not words:
        return Description(None)
    noun: str | None = None
    color: str | None = None
    view: str | None = None
    pending: str | None = None  # a colour whose thing is still to come
    worn: list[tuple[str, str | None]] = []
    for part, name in _read(words, prompt):
        if part == "color":
            pending = name
        elif part == "view":
            view = name
        elif part == "accessory":
            worn.append((name, pending))
            pending = None
        elif part == "noun":
            if noun is not None:
                raise UnknownWords(f"two things in {prompt!r} ({noun}, {name}); the toy world pictures one at a time")
            noun, color, pending = name, pending, None
    if noun is None:
        raise UnknownWords(f"no noun in {prompt!r}; try 'a corgi', or see them all with `dreamforge list words`")
    color = color or pending  # "a car, red"
    for name, _ in worn:
        if name not in wearable(noun):
            raise UnknownWords(f"a {noun} has no place for a {name}; it can wear: {', '.join(wearable(noun))}")
    return Description(noun, color, tuple(worn), view)


def _read(words: list[str], prompt: str) -> list[tuple[str, str]]:
    """(part of speech, name) of each phrase, the longest match first; raises for unknown words."""
    known = _lexicon()
    found: list[tuple[str, str]] = []
    unknown: list[str] = []
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            phrase = " ".join(words[at : at + length])
            if phrase in known:
                found.append(known[phrase])
                break
        else:
            unknown.append(words[at])
        at += length
    if unknown:
        content = [phrase for phrase, (part, _) in known.items() if part != "decoration"]
        near = dict.fromkeys(match for word in unknown for match in difflib.get_close_matches(word, content, 2, 0.4))
        hint = f"; the nearest it knows: {', '.join(near)}" if near else ""
        listed = ", ".join(repr(word) for word in unknown)
        raise UnknownWords(
            f"unknown to the toy world in {prompt!r}: {listed}{hint}; see all words with `dreamforge list words`"
        )
    return found


def caption(description: Description, rng: np.random.Generator) -> str:
    """One way to say it; `parse` gives the description back."""
    if description.noun is None:
        return ""
    text = _article(" ".join(filter(None, [description.color, description.noun])))
    for i, (name, color) in enumerate(description.accessories):
        accessory = ACCESSORIES[name]
        item = " ".join(filter(None, [color, name]))
        item = item if name.endswith("s") else _article(item)
        text += f"{' and' if i else ''} {accessory.preposition} {item}"
    if description.view is not None:
        text += f", {description.view} view"
    return str(rng.choice(("", "", "a photo of ", "a render of ", "a 3d model of "))) + text


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
