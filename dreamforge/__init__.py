"""DreamForge: any 2D diffusion model turned into 3D by score distillation.

    import dreamforge
    run = dreamforge.run("a corgi in a top hat")      # run.folder / "assets" / "model.glb"

Five files to read, in order: pipeline.py (prompt to files), optimize.py (the loop), objectives/sds.py (a method),
priors/toyworld.py (a diffusion model), scenes/gaussians.py (a representation).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamforge.runs import Run

# Threads that spin while they wait take the cores from the threads of the other OpenMP pool (torch has one, Numba
# another): a step took up to 14 times as long on a busy two-core machine. Read once, when a pool starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def run(
    prompt: str, recipe: str = "splats", overrides: Sequence[str] = (), out: str | None = None, **settings: Any
) -> Run:
    """Make an asset from a prompt and return its run; see `dreamforge.pipeline.start`."""
    from dreamforge.pipeline import start

    return start(prompt, recipe, overrides, out, **settings)


def edit(source: str | Path, prompt: str = "", recipe: str = "retexture", overrides: Sequence[str] = (), **settings: Any) -> Run:
    """Edit a file of a mesh or of splats, or what a run made, and return the edit's run; see `dreamforge.pipeline.start`."""
    from dreamforge.pipeline import start

    return start(prompt, recipe, overrides, source=str(source), **settings)


def resume(folder: str | Path) -> Run:
    """Finish an interrupted run; see `dreamforge.pipeline.resume`."""
    from dreamforge import pipeline

    return pipeline.resume(folder)


def export_run(folder: str | Path, formats: Sequence[str] = ("glb",)) -> list[Path]:
    """Write a finished run's asset in other formats; see `dreamforge.pipeline.export`."""
    from dreamforge import pipeline

    return pipeline.export(folder, formats)
