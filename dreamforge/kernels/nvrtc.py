"""CUDA C++ at run time: sources of `cuda_ext/` compiled by NVRTC, kept on disk, launched on torch's stream. Never nvcc.

NVRTC and its Python bindings are pip packages that CUDA builds of torch bring along; compiling needs no driver.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dreamforge.caching import cache_folder, keep

SOURCES = Path(__file__).resolve().parent.parent / "cuda_ext"
HEADER = "common.cuh"
INSTALL = "pip install 'dreamforge3d[cuda]'"


@dataclass(frozen=True)
class Program:
    """A source file of `cuda_ext/`, and the values of its macros.

    exact: no fused multiply-add, so that arithmetic gives the same bits as elsewhere.
    """

    file: str
    macros: tuple[tuple[str, int | float | str], ...] = ()
    exact: bool = False

    @classmethod
    def of(cls, file: str, exact: bool = False, **macros: int | float | str) -> Program:
        return cls(file, tuple(macros.items()), exact)

    def source(self) -> str:
        return (SOURCES / self.file).read_text()

    def definitions(self) -> list[str]:
        """The macros as a C++ compiler takes them."""
        return [f"-D{name}={value}{'f' * (isinstance(value, float) and not self.exact)}" for name, value in self.macros]

    def launch(self, kernel: str, blocks: int | tuple[int, int], threads: int, *arguments: Any) -> None:
        """Run a kernel on the current stream of the device of its first argument.

        arguments: tensors (contiguous; passed as pointers), None (a null pointer), ints (as 32 bits), floats (as
        float32) or ctypes values (as they are), in the order of the kernel's parameters.
        """
        width, height = blocks if isinstance(blocks, tuple) else (blocks, 1)
        if width and height:
            run(self, kernel, (width, height), threads, arguments)


def blocks_for(count: int, threads: int = 256) -> int:
    """How many blocks of `threads` cover `count`."""
    return -(-count // threads)


def run(program: Program, kernel: str, blocks: tuple[int, int], threads: int, arguments: tuple[Any, ...]) -> None:
    """Launch through the driver, into the context and stream that torch uses."""
    driver = _bindings("driver")
    device = arguments[0].device
    with torch.cuda.device(device):
        if not int(_check(driver.cuCtxGetCurrent(), kernel)):  # a thread new to CUDA, such as autograd's
            _check(driver.cuCtxSetCurrent(_context(device.index)), kernel)
        function = _function(program, kernel, device.index)
        stream = torch.cuda.current_stream(device).cuda_stream
        with packed(arguments) as pointer:
            _check(driver.cuLaunchKernel(function, *blocks, 1, threads, 1, 1, 0, stream, pointer, 0), kernel)


@contextmanager
def packed(arguments: tuple[Any, ...]) -> Iterator[int]:
    """The address of an array of pointers to the arguments, as `cuLaunchKernel` takes them."""
    values = [as_c(argument) for argument in arguments]
    pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
    yield ctypes.addressof(pointers)


def as_c(argument: Any) -> Any:
    """An argument of a kernel as the ctypes value that is handed over."""
    if isinstance(argument, Tensor):
        assert argument.is_contiguous()
        return ctypes.c_void_p(argument.data_ptr())
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return ctypes.c_int(argument) if isinstance(argument, int) else argument


@functools.cache
def _context(device: int) -> Any:
    """The context that torch, like all users of CUDA's runtime, shares on a device."""
    driver = _bindings("driver")
    return _check(driver.cuDevicePrimaryCtxRetain(_check(driver.cuDeviceGet(device), "device")), "context")


@functools.cache
def _function(program: Program, kernel: str, device: int) -> Any:
    return _check(_bindings("driver").cuModuleGetFunction(_module(program, device), kernel.encode()), kernel)


@functools.cache
def _module(program: Program, device: int) -> Any:
    """The compiled program, loaded into the device's context, which is current."""
    major, minor = torch.cuda.get_device_capability(device)
    return _check(_bindings("driver").cuModuleLoadData(compiled(program, 10 * major + minor)), program.file)


def compiled(program: Program, capability: int) -> bytes:
    """Machine code for compute capability `capability` (90 is 9.0), from the disk where it is there.

    For a GPU that NVRTC does not know, PTX for the newest it knows before that, which the driver compiles.
    """
    known = _check(_bindings("nvrtc").nvrtcGetSupportedArchs(), "NVRTC")
    target = max((arch for arch in known if arch <= capability), default=capability)
    options = options_for(program, f"{'sm' if target == capability else 'compute'}_{target}")
    texts = [program.source(), (SOURCES / HEADER).read_text(), *options, version()]
    digest = hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()
    path = cache_folder("cuda") / f"{Path(program.file).stem}-{digest}.bin"
    if path.exists():
        return path.read_bytes()
    code, _ = build(program, options)
    keep(path, code)
    return code


def options_for(program: Program, architecture: str) -> list[str]:
    """NVRTC's options: "sm_90" asks for machine code, "compute_90" for PTX."""
    fused = f"--fmad={'false' if program.exact else 'true'}"
    return [f"--gpu-architecture={architecture}", "--std=c++17", fused, *program.definitions()]


def build(program: Program, options: list[str]) -> tuple[bytes, str]:
    """Compile: the machine code, or PTX where the options ask for a virtual architecture, and the compiler's log."""
    nvrtc = _bindings("nvrtc")
    header, source = (SOURCES / HEADER).read_bytes(), program.source().encode()
    handle = _check(nvrtc.nvrtcCreateProgram(source, program.file.encode(), 1, [header], [HEADER.encode()]), "NVRTC")
    try:
        (status,) = nvrtc.nvrtcCompileProgram(handle, len(options), [option.encode() for option in options])
        log = _read(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, handle).decode().strip("\0\n ")
        if status:
            first = next((line for line in log.splitlines() if "error" in line), log or "no log")
            raise RuntimeError(f"NVRTC {version()} cannot compile {program.file} ({options[0]}): {first}")
        if "=sm_" in options[0]:
            return _read(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, handle), log
        return _read(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, handle), log
    finally:
        nvrtc.nvrtcDestroyProgram(handle)


def _read(size_of: Any, copy: Any, handle: Any) -> bytes:
    """One of NVRTC's results: its size, then its bytes into a buffer of that size."""
    buffer = bytes(_check(size_of(handle), "NVRTC"))
    _check(copy(handle, buffer), "NVRTC")
    return buffer


def _check(answer: tuple[Any, ...], what: str) -> Any:
    """The value in a binding's answer (status, value); RuntimeError, in one line, for a status other than success."""
    status, *values = answer
    if status:
        raise RuntimeError(f"CUDA: {what}: {getattr(status, 'name', status)}")
    return values[0] if values else None


@functools.cache
def version() -> str:
    """NVRTC's version, such as "13.0"; raises ImportError or RuntimeError where it cannot be loaded."""
    status, major, minor = _bindings("nvrtc").nvrtcVersion()
    _check((status,), "NVRTC")
    return f"{major}.{minor}"


@functools.cache
def _bindings(name: str) -> ModuleType:
    from cuda.bindings import driver, nvrtc

    return {"driver": driver, "nvrtc": nvrtc}[name]


@functools.cache
def compiler_problem() -> str | None:
    """Why CUDA sources cannot be compiled here, or None where they can."""
    try:
        version()
    except ImportError:
        return f"cuda-bindings is not installed ({INSTALL})"
    except Exception as error:  # how the bindings say that the library is missing changes with their version
        return f"NVRTC does not load ({INSTALL}): {str(error).splitlines()[0]}"
    return None
