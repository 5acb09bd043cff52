"""With Numba absent the references serve, and what has none says so in one line."""

from __future__ import annotations

import subprocess
import sys

BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numba":
            raise ModuleNotFoundError("No module named 'numba'", name="numba")
sys.meta_path.insert(0, Absent())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "numba" else found(name, package)
"""
USE = """
import torch
from dreamforge.cameras import orbit
from dreamforge.scenes.field import Field
from dreamforge.scenes.gaussians import Gaussians
for scene in (Gaussians(seed=0, count=20, sh_degree=1), Field(seed=0, table_bits=8, levels=2, cells=8, samples=8)):
    scene.render(orbit([0.0], 0.0, size=8), torch.zeros(1, 3)).rgb.sum().backward()
from dreamforge.cli import main
sys.exit(main(["run", "--prompt", "a cat"]))
"""


def test_the_references_serve_and_the_rest_says_what_to_install(tmp_path) -> None:  # type: ignore[no-untyped-def]
    done = subprocess.run([sys.executable, "-c", BLOCK + USE], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].endswith("pip install numba") and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
