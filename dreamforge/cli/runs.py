"""`dreamforge run`, `resume`, `export` and `view`."""

from __future__ import annotations

import argparse
from typing import Any

from dreamforge.cli.parser import FORMATS


def add_to(commands: Any) -> None:
    """Add the commands, each with the function that carries it out as `call`."""
    run = commands.add_parser(
        "run",
        help="make an asset from a prompt",
        description="Make an asset from a prompt: optimize a scene until its renders look right to the prior, then "
        "write a mesh, check it, and write a report. The run folder's path and a report are printed at the end.",
        epilog="Any key of the configuration can follow as KEY=VALUE, such as stages.0.steps=200 or "
        "prior.instances=1. `dreamforge config RECIPE` lists them.",
    )
    run.add_argument("--prompt", required=True, help='what to make, such as "a corgi in a top hat"')
    run.add_argument("--recipe", default="splats", help="a recipe's name or a .yaml file (default: splats)")
    run.add_argument("--prior", help="the diffusion prior; see `dreamforge list priors` (default: the recipe's)")
    run.add_argument("--negative", help="what to steer away from (needs guidance other than 1)")
    run.add_argument("--source-prompt", help="what an edit starts from (recipes such as dds)")
    run.add_argument("--image", metavar="FILE", help="a picture of what is wanted (recipes such as isd)")
    run.add_argument("--seed", type=int, help="another seed gives another take (default: 0)")
    run.add_argument("--out", metavar="DIR", help="the run folder itself (default: outputs/<prompt>-<number>)")
    run.add_argument("--format", help=f"file formats, separated by commas: {FORMATS} (default: glb)")

    resume = commands.add_parser("resume", help="finish an interrupted run")
    resume.add_argument("run", metavar="RUN", help="a run folder")

    export = commands.add_parser(
        "export",
        help="write a finished run's asset in other formats",
        description="Write a finished run's asset in other formats or sizes, into the run's assets folder. Every file is "
        "read back and compared with the scene before it is put there. What is not given is as the run had it.",
    )
    export.add_argument("run", metavar="RUN", help="a run folder")
    export.add_argument("--format", default="glb", help=f"file formats, separated by commas: {FORMATS} (default: glb)")
    export.add_argument("--faces", type=int, help="most faces of a mesh that is made, such as 20000 (a scene that is a mesh keeps its own)")
    export.add_argument("--texture", type=int, metavar="PIXELS", help="side of the texture, such as 2048 (as for --faces)")
    export.add_argument("--resolution", type=int, metavar="CELLS", help="cells across the scene when its surface is found")
    export.add_argument("--image", help="how texture colours are stored: png, jpeg or webp")
    export.add_argument(
        "--pbr", action="store_true", default=None,
        help="let viewers light the asset, with the surface's detail in a normal map (default: colours as they are)",
    )

    view = commands.add_parser(
        "view",
        help="look at a file, or at a run while it goes on, in the browser",
        description="Serve a live view on 127.0.0.1: of a mesh or splat file, or of a run folder's newest checkpoint, "
        "and of those after it while the run goes on. Ctrl-C ends it.",
    )
    view.add_argument("target", metavar="RUN|FILE", help=f"a run folder, or a file: {FORMATS}")
    view.add_argument("--port", type=int, default=8080, help="where to serve (default: 8080, or the next that is free)")
    run.set_defaults(call=_run, overridable=True)
    resume.set_defaults(call=_resume)
    export.set_defaults(call=_export)
    view.set_defaults(call=_view)


def _run(arguments: argparse.Namespace) -> None:
    from dreamforge import pipeline

    settings = {name: getattr(arguments, name) for name in ("prior", "negative", "source_prompt", "image", "seed")}
    if arguments.format:
        settings["export"] = {"formats": arguments.format.split(",")}
    given = {name: value for name, value in settings.items() if value is not None}
    command = ["dreamforge", *arguments.argv]
    pipeline.start(arguments.prompt, arguments.recipe, arguments.overrides, arguments.out, command, **given)


def _resume(arguments: argparse.Namespace) -> None:
    from dreamforge import pipeline

    pipeline.resume(arguments.run)


def _export(arguments: argparse.Namespace) -> None:
    from dreamforge import pipeline
    from dreamforge.console import Console

    settings = {name: getattr(arguments, name) for name in ("faces", "texture", "resolution", "image", "pbr")}
    given = {name: value for name, value in settings.items() if value is not None}
    for path in pipeline.export(arguments.run, arguments.format.split(","), Console(), **given):
        print(path)


def _view(arguments: argparse.Namespace) -> None:
    import time

    from dreamforge.viewing import open_viewer, watch

    viewer, run = open_viewer(arguments.target, arguments.port)
    print(viewer.address, flush=True)
    if run is not None:
        watch(viewer, run)
    while True:
        time.sleep(3600)
