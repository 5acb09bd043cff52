"""Every noun of the toy world, by name."""

from __future__ import annotations

from functools import cache

import numpy as np

from dreamforge.toyworld.animals import ANIMALS
from dreamforge.toyworld.birds import BIRDS
from dreamforge.toyworld.buildings import BUILDINGS
from dreamforge.toyworld.characters import CHARACTERS
from dreamforge.toyworld.figure import Maker, Tint
from dreamforge.toyworld.food import FOOD
from dreamforge.toyworld.furniture import FURNITURE
from dreamforge.toyworld.instruments import INSTRUMENTS
from dreamforge.toyworld.plants import PLANTS
from dreamforge.toyworld.vehicles import VEHICLES
from dreamforge.toyworld.wild import WILD

NOUNS: dict[str, Maker] = {
    **ANIMALS, **WILD, **BIRDS, **CHARACTERS, **VEHICLES, **BUILDINGS, **PLANTS, **FURNITURE, **FOOD, **INSTRUMENTS,
}  # fmt: skip


# What looks alike from all around or has no side that anybody calls its front: a view word says little of it.
FRONTLESS = frozenset(
    ("hot air balloon", "tree", "palm tree", "lamp", "umbrella", "table", "apple", "cupcake", "ice cream", "burger",
     "cake", "drum", "trumpet")
)  # fmt: skip


@cache
def places(noun: str) -> frozenset[str]:
    """Where a noun can wear things or hold others: of "top", "eyes", "neck", "seat" and "room"."""
    figure = NOUNS[noun](np.random.default_rng(0), Tint())
    where = {"top": figure.wear.top, "eyes": figure.wear.eyes, "neck": figure.wear.neck}
    where |= {"seat": figure.seat, "room": figure.room}
    return frozenset(place for place, point in where.items() if point is not None)
