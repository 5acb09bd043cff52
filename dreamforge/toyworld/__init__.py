"""The toy world: a small procedural universe with words, exact pictures and ground-truth meshes.

    instances = [instance(parse("a corgi in a top hat"), seed) for seed in range(8)]
    pictures = render(instances, orbit([0, 90], 15))  # [2,8,4,64,64], premultiplied sRGB and coverage
"""

from dreamforge.toyworld.captions import Description, UnknownWords, caption, parse, vocabulary
from dreamforge.toyworld.meshes import to_mesh
from dreamforge.toyworld.raycast import render, render_pairs
from dreamforge.toyworld.world import RADIUS, Instance, instance, sheet

__all__ = [
    "RADIUS", "Description", "Instance", "UnknownWords", "caption", "instance", "parse", "render",
    "render_pairs", "sheet", "to_mesh", "vocabulary",
]  # fmt: skip
