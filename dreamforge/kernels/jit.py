"""The one way this project calls Numba: parallel, cached on disk, as many threads as torch uses."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _cache_folder() -> str:
    """Where compiled kernels are kept: beside the package when that is writable, else the user's cache."""
    package = Path(__file__).resolve().parent
    if os.access(package, os.W_OK):
        return ""  # Numba's own default, __pycache__ beside each file
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    for folder in (home / "dreamforge" / "numba", Path(tempfile.gettempdir()) / "dreamforge-numba"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return ""


if "NUMBA_CACHE_DIR" not in os.environ and (folder := _cache_folder()):
    os.environ["NUMBA_CACHE_DIR"] = folder

import numba  # noqa: E402  (the cache folder must be known first)
import torch  # noqa: E402

prange = numba.prange


def use_torch_threads() -> None:
    """Let Numba use as many threads as torch does (never more than the machine has)."""
    numba.set_num_threads(max(1, min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)))


use_torch_threads()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` for parallel execution with fast maths, cached on disk."""
    return numba.njit(parallel=True, fastmath=True, cache=True, error_model="numpy", boundscheck=False)(function)


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small helper that kernels call."""
    return numba.njit(fastmath=True, cache=True, error_model="numpy", inline="never")(function)
