"""The command line: parses, calls the API, prints. No logic lives here."""

from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dreamforge.errors import UserError

if TYPE_CHECKING:
    from dreamforge.console import Console

FORMATS = "glb, gltf, obj, ply, stl, usdz; of splats: splats.ply, splat, spz"

EXAMPLES = """\
examples:
  dreamforge run --prompt "a corgi in a top hat"
  dreamforge run --prompt "a red car" --recipe field --seed 3 --out car
  dreamforge run --prompt "a hamburger" --recipe checkpoint prior.model=./stable-diffusion-2-1-base
  dreamforge run --prompt "a blue duck" stages.0.steps=100 stages.0.objective.guidance=7.5
  dreamforge resume outputs/a-red-car-001
  dreamforge list words

`dreamforge COMMAND --help` explains a command; `dreamforge config RECIPE` shows every key there is to set.
"""


class _Parser(argparse.ArgumentParser):
    """One line for a mistake, as everywhere else."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 done, 2 bad input, 128 + signal when stopped)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments, rest = _parser().parse_known_args(_spelled_out(argv))
        stray = [word for word in rest if "=" not in word or word.startswith("-")]
        if stray or (rest and arguments.command not in ("run", "config", "bench", "evaluate", "sweep")):
            raise UserError(f"unrecognized argument '{(stray or rest)[0]}'; see `dreamforge {arguments.command} --help`")
        arguments.overrides, arguments.argv = rest, argv
        return COMMANDS[arguments.command](arguments) or 0
    except UserError as error:
        print(f"dreamforge: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # a folder that is not there, a full disk
        if error.filename is None:
            raise
        print(f"dreamforge: {error.filename}: {error.strerror}; choose another place or make room", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _spelled_out(argv: list[str]) -> list[str]:
    """`sweep prompts.txt` is short for `sweep start prompts.txt`."""
    short = argv[:1] == ["sweep"] and argv[1:] and argv[1] not in SWEEP and argv[1] not in ("-h", "--help")
    return ["sweep", "start", *argv[1:]] if short else argv


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="dreamforge",
        description="Turn a sentence into a 3D asset with a 2D diffusion model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

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
    export.add_argument("--faces", type=int, help="most faces of the mesh, such as 20000")
    export.add_argument("--texture", type=int, metavar="PIXELS", help="side of the texture, such as 2048")
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

    show = commands.add_parser("list", help="what there is to choose from")
    show.add_argument("what", choices=sorted(LISTS), help="which table to show")

    config = commands.add_parser("config", help="a recipe in full, each value with where it came from")
    config.add_argument("recipe", metavar="RECIPE", help="a recipe's name or a .yaml file")

    commands.add_parser("doctor", help="which backend serves each kernel here, and what would be faster")

    measure = commands.add_parser("evaluate", help="compare methods in one table")
    tables = measure.add_subparsers(dest="tool", required=True, metavar="TOOL", parser_class=_Parser)
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

    _add_sweep(commands)
    bench = commands.add_parser("bench", help="how long kernels and steps take on this machine")
    benches = bench.add_subparsers(dest="tool", required=True, metavar="TOOL", parser_class=_Parser)
    timed = [benches.add_parser("kernels", help="each kernel by each implementation that serves it here")]
    timed.append(benches.add_parser("step", help="a recipe's step part by part, and against the prior alone"))
    timed[1].add_argument("--recipe", default="splats", help="a recipe's name or a .yaml file (default: splats)")
    timed[1].add_argument("--prior", help="a prior, or with random weights: unet (ember's size), sd21")
    timed[1].add_argument("--scene", help="a scene in place of the recipe's")
    for tool in timed:
        tool.add_argument("--json", metavar="FILE", help="write the figures to a file too")

    toy = commands.add_parser("toyworld", help="ground truth from the embedded toy world")
    tools = toy.add_subparsers(dest="tool", required=True, metavar="TOOL", parser_class=_Parser)
    _add_object(tools)
    bank = tools.add_parser("bank", help="write posed pictures of a mesh, for --prior empirical")
    bank.add_argument("mesh", metavar="MESH", help="a .glb or .obj file inside the unit sphere")
    bank.add_argument("-o", "--output", required=True, metavar="DIR", help="a new folder")
    bank.add_argument("--views", type=int, default=160, help="number of pictures (default: 160)")
    bank.add_argument("--size", type=int, default=128, help="pixels a side (default: 128)")
    _add_ember(commands)
    return parser


def _add_sweep(commands: Any) -> None:
    sweep = commands.add_parser(
        "sweep", help="make many prompts: here, on a Ray cluster or on Slurm", epilog=SWEEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    tools = sweep.add_subparsers(dest="tool", required=True, metavar="TOOL", parser_class=_Parser)
    start = tools.add_parser(
        "start",
        help="make every prompt of a list (the word start can be left out)",
        description="Make every prompt of a list with every seed and recipe. All of it is checked before anything starts. "
        "Columns of a .csv, or keys of a .jsonl, are prompt and, where rows differ, recipe, seed, prior, negative, "
        "source_prompt, image or any key of the configuration, such as stages.0.steps.",
        epilog="Any key of the configuration can follow as KEY=VALUE, for every run.",
    )
    start.add_argument("prompts", metavar="PROMPTS", help="a prompt a line, a .csv, a .jsonl, or toyworld-16")
    start.add_argument("--seeds", default="0", help="such as 0-3 or 0,5 (default: 0)")
    start.add_argument("--recipes", default="splats", help="recipes, separated by commas (default: splats)")
    start.add_argument("--out", metavar="DIR", help="the sweep's folder (default: outputs/sweep-<list>-<number>)")
    start.add_argument("--dry-run", action="store_true", help="only check, and list what would be made")
    tools.add_parser("status", help="how many runs are done, and which failed why")
    resume = tools.add_parser("resume", help="make what is not made yet, failed runs once more")
    tools.add_parser("report", help="write the gallery of what is there")
    for name in ("status", "resume", "report"):
        tools.choices[name].add_argument("sweep", metavar="SWEEP", help="a sweep's folder")
    for tool in (start, resume):
        tool.add_argument("--engine", choices=("local", "ray", "slurm"), help="who does the work (default: local)")
        tool.add_argument("--jobs", type=int, help="local: runs at a time (default: the GPUs, or the cores)")
        tool.add_argument("--cpus-per-run", type=int, help="threads of each run (default: 1)")
        tool.add_argument("--gpus-per-run", type=float, help="Ray, Slurm (default: 0)")
        tool.add_argument("--address", help="Ray: of the cluster, or auto (default: a cluster of this machine)")
        tool.add_argument("--partition", help="Slurm: where to")
        tool.add_argument("--array", type=int, help="Slurm: jobs that share the runs (default: 64)")
        tool.add_argument("--minutes", type=int, help="Slurm: time limit of each job (default: 240)")


def _add_object(tools: Any) -> None:
    made = tools.add_parser("object", help="write a toy-world object as a mesh")
    made.add_argument("prompt", metavar="PROMPT", help='such as "a red car"')
    made.add_argument("-o", "--output", required=True, metavar="FILE", help="a .glb or .obj file")
    made.add_argument("--seed", type=int, default=0, help="another seed has other proportions")


def _add_ember(commands: Any) -> None:
    ember = commands.add_parser("ember", help="the embedded diffusion model: train it, look at it, judge it")
    tools = ember.add_subparsers(dest="tool", required=True, metavar="TOOL", parser_class=_Parser)
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


def _run(arguments: argparse.Namespace) -> int:
    from dreamforge import pipeline

    settings = {name: getattr(arguments, name) for name in ("prior", "negative", "source_prompt", "image", "seed")}
    if arguments.format:
        settings["export"] = {"formats": arguments.format.split(",")}
    return _until_stopped(
        lambda console: pipeline.start(
            arguments.prompt,
            arguments.recipe,
            arguments.overrides,
            out=arguments.out,
            command=["dreamforge", *arguments.argv],
            console=console,
            **{name: value for name, value in settings.items() if value is not None},
        )
    )


def _resume(arguments: argparse.Namespace) -> int:
    from dreamforge import pipeline

    return _until_stopped(lambda console: pipeline.resume(arguments.run, console))


def _until_stopped(work: Callable[[Console], object]) -> int:
    from dreamforge.console import Console
    from dreamforge.pipeline import Interrupted

    try:
        work(Console())
        return 0
    except Interrupted as stop:
        print(f"stopped; go on with: dreamforge resume {stop.folder}", file=sys.stderr)
        return 128 + stop.signum


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


def _list(arguments: argparse.Namespace) -> None:
    rows = LISTS[arguments.what]()
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    for row in rows:
        print("".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _recipes() -> list[tuple[str, str]]:
    from dreamforge.config import recipes

    return [(name, path.read_text().partition("\n")[0].lstrip("# ")) for name, path in recipes().items()]


def _components(kind: str) -> list[tuple[str, str]]:
    from dreamforge.components import summary, table

    return [(name, summary(component)) for name, component in table(kind).items()]


def _objectives() -> list[tuple[str, str]]:
    from dreamforge.components import summary, table
    from dreamforge.objectives.needs import NEEDS, method_of

    rows = [("", "evaluations a view", "needs", "")]
    for name, component in table("objectives").items():
        method = method_of(name)
        needs = ", ".join(need for need in NEEDS if need in method.needs)
        rows.append((name, method.evaluations, needs, summary(component)))
    return rows


def _words() -> list[tuple[str, str]]:
    from dreamforge.toyworld.captions import vocabulary

    return [(kind, ", ".join(words)) for kind, words in vocabulary().items()]


def _config(arguments: argparse.Namespace) -> None:
    from dreamforge.config import explain

    print("\n".join(explain(arguments.recipe, arguments.overrides)))


def _doctor(arguments: argparse.Namespace) -> None:
    import rich.console
    import rich.table
    from rich.markup import escape

    from dreamforge.doctor import findings

    table = rich.table.Table("what", "state", "advice", box=None)
    for row in findings():
        table.add_row(*map(escape, row))
    rich.console.Console().print(table)


def _bench(arguments: argparse.Namespace) -> None:
    from dreamforge.bench import report

    report.check_json(arguments.json)
    if arguments.tool == "kernels":
        report.bench_kernels(arguments.json)
    else:
        chosen = (arguments.recipe, arguments.prior, arguments.scene, arguments.overrides)
        report.bench_step(*chosen, arguments.json)


def _toyworld(arguments: argparse.Namespace) -> None:
    from dreamforge import ground_truth

    if arguments.tool == "object":
        ground_truth.write_object(arguments.prompt, arguments.output, arguments.seed)
    else:
        ground_truth.write_bank(arguments.mesh, arguments.output, arguments.views, arguments.size)
    print(arguments.output)


def _evaluate(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from dreamforge.evaluate.methods import budget_of, compare, methods_of, prompts_of

    print(compare(
        prompts_of(arguments.prompts), methods_of(arguments.methods), arguments.seeds, budget_of(arguments.budget),
        arguments.prior, Path(arguments.out), arguments.jobs, arguments.score, arguments.overrides,
    ))  # fmt: skip


def _sweep(arguments: argparse.Namespace) -> int:
    from dreamforge.pipeline import Interrupted
    from dreamforge.sweep import carry
    from dreamforge.sweep.folder import Engine
    from dreamforge.sweep.plan import seeds_of

    if arguments.overrides and arguments.tool != "start":
        raise UserError(f"{arguments.overrides[0]}: a sweep's settings are fixed when it starts; start another with it")
    say = functools.partial(print, flush=True)
    if arguments.tool == "status":
        carry.status(arguments.sweep, say)
        return 0
    if arguments.tool == "report":
        say(carry.report(arguments.sweep))
        return 0
    keys = ("jobs", "cpus_per_run", "gpus_per_run", "address", "partition", "array", "minutes")
    given = {key: value for key in keys if (value := getattr(arguments, key)) is not None}
    given |= {"name": arguments.engine} if arguments.engine else {}
    try:
        if arguments.tool == "resume":
            return bool(carry.resume(arguments.sweep, given, say))
        return bool(carry.start(
            arguments.prompts, arguments.recipes.split(","), seeds_of(arguments.seeds), arguments.overrides,
            Engine(**given), arguments.out, arguments.dry_run, say,
        ))  # fmt: skip
    except Interrupted as stop:
        print(f"stopped; go on with: dreamforge sweep resume {stop.folder}", file=sys.stderr)
        return 128 + stop.signum


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


SWEEP = ("start", "status", "resume", "report")
SWEEPS = """\
examples:
  dreamforge sweep prompts.txt --seeds 0-1
  dreamforge sweep prompts.csv --engine ray --address auto --gpus-per-run 1
  dreamforge sweep prompts.csv --engine slurm --partition gpu --array 64
  dreamforge sweep status outputs/sweep-prompts-001
"""

COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "run": _run,
    "resume": _resume,
    "export": _export,
    "view": _view,
    "list": _list,
    "config": _config,
    "doctor": _doctor,
    "evaluate": _evaluate,
    "sweep": _sweep,
    "bench": _bench,
    "toyworld": _toyworld,
    "ember": _ember,
}

LISTS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "recipes": _recipes,
    "objectives": _objectives,
    "priors": lambda: _components("priors"),
    "scenes": lambda: _components("scenes"),
    "phi": lambda: _components("phi"),
    "words": _words,
}


if __name__ == "__main__":
    sys.exit(main())
