"""`dreamforge doctor`: what serves each part on this machine, why nothing faster does, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from dreamforge.kernels import KERNELS, backend, numba_problem

EXTRAS = {"diffusers": ("diffusers", "transformers")}


def findings() -> list[tuple[str, str, str]]:
    """Rows (what, state, advice) for the table."""
    rows = [
        ("python", platform.python_version(), ""),
        ("dreamforge3d", version("dreamforge3d"), ""),
        ("torch", torch.__version__, ""),
        ("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores", ""),
        _device_row(),
    ]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    problem = numba_problem()
    for name, what in KERNELS.items():
        serves = backend(device)
        advice = ""
        if serves == "torch":
            advice = problem or "no CUDA kernels yet: the torch reference serves on the GPU"
        rows.append((f"kernel {name}", f"{serves} ({what})", advice))
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        state = "missing " + ", ".join(missing) if missing else ", ".join(f"{p} {_version(p)}" for p in packages)
        rows.append((f"extra {extra}", state, f"pip install 'dreamforge3d[{extra}]'" if missing else ""))
    return rows


def _device_row() -> tuple[str, str, str]:
    if torch.cuda.is_available():
        return ("device", torch.cuda.get_device_name(0), "")
    if torch.version.cuda is None:
        return ("device", "cpu", "this torch is built without CUDA; on an NVIDIA machine install the CUDA build")
    return ("device", "cpu", "no NVIDIA GPU or driver found")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
