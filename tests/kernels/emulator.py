"""Runs the CUDA kernels on the CPU: the same sources and host code, built by a C++ compiler. See cuda_on_cpu.h."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from dreamforge import kernels
from dreamforge.kernels import nvrtc
from dreamforge.kernels.nvrtc import Program, as_c, packed

COMPILER = shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to run CUDA sources on the CPU with")
HERE = Path(__file__).parent
FLAGS = ["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-U_FORTIFY_SOURCE"]
FLAGS += ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function"]
order = 0
"""The seed of the order in which blocks and threads run."""


@contextmanager
def cuda_on_cpu(seed: int = 0) -> Iterator[None]:
    """CPU tensors are served by the CUDA kernels, run here in an order drawn from the seed."""
    global order
    order = seed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nvrtc, "run", run)
        patch.setattr(kernels, "backend", lambda device, kernel: "cuda")
        for name in kernels.KERNELS:
            module = __import__(f"dreamforge.kernels.{name}", fromlist=["backend"])
            patch.setattr(module, "backend", lambda device, kernel: "cuda")
        yield


def run(program: Program, kernel: str, blocks: tuple[int, int], threads: int, arguments: tuple[Any, ...]) -> None:
    """What `nvrtc.run` does, on the CPU."""
    library, barriers = _library(program)
    sizes = [ctypes.sizeof(as_c(argument)) for argument in arguments]
    function = getattr(library, f"emulate_{kernel}")
    function.restype = ctypes.c_char_p
    with packed(arguments) as pointer:
        given = (len(sizes), (ctypes.c_int * len(sizes))(*sizes), ctypes.c_void_p(pointer))
        problem = function(*blocks, threads, *given, int(barriers), order)
    assert problem is None, f"{program.file}, {kernel}: {problem.decode()}"


@functools.cache
def _library(program: Program) -> tuple[ctypes.CDLL, bool]:
    """The program built for the CPU (kept between test runs), and whether it has barriers."""
    text = program.source()
    header, common = (path.read_text() for path in (HERE / "cuda_on_cpu.h", nvrtc.SOURCES / nvrtc.HEADER))
    names = re.findall(r"^KERNEL (?:__launch_bounds__\(\w+\) )?(\w+)\(", text, re.MULTILINE)
    parameters = "int width, int height, int threads, int given, const int* sizes, void** arguments, int barriers"
    parameters += ", int seed"
    passed = "width, height, threads, given, sizes, arguments, barriers, seed"
    stubs = "\n".join(
        f'extern "C" const char* emulate_{name}({parameters}) {{ return emulation::run({name}, {passed}); }}'
        for name in names
    )
    unit = f'#include "cuda_on_cpu.h"\n#line 1 "{program.file}"\n{text}\n{stubs}\n'
    command = [COMPILER, *FLAGS, *program.definitions(), f"-I{HERE}", f"-I{nvrtc.SOURCES}"]
    digest = hashlib.blake2b("\0".join([header, common, unit, *command]).encode(), digest_size=12).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"dreamforge-cuda-on-cpu-{torch.__version__}"
    folder.mkdir(exist_ok=True)
    built = folder / f"{digest}.so"
    if not built.exists():
        source, partial = folder / f"{digest}.cpp", folder / f"{digest}.partial"
        source.write_text(unit)
        result = subprocess.run([*command, str(source), "-o", str(partial)], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        partial.replace(built)
    return ctypes.CDLL(str(built)), "_sync" in text or "__syncthreads" in text or "warp_sum" in text
