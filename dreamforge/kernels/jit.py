"""The one way this project calls Numba: parallel, cached on disk, as many threads as torch uses."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dreamforge.caching import cache_folder
from dreamforge.errors import UserError


def _cache_folder() -> Path:
    """Where compiled kernels are kept: in the user's cache, or where that cannot be written in a folder for once.

    Not beside the package, where pip would leave the folder behind and Python then take it for the package. Named by a
    digest of all sources that hold kernels, since Numba itself notices changes only in the file of the kernel called,
    not in the helpers and constants it imports.
    """
    package = Path(__file__).resolve().parent.parent
    sources = sorted([*package.glob("kernels/*.py"), *package.glob("*/*kernels.py")])
    digest = hashlib.blake2b(b"".join(path.read_bytes() for path in sources), digest_size=6).hexdigest()
    folder = cache_folder(f"numba-{digest}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass  # a read-only home: compiling every time is slow, and right
    return Path(tempfile.mkdtemp(prefix="dreamforge-numba-"))


os.environ.setdefault("NUMBA_CACHE_DIR", str(_cache_folder()))

try:
    import numba  # (the cache folder must be known first)
except ImportError as error:
    raise UserError("the toy world and the export have Numba kernels alone: pip install numba") from error
import torch  # noqa: E402

from dreamforge.kernels.compiler import ChildCompiledCache  # noqa: E402

# OpenMP, which torch has loaded anyway, before a TBB that happens to be on the system: processes hung in its unloading
# when they ended.
numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
prange = numba.prange


def use_torch_threads() -> None:
    """Let Numba use as many threads as torch does (never more than the machine has)."""
    numba.set_num_threads(max(1, min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)))


use_torch_threads()


def kernel(function: Callable[..., Any], fastmath: bool = True) -> Callable[..., Any]:
    """Compile `function` for parallel execution with fast maths, cached on disk."""
    compiled = numba.njit(parallel=True, fastmath=fastmath, error_model="numpy", boundscheck=False)(function)
    compiled._cache = ChildCompiledCache(function)
    return compiled


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small helper that kernels call."""
    return numba.njit(fastmath=True, cache=True, error_model="numpy", inline="never")(function)


def exact_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel` with its arithmetic done as it is written, where decisions hang on the last bit."""
    return kernel(function, fastmath=False)


def exact(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small helper that exact kernels call."""
    return numba.njit(cache=True, error_model="numpy", inline="never")(function)
