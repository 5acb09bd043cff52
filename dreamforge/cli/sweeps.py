"""`dreamforge sweep`: many prompts, here or on a cluster."""

from __future__ import annotations

import argparse
import functools
from typing import Any

from dreamforge.cli.parser import tools_of

TOOLS = ("start", "status", "resume", "report")
EXAMPLES = """\
examples:
  dreamforge sweep prompts.txt --seeds 0-1
  dreamforge sweep prompts.csv --engine ray --address auto --gpus-per-run 1
  dreamforge sweep prompts.csv --engine slurm --partition gpu --array 64
  dreamforge sweep status outputs/sweep-prompts-001
"""


def add_to(commands: Any) -> None:
    """Add the commands, each with the function that carries it out as `call`."""
    sweep = commands.add_parser(
        "sweep", help="make many prompts: here, on a Ray cluster or on Slurm", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    tools = tools_of(sweep)
    start = tools.add_parser(
        "start",
        help="make every prompt of a list (the word start can be left out)",
        description="Make every prompt of a list with every seed and recipe. All of it is checked before anything starts. "
        "Columns of a .csv, or keys of a .jsonl, are prompt and, where rows differ, recipe, seed, prior, negative, "
        "source_prompt, image or any key of the configuration, such as stages.0.steps.",
        epilog="Any key of the configuration can follow as KEY=VALUE, for every run.",
    )
    start.add_argument("prompts", metavar="PROMPTS", help="a prompt a line, a .csv, a .jsonl, toyworld-16 or toyworld-32")
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
    start.set_defaults(overridable=True)
    sweep.set_defaults(call=_sweep)


def _sweep(arguments: argparse.Namespace) -> int:
    from dreamforge.sweep import carry
    from dreamforge.sweep.folder import Engine
    from dreamforge.sweep.plan import seeds_of

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
    if arguments.tool == "resume":
        return bool(carry.resume(arguments.sweep, given, say))
    return bool(carry.start(
        arguments.prompts, arguments.recipes.split(","), seeds_of(arguments.seeds), arguments.overrides,
        Engine(**given), arguments.out, arguments.dry_run, say,
    ))  # fmt: skip
