"""`dreamforge edit`."""

from __future__ import annotations

import argparse
from typing import Any

from dreamforge.cli.parser import FORMATS
from dreamforge.errors import UserError

RECIPES = "retexture, restyle, refine, part, dds, pds"


def add_to(commands: Any) -> None:
    """Add the command, with the function that carries it out as `call`."""
    edit = commands.add_parser(
        "edit",
        help="change a mesh, splats or an earlier run",
        description="Change what exists: a mesh (.glb, .gltf, .obj, .ply), splats (.ply, .splat, .spz) or what an earlier run "
        "made. The result is a run like any other, and its files are at the source's own place, scale and orientation.",
        epilog="SOURCE can be a .yaml file instead: a recipe that names its source, prompt and all. Any key of the "
        "configuration can follow as KEY=VALUE, such as stages.0.steps=100.",
    )
    edit.add_argument("source", metavar="SOURCE", help="a file, a run folder, or a .yaml file of a whole edit")
    edit.add_argument("--prompt", help='what it is to become, such as "a wooden chair" (default: a run\'s own)')
    edit.add_argument("--recipe", help=f"{RECIPES}, or a .yaml file (default: retexture)")
    edit.add_argument("--source-prompt", help="what the source shows now (dds and pds; default: a run's own)")
    edit.add_argument("--box", metavar="X,Y,Z,X,Y,Z", help="change only what is inside: lowest corner, highest corner")
    edit.add_argument("--material", metavar="NAME", help="change only the faces of a material")
    edit.add_argument("--painted", metavar="FILE", help="change only where this copy's vertices are painted white")
    edit.add_argument("--up", metavar="AXIS", help="the source's own up, such as z or, after an equals sign, -y (default: y)")
    edit.add_argument("--front", metavar="AXIS", help="the source's own front (default: z, or -y where --up is z)")
    edit.add_argument("--budget", type=float, help="how far anything may move, a share of its size (default: the recipe's)")
    edit.add_argument("--prior", help="the diffusion prior; see `dreamforge list priors` (default: the recipe's)")
    edit.add_argument("--negative", help="what to steer away from (needs guidance other than 1)")
    edit.add_argument("--seed", type=int, help="another seed gives another take (default: 0)")
    edit.add_argument("--out", metavar="DIR", help="the run folder itself (default: outputs/<prompt>-<number>)")
    edit.add_argument("--format", help=f"file formats, separated by commas: {FORMATS} (default: the source's)")
    edit.set_defaults(call=_edit, overridable=True)


def _edit(arguments: argparse.Namespace) -> None:
    from dreamforge import pipeline

    names = ("prompt", "source_prompt", "budget", "up", "front", "prior", "negative", "seed")
    settings: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    region = {"box": _numbers(arguments.box), "material": arguments.material, "painted": arguments.painted}
    settings["region"] = {name: value for name, value in region.items() if value is not None} or None
    settings["export"] = {"formats": arguments.format.split(",")} if arguments.format else None
    recipe = arguments.recipe or "retexture"
    if arguments.source.endswith((".yaml", ".yml")):
        if arguments.recipe:
            raise UserError(f"{arguments.source} is a recipe itself; name another as its base, or give --recipe a source")
        recipe = arguments.source
    else:
        settings["source"] = arguments.source
    given = {name: value for name, value in settings.items() if value is not None}
    command = ["dreamforge", *arguments.argv]
    pipeline.start(recipe=recipe, overrides=arguments.overrides, out=arguments.out, command=command, **given)


def _numbers(text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(number) for number in text.split(",")]
    except ValueError as error:
        raise UserError(f"--box: '{text}' is not six numbers with commas, such as 0,0.3,0,1,1,1") from error
