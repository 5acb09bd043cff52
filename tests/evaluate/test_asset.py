"""An asset beside the known one, and the road there: object, bank, run, comparison, as a user goes it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamforge import pipeline
from dreamforge.cameras import turntable
from dreamforge.cli import main
from dreamforge.contracts import Mesh
from dreamforge.evaluate.asset import chamfer, compare_assets
from dreamforge.export import MESHES
from tests.export.shapes import figure

SHORT = [
    "stages.0.steps=60", "stages.0.size=48", "stages.0.scene.count=1500", "stages.1.steps=10", "stages.1.size=48", "stages.2.steps=12",
    "stages.2.size=64", "stages.2.scene.resolution=48", "stages.2.scene.texture_size=128", "stages.2.scene.face_count=2000",
]  # fmt: skip


def grown(mesh: Mesh, by: float) -> Mesh:
    return replace(mesh, vertices=(mesh.vertices + by * mesh.normals).astype(np.float32))


def test_chamfer_distance_is_that_of_the_surface_seen() -> None:
    """A surface pushed out by a hundredth of its size is that far off; parts inside of it count for nothing."""
    truth = figure()
    size = np.linalg.norm(np.ptp(truth.vertices, axis=0))
    assert chamfer(truth, truth) == 0
    assert chamfer(grown(truth, 0.01 * size), truth) == pytest.approx(0.01, rel=0.25)
    hidden = replace(truth, vertices=np.concatenate([truth.vertices, 0.3 * truth.vertices]).astype(np.float32))
    hidden = replace(hidden, faces=np.concatenate([truth.faces, truth.faces + len(truth.vertices)]))
    hidden = replace(hidden, normals=np.tile(truth.normals, (2, 1)), colors=np.tile(truth.colors, (2, 1)))
    assert chamfer(hidden, truth) < 1e-3


@pytest.mark.slow
def test_a_known_object_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """A short `empirical_mesh` on a bank of few pictures, from a file that is far too large and off the origin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "turntable", lambda count, size: turntable(count, size=32))  # not what this is about
    truth = figure()
    MESHES["glb"].save(replace(truth, vertices=(40 * truth.vertices + 7).astype(np.float32)), Path("truth.glb"), "truth")
    assert main(["toyworld", "bank", "truth.glb", "-o", "bank", "--views", "60", "--size", "64"]) == 0
    run = ["run", "--prompt", "the object", "--recipe", "empirical_mesh", "--out", "run", "prior.folder=bank", *SHORT]
    assert main(run) == 0
    capsys.readouterr()
    assert main(["evaluate", "asset", "run/assets/model.glb", "--truth", "truth.glb"]) == 0
    line = capsys.readouterr().out
    print(line)
    distance, decibels = re.match(r"Chamfer distance ([\d.]+)% of its size, PSNR ([\d.]+) dB", line).groups()
    assert float(distance) <= 1 and float(decibels) >= 24
    assert main(["evaluate", "asset", "run/assets/model.glb", "--truth", "nothing.glb"]) == 2
    assert "nothing.glb" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--views", "0"], ["--size", "-3"]])
def test_a_bank_of_nothing_is_refused(option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["toyworld", "bank", "truth.glb", "-o", str(tmp_path / "bank"), *option]) == 2
    assert f"{option[0]}: {option[1]} is out of range" in capsys.readouterr().err and not (tmp_path / "bank").exists()
