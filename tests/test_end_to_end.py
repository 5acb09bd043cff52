"""Real commands as a user runs them, in processes of their own; the files are read by independent readers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from dreamforge.cameras import orbit
from dreamforge.export import FORMATS
from dreamforge.rendering.raster import render_mesh

SHORT = [
    "stages.0.steps=30", "stages.1.steps=12", "stages.1.size=64", "preview_every=20", "checkpoint_every=5",
    "export.texture=256", "export.resolution=64",
]


def dreamforge(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dreamforge.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=["splats", "field"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of each recipe."""
    root = tmp_path_factory.mktemp(request.param)
    done = dreamforge("run", "--prompt", "a yellow duck", "--recipe", request.param, "--out", "duck", *SHORT, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "duck/assets/model.glb"
    return root / "duck"


def test_a_run_leaves_everything_it_promises(finished: Path) -> None:
    for name in ("manifest.json", "config.yaml", "metrics.jsonl", "report.html", "turntable.mp4", "contact.png"):
        assert (finished / name).stat().st_size > 0, name
    assert json.loads((finished / "manifest.json").read_text())["state"] == "finished"
    assert len(list((finished / "preview").glob("*.png"))) >= 2
    steps = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [(s["stage"], s["step"]) for s in steps] == [(0, 0), (0, 10), (0, 20), (0, 29), (1, 0), (1, 10), (1, 11)]
    assert np.asarray(Image.open(finished / "contact.png")).std() > 5
    page = (finished / "report.html").read_text()
    assert "a yellow duck" in page and "src=\"http" not in page  # it must work offline


def test_the_asset_is_a_coloured_mesh_with_its_front_at_plus_z(finished: Path) -> None:
    scene = trimesh.load_scene(finished / "assets" / "model.glb")
    mesh = scene.to_geometry()
    assert len(mesh.faces) > 100 and np.abs(mesh.bounds).max() < 1.05
    shown = render_mesh(FORMATS["glb"].load(finished / "assets" / "model.glb"), orbit([0, 180], 0), torch.ones(2, 3))
    yellow = (shown.rgb[:, 0] > 0.5) & (shown.rgb[:, 2] < 0.4)
    assert yellow.float().mean() > 0.05


def test_export_writes_other_formats_afterwards(finished: Path) -> None:
    done = dreamforge("export", str(finished), "--format", "obj", cwd=finished.parent)
    assert done.returncode == 0, done.stderr
    assert len(trimesh.load_scene(finished / "assets" / "model.obj").to_geometry().faces) > 100


def test_resume_of_a_finished_run_changes_nothing(finished: Path) -> None:
    before = (finished / "assets" / "model.glb").read_bytes()
    done = dreamforge("resume", str(finished), cwd=finished.parent)
    assert done.returncode == 0, done.stderr
    assert (finished / "assets" / "model.glb").read_bytes() == before


def test_a_killed_run_resumes_to_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    """SIGKILL at a step nobody chose; the other half of the test is that `finished` is a run of the same seed."""
    recipe = json.loads((finished / "manifest.json").read_text())["command"]
    arguments = [sys.executable, "-m", "dreamforge.cli", *recipe[1:]]
    process = subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("duck/checkpoints/*.safetensors")) and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.15 + 0.4 * (os.getpid() % 7) / 7)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "duck" / "assets" / "model.glb").exists()
    done = dreamforge("resume", "duck", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = (tmp_path / "duck" / "assets" / "model.glb").read_bytes()
    assert again == (finished / "assets" / "model.glb").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "duck" / "metrics.jsonl").read_text().splitlines()]
    assert [(s["stage"], s["step"]) for s in lines] == [(0, 0), (0, 10), (0, 20), (0, 29), (1, 0), (1, 10), (1, 11)]


def test_interrupt_writes_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dreamforge.cli", "run", "--prompt", "a cat", "--out", "cat", "stages.0.steps=5000"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("cat/preview/*.png")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "dreamforge resume cat" in err
    assert list((tmp_path / "cat" / "checkpoints").iterdir())


def test_a_checkpoint_folder_drives_a_run(tmp_path: Path) -> None:
    """The road of real work, on a tiny random checkpoint: guidance, negative prompt, Perp-Neg, through the encoder."""
    pytest.importorskip("diffusers")
    from dreamforge.priors.checkpoints import Place
    from tests.priors.checkpoints import stable_diffusion

    model = stable_diffusion(tmp_path, "epsilon")
    done = dreamforge(
        "run", "--prompt", "a hamburger", "--negative", "blurry", "--recipe", "checkpoint", "--out", "run",
        f"prior.model={model}", "stages.0.steps=3", "stages.1.steps=2",
        "stages.0.perp_neg=true", "stages.1.size=64", *SHORT[3:], cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "assets" / "model.glb").is_file()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["checkpoint"] == {"model": str(model), "revision": Place(model).revision}


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["gaussians", "field"])
def test_a_known_object_is_recovered_in_the_exported_file(scene: str, tmp_path: Path) -> None:
    """The empirical prior over renders of one mesh: at least 24 dB on views that are not in the bank."""
    for arguments in (
        ["toyworld", "object", "a corgi in a top hat", "-o", "truth.glb"],
        ["toyworld", "bank", "truth.glb", "-o", "bank"],
        ["run", "--prompt", "the object", "--recipe", "empirical", "--out", "run", "prior.folder=bank",
         f"stages.0.scene={scene}"],
    ):
        done = dreamforge(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    cameras = orbit([17, 62, 107, 152, 197, 242, 287, 332], [5, 25, 40, -10, 5, 25, 40, -10], size=128)
    white = torch.ones(8, 3)
    truth, made = (
        render_mesh(FORMATS["glb"].load(tmp_path / path), cameras, white).rgb
        for path in ("truth.glb", "run/assets/model.glb")
    )
    psnr = -10 * torch.log10((truth - made).square().mean(dim=(1, 2, 3)))
    print(f"{scene}: {psnr.mean():.1f} dB")
    assert psnr.mean() >= 24, psnr
