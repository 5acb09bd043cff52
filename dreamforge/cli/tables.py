"""`dreamforge list`, `config` and `doctor`: what there is, and how it is set."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_to(commands: Any) -> None:
    """Add the commands, each with the function that carries it out as `call`."""
    show = commands.add_parser("list", help="what there is to choose from")
    show.add_argument("what", choices=sorted(LISTS), help="which table to show")

    config = commands.add_parser("config", help="a recipe in full, each value with where it came from")
    config.add_argument("recipe", metavar="RECIPE", help="a recipe's name or a .yaml file")

    doctor = commands.add_parser("doctor", help="which backend serves each kernel here, and what would be faster")
    show.set_defaults(call=_list)
    config.set_defaults(call=_config, overridable=True)
    doctor.set_defaults(call=_doctor)


def _list(arguments: argparse.Namespace) -> None:
    rows = LISTS[arguments.what]()
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    for row in rows:
        print("".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _recipes() -> list[tuple[str, str]]:
    from dreamforge.recipes import recipes

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


LISTS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "recipes": _recipes,
    "objectives": _objectives,
    "priors": lambda: _components("priors"),
    "scenes": lambda: _components("scenes"),
    "phi": lambda: _components("phi"),
    "words": _words,
}
