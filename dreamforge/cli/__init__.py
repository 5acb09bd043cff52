"""The command line: parses, calls the API, prints. No logic lives here, and a module a group of commands."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from dreamforge.cli import edits, measures, runs, sweeps, tables, worlds
from dreamforge.cli.parser import Parser
from dreamforge.errors import UserError
from dreamforge.stopping import Interrupted

EXAMPLES = """\
examples:
  dreamforge run --prompt "a corgi in a top hat"
  dreamforge run --prompt "a red car" --recipe field --seed 3 --out car
  dreamforge run --prompt "a hamburger" --recipe checkpoint prior.model=./stable-diffusion-2-1-base
  dreamforge run --prompt "a blue duck" stages.0.steps=100 stages.0.objective.guidance=7.5
  dreamforge edit chair.glb --prompt "a wooden chair" --recipe retexture
  dreamforge resume outputs/a-red-car-001
  dreamforge list words

`dreamforge COMMAND --help` explains a command; `dreamforge config RECIPE` shows every key there is to set.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 done, 2 bad input, 128 + signal when stopped)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments, rest = _parser().parse_known_args(_spelled_out(argv))
        stray = [word for word in rest if "=" not in word or word.startswith("-")]
        if stray or (rest and not getattr(arguments, "overridable", False)):
            raise UserError(f"unrecognized argument '{(stray or rest)[0]}'; see `dreamforge {arguments.command} --help`")
        arguments.overrides, arguments.argv = rest, argv
        return arguments.call(arguments) or 0
    except UserError as error:
        print(f"dreamforge: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"stopped; go on with: {stop.go_on}", file=sys.stderr)
        return 128 + stop.signum
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
    short = argv[:1] == ["sweep"] and argv[1:] and argv[1] not in sweeps.TOOLS and argv[1] not in ("-h", "--help")
    return ["sweep", "start", *argv[1:]] if short else argv


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="dreamforge",
        description="Turn a sentence into a 3D asset with a 2D diffusion model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for group in (runs, edits, tables, measures, sweeps, worlds):
        group.add_to(commands)
    return parser
