"""How every part of the command line parses."""

from __future__ import annotations

import argparse
from typing import Any

from dreamforge.errors import UserError

FORMATS = "glb, gltf, obj, ply, stl, usdz; of splats: splats.ply, splat, spz"


class Parser(argparse.ArgumentParser):
    """One line for a mistake, as everywhere else."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """A UserError in place of the usage."""
        raise UserError(f"{message}; see `{self.prog} --help`")


def tools_of(command: argparse.ArgumentParser) -> Any:
    """The tools of a command that has several."""
    return command.add_subparsers(dest="tool", required=True, metavar="TOOL", parser_class=Parser)
