"""Hot operations, each one function with a torch reference and fast paths behind it: Numba on the CPU, CUDA on NVIDIA.

Which one serves is decided here, at run time, from the device and what is installed. `DREAMFORGE_KERNELS` forces one:
"torch" the references everywhere, "numba" or "cuda" that path on its device, with an error where it cannot serve.
Nothing is ever compiled by a compiler on the user's machine.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
from pathlib import Path

import torch
from torch import Tensor

from dreamforge.errors import UserError, did_you_mean

KERNELS = {
    "hashgrid": "multiresolution hash encoding",
    "volume": "occupancy marching and compositing",
    "splat": "Gaussian projection and rasterization",
    "harmonics": "colours that depend on the view",
    "raster": "triangle rasterization",
}
"""The kernels and what each does, one module of that name each."""


@functools.cache
def numba_problem() -> str | None:
    """Why the Numba kernels cannot serve CPUs, or None when they can."""
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed (pip install numba)"
    return None


@functools.cache
def cuda_problem() -> str | None:
    """Why the CUDA kernels cannot serve GPUs, or None when they can."""
    if not torch.cuda.is_available():
        return "no CUDA device"
    if torch.version.hip is not None:
        return "the CUDA kernels are for NVIDIA GPUs; here the torch references serve"
    from dreamforge.kernels import nvrtc

    return nvrtc.compiler_problem()


def backend(device: torch.device, kernel: str) -> str:
    """The implementation that serves a kernel's tensors on `device`: "numba", "cuda" or "torch"."""
    return choice(device.type, kernel, os.environ.get("DREAMFORGE_KERNELS", ""))[0]


@functools.cache
def choice(device_type: str, kernel: str, forced: str = "") -> tuple[str, str]:
    """What serves a kernel on a type of device, and why not something faster ("" where nothing is)."""
    if forced not in ("", "torch", "numba", "cuda"):
        raise UserError(f"DREAMFORGE_KERNELS={forced}{did_you_mean(forced, ('torch', 'numba', 'cuda'))}")
    if device_type == "cpu":
        fast, problem = "numba", numba_problem()
    elif device_type == "cuda":
        fast, problem = "cuda", cuda_problem()
    else:
        return "torch", f"there are no kernels for {device_type} devices"
    if forced == "torch":
        return "torch", "DREAMFORGE_KERNELS=torch is set"
    if problem and forced == fast:
        raise UserError(f"DREAMFORGE_KERNELS={forced}: {problem}")
    return ("torch", problem) if problem else (fast, "")


def check_finite(where: str, **tensors: Tensor) -> None:
    """Raise ValueError for a tensor on the CPU that is not finite: one sum each, which is finite only where every term
    is (or they are absurd anyway). On other devices looking would make the host wait; there the loss tells."""
    for name, tensor in tensors.items():
        if tensor.device.type == "cpu":
            wide = torch.promote_types(tensor.dtype, torch.float32)  # a sum in half precision overflows
            if not math.isfinite(tensor.detach().sum(dtype=wide).item()):
                raise ValueError(f"{where}: {name} must be finite")


def compilation_ahead() -> bool:
    """Whether this version's Numba kernels have never been compiled on this machine, so that a run begins slowly."""
    if backend(torch.device("cpu"), "splat") != "numba":
        return False
    from dreamforge.kernels import jit  # noqa: F401  (it settles where the cache is)

    return not any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))
