"""Make assets for a list of prompts and show eight sides of each written .glb in one picture.

    python examples/gallery.py gallery.png --recipe splats "a red car" "a yellow duck"

Without prompts it makes the README's picture and the twelve prompts of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import dreamforge
import torch

from dreamforge.cameras import orbit
from dreamforge.export import FORMATS
from dreamforge.pictures import contact_sheet, save_picture
from dreamforge.rendering.raster import render_mesh

PROMPTS = (
    "a corgi in a top hat",
    "a red car",
    "a yellow duck",
    "a snowman wearing a red scarf",
    "a rocket",
    "a house",
    "a mushroom",
    "a blue mug",
    "a chair",
    "a robot in a party hat",
    "a tree",
    "a cat wearing sunglasses",
    "a penguin with a blue bow tie",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("prompts", nargs="*", default=PROMPTS)
    parser.add_argument("--recipe", default="splats")
    parser.add_argument("--sides", type=int, default=8)
    arguments = parser.parse_intermixed_args()
    sides = []
    for prompt in arguments.prompts:
        began = time.monotonic()
        run = dreamforge.run(prompt, arguments.recipe)
        mesh = FORMATS["glb"].load(run.folder / "assets" / "model.glb")
        cameras = orbit([360 * i / arguments.sides + 25 for i in range(arguments.sides)], 15, size=192)
        sides.append(render_mesh(mesh, cameras, torch.full((arguments.sides, 3), 0.94)).rgb)
        print(f"{prompt}: {time.monotonic() - began:.0f} s")
    save_picture(contact_sheet(torch.cat(sides), columns=arguments.sides), arguments.picture)


if __name__ == "__main__":
    main()
