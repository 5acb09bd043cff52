"""Compile kernels in a process of their own, so that every run loads the same machine code from the cache.

A kernel compiled in the process that runs it is linked with pieces compiled before it, one loaded from the cache is
not, and fast maths rounds the two differently in the last digit: the first run on a machine would differ from all
later ones. So a kernel that the cache lacks is compiled by a child (`python -m dreamforge.kernels.compiler`, a line of
JSON in and a line out for each), and then loaded like any other.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import from_dtype, types
from numba.core.caching import FunctionCache
from numba.np.numpy_support import as_dtype


class ChildCompiledCache(FunctionCache):
    """Numba's cache on disk; what it lacks is compiled by the child first."""

    in_child = False

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._name = (function.__module__, function.__qualname__)

    def load_overload(self, sig: tuple[types.Type, ...], target_context: Any) -> Any:
        """The compiled kernel for argument types `sig`; None, where the child fails, lets Numba compile here."""
        found = super().load_overload(sig, target_context)
        if found is not None or self.in_child:
            return found
        try:
            child = _child()
            child.stdin.write(json.dumps([*self._name, [_described(kind) for kind in sig]]) + "\n")
            child.stdin.flush()
            child.stdout.readline()
        except OSError:  # no processes to be had
            return None
        return super().load_overload(sig, target_context)


@cache
def _child() -> subprocess.Popen[str]:
    """The child, which ends when this process does and closes its input."""
    command = [sys.executable, "-m", __name__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, **pipes)


def _described(kind: types.Type) -> list[Any]:
    """A type as JSON: [dtype, dimensions, layout] of an array, [dtype] of a number."""
    if isinstance(kind, types.Array):
        return [as_dtype(kind.dtype).name, kind.ndim, kind.layout]
    return [as_dtype(kind).name]


def _type(dtype: str, *array: Any) -> types.Type:
    """The inverse of `_described`."""
    kind = from_dtype(np.dtype(dtype))
    return types.Array(kind, *array) if array else kind


def main() -> None:
    """Compile what the lines of the standard input name, until it ends."""
    from dreamforge.kernels import compiler  # this file as its importers know it, not as the script it runs as

    compiler.ChildCompiledCache.in_child = True
    for line in sys.stdin:
        module, function, signature = json.loads(line)
        getattr(importlib.import_module(module), function).compile(tuple(_type(*kind) for kind in signature))
        print("done", flush=True)


if __name__ == "__main__":
    main()
