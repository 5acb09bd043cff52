"""Kernels are compiled by a child and loaded from its cache, in the process that meets them first as in any later one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

numba = pytest.importorskip("numba")

SCRIPT = """
import torch
from dreamforge.kernels import volume_numba
from dreamforge.kernels.compiler import ChildCompiledCache
ChildCompiledCache.in_child = {alone}
offsets = torch.tensor([0, 2, 5])
volume_numba.composite(torch.rand(5), torch.rand(5, 3), offsets, torch.rand(5), 0.1)
stats = volume_numba._composite_pass.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def hits_and_misses(cache: Path, alone: bool = False) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", SCRIPT.format(alone=alone)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_the_first_process_loads_what_its_child_compiled(tmp_path: Path) -> None:
    """Would fail for Numba's own cache, whose first process runs what it has compiled itself."""
    assert hits_and_misses(tmp_path / "own", alone=True) == "0 1"
    assert hits_and_misses(tmp_path / "child") == "1 0"
    assert hits_and_misses(tmp_path / "child") == "1 0"


@pytest.mark.skipif(sys.platform != "linux", reason="Numba's own build has OpenMP on Linux")
def test_threads_are_openmps_whatever_else_is_installed() -> None:
    """TBB would come first: with Debian's, processes hung when they ended, in its unloading."""
    from dreamforge.toyworld import render_pairs

    render_pairs(1, seed=0, size=8)
    assert numba.threading_layer() == "omp"
