"""The live viewer: what it serves, that it follows a run, and that only this machine can see it."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from dreamforge import config, viewing
from dreamforge.building import build_scene, device_of
from dreamforge.cli import main
from dreamforge.errors import UserError
from dreamforge.export import gltf, splat_ply
from dreamforge.export.frame import Frame
from dreamforge.runs import Checkpoint, Run
from dreamforge.viewing import open_viewer, watch
from tests.export.shapes import axes
from tests.export.test_splat_formats import axes as splat_axes

pytest.importorskip("viser")


def test_files_are_served_to_this_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    splats = splat_axes(100)
    splats.means = splats.means * 50 + 1000  # wherever it lies, and however large
    splat_ply.save(splats, tmp_path / "a.ply", "a")
    gltf.save(axes(), tmp_path / "b.glb", "b")
    viewer, run = open_viewer(str(tmp_path / "a.ply"), 8950)
    try:
        assert run is None and viewer.address.startswith("http://127.0.0.1:")
        assert urllib.request.urlopen(viewer.address, timeout=20).status == 200
        assert "100 splats" in viewer.facts.content and viewer.size.visible
        monkeypatch.setattr(viewer.server.scene, "add_gaussian_splats", lambda name, *values: shown.update({name: values}))
        viewer.faint.value = 0.5
        viewer.size.value = 2.0
        means, covariances, colors, opacities = shown["/asset"]
        kept = splats.opacities >= 0.5
        inside = Frame.around(splats).enter(splats)
        assert 0.7 < np.linalg.norm(means, axis=1).max() < 1
        np.testing.assert_allclose(means, inside.means[kept], atol=1e-5)
        traces = 4 * np.square(inside.scales[kept]).sum(1)
        np.testing.assert_allclose(np.trace(covariances, axis1=1, axis2=2), traces, rtol=1e-4)
        assert colors.dtype == np.uint8 and opacities.shape == (kept.sum(), 1)
        viewer.show(gltf.load(tmp_path / "b.glb"))
        assert "36 faces" in viewer.facts.content and not viewer.size.visible
    finally:
        viewer.server.stop()


def test_a_run_is_followed_until_it_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "LOOK_AGAIN", 0.05)
    settings = config.load("splats", ["stages.0.scene.count=50"], prompt="a cat")[0]
    run = Run.create(settings, [], str(tmp_path / "run"))
    viewer, same = open_viewer(str(run.folder), 8960)
    try:
        assert "no checkpoint yet" in viewer.facts.content
        follower = Thread(target=watch, args=(viewer, same), daemon=True)
        follower.start()
        scene = build_scene(settings, 0, device_of(settings))
        tensors = {f"scene.{name}": value for name, value in scene.state_dict().items()}
        run.save_checkpoint(Checkpoint(0, 30, tensors, {}))
        for _ in range(400):
            if "stage00-step000030" in viewer.facts.content:
                break
            follower.join(0.05)
        assert "50 splats" in viewer.facts.content
        run.describe(state="finished")
        follower.join(10)
        assert not follower.is_alive()
    finally:
        viewer.server.stop()


def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gltf.save(axes(), tmp_path / "a.glb", "a")
    monkeypatch.setitem(sys.modules, "viser", None)
    assert main(["view", str(tmp_path / "a.glb")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and "pip install" in printed.err
    with pytest.raises(UserError, match="not a run folder"):
        open_viewer(str(tmp_path))
