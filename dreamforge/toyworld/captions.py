"""The language of the toy world: prompts to descriptions and back.

A prompt is `[size] [color] [finish] noun [accessories] [relation thing] [, view]`, in many phrasings: "a blue duck
wearing a red scarf on a small wooden chair, front view".
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

import numpy as np

from dreamforge.toyworld.accessories import ACCESSORIES
from dreamforge.toyworld.descriptions import RELATIONS, Description, article, problem
from dreamforge.toyworld.words import lexicon, sayings, vocabulary

__all__ = ["Description", "UnknownWords", "caption", "parse", "vocabulary"]

_OPENINGS = ("", "", "", "", "a photo of ", "a picture of ", "an image of ", "a render of ", "a 3d model of ")
_LOOKS = ("color", "finish", "size")


class UnknownWords(ValueError):
    """A prompt that the toy world cannot picture; the message is one line that says why and what to try."""


def parse(prompt: str) -> Description:
    """What a prompt describes. The empty prompt is any noun at all.

    Raises `UnknownWords` for words outside the vocabulary, for no noun, two without a relation or three, and for what
    cannot be pictured (`descriptions.problem`).
    """
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", prompt.lower())
    if not words:
        return Description(None)
    things: list[Description] = []
    looks: dict[str, str] = {}  # said of what is still to come, or at the end of the thing before
    early: list[tuple[str, dict[str, str]]] = []  # accessories named before their wearer: "a top hat on a cat"
    relation: str | None = None
    view: str | None = None
    for part, name in _read(words, prompt):
        if part in _LOOKS:
            looks[part] = name
        elif part == "noun":
            if things and (relation is None or len(things) == 2):
                raise UnknownWords(_too_many(prompt, things, name))
            things.append(Description(name, **looks))
            looks = {}
            while early:
                things[-1] = _dressed(things[-1], *early.pop(0))
        elif part == "view":
            view = name
        elif part == "relation" and things:
            things[-1], looks = _with_looks(things[-1], looks), {}
            relation = name if len(things) == 1 else relation
        elif part == "relation" and name != "on":
            raise UnknownWords(f"nothing before '{name}' in {prompt!r}; say what is {name} it")
        elif part == "material" and things:
            things[-1] = replace(things[-1], finish=name)
        elif part == "material":
            looks["finish"] = name
        elif part == "accessory":
            if things:
                things[-1] = _dressed(things[-1], name, looks)
            else:
                early.append((name, looks))
            looks = {}
    if not things:
        raise UnknownWords(f"no noun in {prompt!r}; try 'a corgi', or see them all with `dreamforge list words`")
    things[-1] = _with_looks(things[-1], looks)
    if len(things) == 1 and relation not in (None, "on"):  # "a top hat on its head" names no second thing
        raise UnknownWords(f"nothing after '{relation}' in {prompt!r}; say what it is {relation}")
    other = things[1] if len(things) == 2 else None
    description = replace(things[0], view=view, relation=relation if other else None, other=other)
    if (trouble := problem(description)) is not None:
        raise UnknownWords(trouble)
    return description


def _with_looks(thing: Description, looks: dict[str, str]) -> Description:
    """What is said after a thing, as in "a car, red", holds unless something was said before it."""
    return replace(thing, **{part: name for part, name in looks.items() if getattr(thing, part) is None})


def _dressed(thing: Description, name: str, looks: dict[str, str]) -> Description:
    """With an accessory on, which takes a colour but no finish and no size."""
    color = looks.get("color") or {"golden": "yellow", "silver": "gray"}.get(looks.get("finish", ""))
    odd = [word for part, word in looks.items() if part != "color" and color is None or part == "size"]
    if odd:
        raise UnknownWords(f"a {name} cannot be {odd[0]}; accessories take a colour only, as in 'a red {name}'")
    return replace(thing, accessories=(*thing.accessories, (name, color)))


def _too_many(prompt: str, things: list[Description], noun: str) -> str:
    if len(things) == 2:
        return f"three things in {prompt!r}; the toy world pictures two at most"
    said = ", ".join(RELATIONS)
    return f"two things in {prompt!r} ({things[0].noun}, {noun}); say how they stand to each other: {said}"


def _read(words: list[str], prompt: str) -> list[tuple[str, str]]:
    """(part of speech, name) of each phrase, the longest match first; raises for unknown words."""
    known = lexicon()
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
    """One way to say it; `parse` gives the description back. Any noun at all is the empty caption."""
    if description.noun is None:
        return ""
    text = _thing(description, rng)
    if description.other is not None:
        text += f" {_say('relation', description.relation, rng)} {_thing(description.other, rng)}"
    text = str(rng.choice(_OPENINGS)) + text
    if description.view is None:
        return text
    view = _say("view", description.view, rng)
    return f"{text}, {view}" if view.endswith("view") else f"{text} seen {view}"


def _thing(thing: Description, rng: np.random.Generator) -> str:
    """"a red striped cat wearing a blue scarf", one way or another."""
    looks = [_say("color", thing.color, rng), _say("finish", thing.finish, rng)]
    made = sayings("material", thing.finish) if thing.finish else ()
    after = f" {made[0]}" if made and rng.random() < 0.3 else ""
    if after:
        looks.pop()
    elif rng.random() < 0.3:
        looks.reverse()
    text = " ".join(filter(None, [_say("size", thing.size, rng), *looks, _say("noun", thing.noun, rng)]))
    text = (f"the {text}" if rng.random() < 0.15 else article(text)) + after
    for i, (name, color) in enumerate(thing.accessories):
        item = " ".join(filter(None, [_say("color", color, rng), _say("accessory", name, rng)]))
        item = item if item.endswith("s") else article(item)
        preposition = ACCESSORIES[name].preposition if rng.random() < 0.6 else str(rng.choice(("wearing", "with")))
        text += f"{' and' if i else ''} {preposition} {item}"
    return text


def _say(part: str, name: str | None, rng: np.random.Generator) -> str:
    """The word itself, or one time in four a synonym; nothing for None."""
    if name is None:
        return ""
    ways = sayings(part, name)
    return ways[0] if rng.random() < 0.75 else str(rng.choice(ways))
