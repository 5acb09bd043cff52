"""A viewer of splats that is not ours shows our files as we do: upright, from the front, as opaque and as large."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamforge.cameras import orbit
from dreamforge.export import SPLATS
from dreamforge.rendering.splats import render_splats
from tests.browser import pictures
from tests.export.node import MODULES
from tests.export.test_splat_formats import axes

PACKAGE = "@mkkellogg/gaussian-splats-3d"
PAGE = """<html><body><script type=importmap>{"imports": {"three": "PLACE/three/build/three.module.js",
"viewer": "PLACE/VIEWER/build/gaussian-splats-3d.module.js"}}</script><div id=here style="width: 192px; height: 192px"></div></body></html>"""

SCRIPT = """
import * as THREE from "three";
import {Viewer, SceneFormat, SceneRevealMode, RenderMode, LogLevel} from "viewer";
const file = Uint8Array.from(atob("FILE"), letter => letter.charCodeAt(0));
const renderer = new THREE.WebGLRenderer({preserveDrawingBuffer: true});
renderer.setPixelRatio(1);
renderer.setSize(SIZE, SIZE);
renderer.setClearColor(0xffffff);
document.body.append(renderer.domElement);
const camera = new THREE.PerspectiveCamera(40, 1, 0.1, 10);
const viewer = new Viewer({selfDrivenMode: false, useBuiltInControls: false, renderer, camera,
    rootElement: document.getElementById("here"), sharedMemoryForWorkers: false, gpuAcceleratedSort: false, integerBasedSort: false, ignoreDevicePixelRatio: true,
    antialiased: true, sphericalHarmonicsDegree: DEGREE, sceneRevealMode: SceneRevealMode.Instant, renderMode: RenderMode.Always,
    logLevel: LogLevel.Error});
const busy = async waits => {  // the browser's time is virtual, that of its workers is not
    for (let i = 0; waits() && i < 1500; i++) {
        renderer.render(new THREE.Scene(), camera);
        await new Promise(done => setTimeout(done, 2));
    }
};
let loading = true;
viewer.addSplatScene(URL.createObjectURL(new Blob([file])), {format: SceneFormat.KIND, showLoadingUI: false,
    splatAlphaRemovalThreshold: 0, progressiveLoad: false, rotation: TURN}).then(() => { loading = false; });
await busy(() => loading);
for (const [name, x, y, z] of [["front", 0, 0, 3], ["left", 3, 0, 0], ["corner", 1.5, 1.5, 2.1213203]]) {
    camera.position.set(x, y, z);
    camera.lookAt(0, 0, 0);
    camera.updateMatrixWorld();
    await viewer.runSplatSort(true, true);
    await busy(() => viewer.sortRunning);
    viewer.update();
    viewer.render();
    snap(renderer.domElement, name);
}
"""


@pytest.mark.parametrize(("form", "kind"), [("splats.ply", "Ply"), ("splat", "Splat"), ("spz", "Spz")])
def test_a_viewer_shows_what_we_render(tmp_path: Path, form: str, kind: str) -> None:
    if not (MODULES / PACKAGE).is_dir() or not (MODULES / "three").is_dir():
        pytest.skip(f"needs DREAMFORGE_NODE_MODULES naming a folder with the npm packages three and {PACKAGE}")
    splats = axes(400, degree=0 if form == "splat" else 1)
    SPLATS[form].save(splats, tmp_path / f"a.{form}", "axes")
    (tmp_path / "page.html").write_text(PAGE.replace("PLACE", MODULES.resolve().as_uri()).replace("VIEWER", PACKAGE))
    script = SCRIPT
    for word, meaning in {
        "TURN": "[0, 0, 0, 1]" if form == "spz" else "[1, 0, 0, 0]",  # the others have y down: half a turn about x
        "KIND": kind, "DEGREE": str(splats.degree), "SIZE": "192",
        "FILE": base64.b64encode((tmp_path / f"a.{form}").read_bytes()).decode(),
    }.items():  # fmt: skip
        script = script.replace(word, meaning)
    shown = pictures(tmp_path / "page.html", script)
    cameras = orbit([0.0, 90.0, 35.264390], [0.0, 0.0, 30.0], size=192)
    truth = render_splats(splats, cameras, torch.ones(3, 3)).rgb.permute(0, 2, 3, 1).numpy()
    for name, expected in zip(("front", "left", "corner"), truth, strict=True):
        assert -10 * np.log10(np.square(shown[name][..., :3] - expected).mean()) > 35, name
