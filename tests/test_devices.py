"""The engine on a GPU that does not exist: see pretend_gpu.py, which needs a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

WALKS = [
    "a picture of splats", "a picture of a field", "steps on splats", "steps on a field",
    "steps with pictures from the CPU", "steps on a lattice", "steps on a lit mesh", "steps on colours in space",
]  # fmt: skip


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "tests.pretend_gpu", *WALKS]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("walk", WALKS)
def test_nothing_is_on_the_wrong_device_and_nothing_waits(walk: str, found: dict[str, str]) -> None:
    assert found[walk] == ""
