"""`dreamforge toyworld` and `ember`: the embedded world, and the model that learns it."""

from __future__ import annotations

import argparse
import functools
import sys
from typing import Any

from dreamforge.cli.parser import tools_of


def add_to(commands: Any) -> None:
    """Add the commands, each with the function that carries it out as `call`."""
    toy = commands.add_parser("toyworld", help="ground truth from the embedded toy world")
    tools = tools_of(toy)
    _add_object(tools)
    bank = tools.add_parser("bank", help="write posed pictures of a mesh, for --prior empirical")
    bank.add_argument("mesh", metavar="MESH", help="a .glb or .obj file; one that is not inside the unit sphere is moved there")
    bank.add_argument("-o", "--output", required=True, metavar="DIR", help="a new folder")
    bank.add_argument("--views", type=int, default=160, help="number of pictures (default: 160)")
    bank.add_argument("--size", type=int, default=128, help="pixels a side (default: 128)")
    _add_ember(commands)
    toy.set_defaults(call=_toyworld)


def _add_object(tools: Any) -> None:
    made = tools.add_parser("object", help="write a toy-world object as a mesh")
    made.add_argument("prompt", metavar="PROMPT", help='such as "a red car"')
    made.add_argument("-o", "--output", required=True, metavar="FILE", help="a .glb or .obj file")
    made.add_argument("--seed", type=int, default=0, help="another seed has other proportions")


def _add_ember(commands: Any) -> None:
    ember = commands.add_parser("ember", help="the embedded diffusion model: train it, look at it, judge it")
    tools = tools_of(ember)
    train = tools.add_parser(
        "train",
        help="train it on the toy world",
        description="Train until --minutes have been spent on it, earlier runs into the same folder included; run again "
        "with more to go on. Safe to kill: it goes on from the last checkpoint.",
    )
    train.add_argument("what", nargs="?", default="all", metavar="WHAT", help="vae, clip, unet, multiview, adapter or all")
    train.add_argument("--minutes", type=float, default=30.0, help="in all (default: 30)")
    train.add_argument("--out", metavar="DIR", help="where (default: ~/.cache/dreamforge/ember)")
    train.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    train.add_argument("--workers", type=int, help="processes that render (default: by the machine)")
    train.add_argument("--seed", type=int, default=0)
    sample = tools.add_parser("sample", help="draw pictures of prompts")
    sample.add_argument("--prompt", action="append", required=True, help="what to draw; may be given several times")
    sample.add_argument("-o", "--output", required=True, metavar="FILE", help="a .png file")
    sample.add_argument("--takes", type=int, default=4, help="pictures of each prompt (default: 4)")
    evaluate = tools.add_parser("evaluate", help="retrieval, views and spread, judged by ember-clip")
    for tool in (sample, evaluate):
        tool.add_argument("--model", default="ember", help="ember, or a folder in diffusers format (default: ember)")
        tool.add_argument("--guidance", type=float, default=5.0, help="of classifier-free guidance (default: 5)")
        tool.add_argument("--steps", type=int, default=20, help="of DDIM (default: 20)")
        tool.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--judge", default="ember-clip", metavar="DIR", help="a CLIP folder (default: ember-clip)")
    evaluate.add_argument("-o", "--output", metavar="FILE", help="a .png file for samples of 32 prompts")
    _add_object(tools)
    ember.set_defaults(call=_ember)


def _toyworld(arguments: argparse.Namespace) -> None:
    from dreamforge import ground_truth

    if arguments.tool == "object":
        ground_truth.write_object(arguments.prompt, arguments.output, arguments.seed)
    else:
        ground_truth.write_bank(arguments.mesh, arguments.output, arguments.views, arguments.size)
    print(arguments.output)


def _ember(arguments: argparse.Namespace) -> None:
    from dreamforge.ember import tools

    match arguments.tool:
        case "train":
            say = functools.partial(print, file=sys.stderr, flush=True)
            keys = ("minutes", "out", "device", "workers", "seed")
            tools.train(arguments.what, say=say, **{key: getattr(arguments, key) for key in keys})
        case "sample":
            drawing = (arguments.model, arguments.guidance, arguments.steps, arguments.seed)
            tools.write_samples(arguments.prompt, arguments.output, arguments.takes, *drawing)
            print(arguments.output)
        case "evaluate":
            drawing = (arguments.model, arguments.guidance, arguments.steps, arguments.seed)
            for line in tools.judged(arguments.judge, arguments.output, *drawing):
                print(line)
        case "object":
            _toyworld(arguments)
