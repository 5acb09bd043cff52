"""The words of the toy world, and what else they can be called."""

from __future__ import annotations

from functools import cache

from dreamforge.toyworld.accessories import ACCESSORIES
from dreamforge.toyworld.descriptions import RELATIONS, SIZES, VIEWS
from dreamforge.toyworld.figure import COLORS, FINISHES
from dreamforge.toyworld.nouns import NOUNS

SYNONYMS: dict[str, dict[str, str]] = {
    "noun": {
        "dog": "corgi", "puppy": "corgi", "doggy": "corgi", "kitten": "cat", "kitty": "cat", "bunny": "rabbit",
        "hare": "rabbit", "teddy bear": "bear", "teddy": "bear", "piglet": "pig", "lamb": "sheep", "tortoise": "turtle",
        "duckling": "duck", "rubber duck": "duck", "toad": "frog", "bumblebee": "bee", "automobile": "car",
        "hamburger": "burger", "cheeseburger": "burger", "spaceship": "rocket", "toadstool": "mushroom",
        "cup": "mug", "plane": "airplane", "aeroplane": "airplane", "sailboat": "boat", "ship": "boat",
        "locomotive": "train", "balloon": "hot air balloon", "hot-air balloon": "hot air balloon", "doughnut": "donut",
        "cottage": "house", "home": "house", "muffin": "cupcake", "ice cream cone": "ice cream", "postbox": "mailbox",
        "letterbox": "mailbox", "tea pot": "teapot", "tulip": "flower", "daisy": "flower", "dino": "dinosaur",
        "jack-o-lantern": "pumpkin", "sub": "submarine", "chick": "duck", "chopper": "helicopter", "lorry": "truck",
        "sorcerer": "wizard", "spaceman": "astronaut", "martian": "alien", "gingerbread cookie": "gingerbread man",
        "circus tent": "tent", "couch": "sofa", "settee": "sofa", "desk": "table", "bookcase": "bookshelf",
        "alarm clock": "clock", "tv": "television", "birthday cake": "cake", "upright piano": "piano",
    },
    "color": {
        "grey": "gray", "violet": "purple", "turquoise": "teal", "scarlet": "red", "crimson": "red",
        "dark blue": "navy", "light green": "lime", "cream": "beige", "tan": "beige",
    },
    "finish": {
        "matt": "matte", "glossy": "shiny", "polished": "shiny", "gold": "golden", "stripy": "striped",
        "dotted": "spotted", "polka-dot": "spotted", "polka dot": "spotted", "checked": "checkered",
        "checkerboard": "checkered", "chequered": "checkered", "knit": "knitted", "woolen": "knitted",
        "woollen": "knitted", "crocheted": "knitted", "metallic": "silver", "metal": "silver",
    },
    "material": {
        "made of wood": "wooden", "made of stone": "stone", "made of gold": "golden", "made of silver": "silver",
        "made of wool": "knitted",
    },
    "size": {
        "miniature": "tiny", "little": "small", "large": "big", "huge": "big", "giant": "big",
    },
    "accessory": {
        "hat": "top hat", "tophat": "top hat", "glasses": "sunglasses", "shades": "sunglasses", "bowtie": "bow tie",
        "birthday hat": "party hat", "woolly hat": "beanie", "cap": "beanie", "stetson": "cowboy hat",
        "christmas hat": "santa hat", "flower wreath": "flower crown", "cloak": "cape",
    },
    "relation": {
        "on top of": "on", "sitting on": "on", "standing on": "on", "beneath": "under", "below": "under",
        "underneath": "under", "over": "above", "hovering over": "above", "beside": "next to",
        "standing beside": "next to", "before": "in front of",
    },
    "view": {
        **{f"{view} view": view for view in VIEWS}, "rear view": "back", "top view": "overhead",
        "from the front": "front", "from the side": "side", "from the back": "back", "from behind": "back",
        "from above": "overhead",
    },
}  # fmt: skip
_DECORATION = (
    "a an the of in with wearing and its head photo photograph picture image render rendering dslr 3d cgi model toy "
    "plush cartoon cute adorable lovely beautiful highly detailed high quality realistic seen viewed standing sitting"
).split()


def vocabulary() -> dict[str, tuple[str, ...]]:
    """The nouns, colors and so on there are, by part of speech, for listing."""
    return {
        "noun": tuple(NOUNS), "color": tuple(COLORS), "finish": tuple(FINISHES), "size": tuple(SIZES),
        "accessory": tuple(ACCESSORIES), "relation": RELATIONS, "view": VIEWS,
    }  # fmt: skip


@cache
def lexicon() -> dict[str, tuple[str, str]]:
    """Every known phrase: its part of speech and what it stands for."""
    known = {word: ("decoration", word) for word in _DECORATION}
    for part, names in vocabulary().items():
        if part != "view":  # views are said in phrases only
            known |= {name: (part, name) for name in names}
    for part, synonyms in SYNONYMS.items():
        known |= {word: (part, name) for word, name in synonyms.items()}
    return known


@cache
def sayings(part: str, name: str) -> tuple[str, ...]:
    """All the ways to say it: the word itself first, then its synonyms."""
    own = () if part in ("view", "material") else (name,)
    return (*own, *(word for word, meant in SYNONYMS[part].items() if meant == name))
