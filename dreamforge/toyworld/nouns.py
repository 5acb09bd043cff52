"""Every noun of the toy world, by name."""

from __future__ import annotations

from functools import cache

import numpy as np

from dreamforge.toyworld.animals import ANIMALS
from dreamforge.toyworld.birds import BIRDS
from dreamforge.toyworld.figure import Maker
from dreamforge.toyworld.places import PLACES
from dreamforge.toyworld.things import THINGS
from dreamforge.toyworld.vehicles import VEHICLES

NOUNS: dict[str, Maker] = {**ANIMALS, **BIRDS, **VEHICLES, **THINGS, **PLACES}


@cache
def places(noun: str) -> frozenset[str]:
    """Where a noun can wear things: of "top", "eyes" and "neck"."""
    wear = NOUNS[noun](np.random.default_rng(0), None).wear
    return frozenset(place for place in ("top", "eyes", "neck") if getattr(wear, place) is not None)
