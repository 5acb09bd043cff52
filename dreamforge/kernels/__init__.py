"""Hot operations, each one function with a torch reference and a Numba CPU path behind it.

Which one serves is decided here, from the device and what is installed. `DREAMFORGE_KERNELS=torch`
forces the references everywhere. Nothing is ever compiled by a compiler on the user's machine.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path

import torch


@functools.cache
def numba_problem() -> str | None:
    """Why the Numba kernels cannot serve, or None when they can."""
    if os.environ.get("DREAMFORGE_KERNELS") == "torch":
        return "DREAMFORGE_KERNELS=torch is set"
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed (pip install numba)"
    return None


def backend(device: torch.device) -> str:
    """The implementation that serves tensors on `device`: "numba" or "torch"."""
    return "numba" if device.type == "cpu" and numba_problem() is None else "torch"


def compilation_ahead() -> bool:
    """Whether this version's Numba kernels have never been compiled on this machine, so that a run begins slowly."""
    if numba_problem() is not None:
        return False
    from dreamforge.kernels import jit  # noqa: F401  (it settles where the cache is)

    return not any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))


KERNELS = {
    "hashgrid": "multiresolution hash encoding",
    "volume": "occupancy marching and compositing",
    "splat": "Gaussian projection and rasterization",
    "raster": "triangle rasterization",
}
"""The kernels and what each does, one module of that name each."""
