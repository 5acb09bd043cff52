"""`dreamforge doctor`: what serves each part on this machine, why nothing faster does, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from dreamforge.kernels import KERNELS, choice, nvrtc

EXTRAS = {"diffusers": ("diffusers", "transformers")}
LIBRARIES = {
    "gsplat": "caps a Gaussian's alpha at 0.999, ours at 0.99, so pictures differ",
    "nerfacc": "places samples by a rule of its own; ours end rays where density is sure to hide the rest",
    "tinycudann": "places grid vertices half a cell aside, so tables do not carry over",
}
"""Libraries for the same operations, and why their results are not ours. All build with nvcc on the machine."""


def findings() -> list[tuple[str, str, str]]:
    """Rows (what, state, advice) for the table."""
    rows = [
        ("python", platform.python_version(), ""),
        ("dreamforge3d", version("dreamforge3d"), ""),
        ("torch", torch.__version__, ""),
        ("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores", ""),
        _device_row(),
    ]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    forced = os.environ.get("DREAMFORGE_KERNELS", "")
    for name, what in KERNELS.items():
        serves, problem = choice(device, name, forced)
        rows.append((f"kernel {name}", f"{serves} ({what})", problem))
    rows.append(_compiler_row())
    rows += [_library_row(name, difference) for name, difference in LIBRARIES.items() if _found(name)]
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if not _found(name)]
        state = "missing " + ", ".join(missing) if missing else ", ".join(f"{p} {_version(p)}" for p in packages)
        rows.append((f"extra {extra}", state, f"pip install 'dreamforge3d[{extra}]'" if missing else ""))
    return rows


def _device_row() -> tuple[str, str, str]:
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability(0)
        return ("device", f"{torch.cuda.get_device_name(0)} (sm_{major}{minor})", "")
    if torch.version.cuda is None:
        return ("device", "cpu", "this torch is built without CUDA; on an NVIDIA machine install the CUDA build")
    return ("device", "cpu", "no NVIDIA GPU or driver found")


def _compiler_row() -> tuple[str, str, str]:
    problem, use = nvrtc.compiler_problem(), "" if torch.cuda.is_available() else "of use with an NVIDIA GPU only"
    if problem:
        return ("extra cuda", "missing", f"{use}: {problem}" if use else problem)
    return ("extra cuda", f"NVRTC {nvrtc.version()}", use)


def _library_row(name: str, difference: str) -> tuple[str, str, str]:
    return (f"library {name}", f"{_version(name)}, not used", f"needs nvcc on this machine; and it {difference}")


def _found(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
