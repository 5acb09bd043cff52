"""`dreamforge evaluate` and `bench`: how good and how fast."""

from __future__ import annotations

import argparse
import os
from typing import Any

from dreamforge.cli.parser import tools_of
from dreamforge.errors import UserError


def add_to(commands: Any) -> None:
    """Add the commands, each with the function that carries it out as `call`."""
    measure = commands.add_parser("evaluate", help="compare methods in one table")
    tables = tools_of(measure)
    methods = tables.add_parser(
        "methods",
        help="run methods on the same prompts under the same budget",
        description="Run recipes on the same prompts and seeds under one budget and judge the files they write. Writes "
        "table.md, table.csv, results.json and contact.png; each run keeps its folder. Call it again to go on.",
        epilog="Keys of the configuration can follow as KEY=VALUE, for every recipe: stages.0.objective.guidance=7.5, "
        "or what an exact prior does not know, prior.views=blind.",
    )
    methods.add_argument("--prompts", default="toyworld-16", help="a file with a prompt a line (default: toyworld-16)")
    methods.add_argument("--methods", help="recipes or .yaml files, separated by commas (default: one for every objective)")
    methods.add_argument("--seeds", type=int, default=1, help="runs of each prompt (default: 1; diversity needs 2)")
    methods.add_argument(
        "--budget", default="steps=400", help="steps=N, seconds=N or evaluations=N a run (default: steps=400)"
    )
    methods.add_argument("--prior", help="an embedded prior (default: the recipes')")
    methods.add_argument("--score", type=float, default=0.75, help="the share retrieved that is timed (default: 0.75)")
    methods.add_argument("--out", default="outputs/methods", metavar="DIR", help="default: outputs/methods")
    methods.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time (default: the cores)")

    stages = tables.add_parser(
        "stages",
        help="what each stage of finished runs added",
        description="Export the scene that each stage of finished runs of one recipe ended with, and judge it as "
        "`evaluate methods` judges files.",
    )
    stages.add_argument("runs", nargs="+", metavar="RUN", help="run folders, such as outputs/methods/runs/textmesh/*")
    stages.add_argument("--prompts", default="toyworld-16", help="a file with a prompt a line (default: toyworld-16)")
    stages.add_argument("--picture", metavar="FILE", help="write a contact sheet, a row for each stage of each run")
    stages.set_defaults(call=_evaluate_stages)

    asset = tables.add_parser(
        "asset",
        help="how near a mesh file is to the one it was to become",
        description="Chamfer distance (of what can be seen, as a share of the known mesh's diagonal), PSNR and silhouette "
        "IoU over eight views, of which `toyworld bank` writes none.",
    )
    asset.add_argument("file", metavar="FILE", help="a mesh file, such as outputs/the-object-001/assets/model.glb")
    asset.add_argument("--truth", required=True, metavar="MESH", help="the known one, as `toyworld bank` was given it")
    asset.set_defaults(call=_evaluate_asset)

    edits = tables.add_parser(
        "edits",
        help="edit known things and judge what becomes of them",
        description="Make a toy-world mesh of the first half of every pair, edit it into the second by each recipe, and judge "
        "the .glb that comes out. Writes table.md and contact.png; each run keeps its folder. Call it again to go on.",
        epilog="Keys of the configuration can follow as KEY=VALUE, for every recipe: stages.0.steps=200.",
    )
    edits.add_argument("--pairs", default="edits-8", help='a file of lines "a red car -> a blue car" (default: edits-8)')
    edits.add_argument("--recipes", default="retexture", help="recipes, separated by commas (default: retexture)")
    edits.add_argument("--splats", action="store_true", help="edit splats that a run made, instead of known meshes")
    edits.add_argument("--flat", action="store_true", help="edit pictures without a scene: --recipes are objectives")
    edits.add_argument("--out", default="outputs/edits", metavar="DIR", help="default: outputs/edits")
    edits.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time (default: the cores)")
    edits.set_defaults(call=_evaluate_edits, overridable=True)

    bench = commands.add_parser("bench", help="how long kernels and steps take on this machine")
    benches = tools_of(bench)
    timed = [benches.add_parser("kernels", help="each kernel by each implementation that serves it here")]
    timed.append(benches.add_parser("step", help="a recipe's step part by part, and against the prior alone"))
    timed[1].add_argument("--recipe", default="splats", help="a recipe's name or a .yaml file (default: splats)")
    timed[1].add_argument("--prior", help="a prior, or with random weights: unet (ember's size), sd21")
    timed[1].add_argument("--scene", help="a scene in place of the recipe's")
    for tool in timed:
        tool.add_argument("--json", metavar="FILE", help="write the figures to a file too")
    methods.set_defaults(call=_evaluate, overridable=True)
    timed[1].set_defaults(overridable=True)
    bench.set_defaults(call=_bench)


def _evaluate(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from dreamforge.evaluate.methods import budget_of, compare, methods_of, prompts_of

    print(compare(
        prompts_of(arguments.prompts), methods_of(arguments.methods), arguments.seeds, budget_of(arguments.budget),
        arguments.prior, Path(arguments.out), arguments.jobs, arguments.score, arguments.overrides,
    ))  # fmt: skip


def _evaluate_stages(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from dreamforge.evaluate.methods import prompts_of
    from dreamforge.evaluate.stages import compare_stages

    picture = Path(arguments.picture) if arguments.picture else None
    print(compare_stages(arguments.runs, prompts_of(arguments.prompts), picture))


def _evaluate_asset(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from dreamforge.evaluate.asset import compare_assets

    print(compare_assets(Path(arguments.file), Path(arguments.truth)))


def _evaluate_edits(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from dreamforge.evaluate.edits import compare_edits
    from dreamforge.evaluate.flat_edits import compare_flat

    if arguments.flat:
        if arguments.splats or arguments.overrides:
            raise UserError("--flat edits pictures by objectives as they are; leave out --splats and KEY=VALUE")
        print(compare_flat(arguments.pairs, arguments.recipes.split(","), (1.0, 7.5)))
        return
    chosen = (arguments.recipes.split(","), Path(arguments.out), arguments.jobs, arguments.overrides)
    print(compare_edits(arguments.pairs, *chosen, splats=arguments.splats))


def _bench(arguments: argparse.Namespace) -> None:
    from dreamforge.bench import report

    report.check_json(arguments.json)
    if arguments.tool == "kernels":
        report.bench_kernels(arguments.json)
    else:
        chosen = (arguments.recipe, arguments.prior, arguments.scene, arguments.overrides)
        report.bench_step(*chosen, arguments.json)
