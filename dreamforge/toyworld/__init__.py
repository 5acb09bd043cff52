"""The toy world: a small procedural universe with words, exact pictures and ground-truth meshes.

    instances = [instance(parse("a corgi in a top hat"), seed) for seed in range(8)]
    pictures = render(instances, orbit([0, 90], 15))  # [2,8,4,64,64], premultiplied sRGB and coverage
    pairs = render_pairs(256, seed=0)  # pictures with captions, to train on
"""

from dreamforge.toyworld.captions import UnknownWords, caption, parse
from dreamforge.toyworld.descriptions import RELATIONS, Description, count, draw, held_out
from dreamforge.toyworld.layout import RADIUS
from dreamforge.toyworld.meshes import to_mesh
from dreamforge.toyworld.nouns import FRONTLESS
from dreamforge.toyworld.pairs import Pairs, render_pairs
from dreamforge.toyworld.raycast import render, render_each
from dreamforge.toyworld.words import vocabulary
from dreamforge.toyworld.world import Instance, instance, sheet

__all__ = [
    "FRONTLESS", "RADIUS", "RELATIONS", "Description", "Instance", "Pairs", "UnknownWords", "caption", "count", "draw",
    "held_out", "instance", "parse", "render", "render_each", "render_pairs", "sheet", "to_mesh", "vocabulary",
]  # fmt: skip
