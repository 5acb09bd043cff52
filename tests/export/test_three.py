"""three.js, the viewer of most web pages, shows our files the right way around and in their colours."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamforge.cameras import orbit
from dreamforge.export import MESHES
from dreamforge.rendering.raster import render_mesh
from tests.browser import pictures
from tests.export.node import MODULES
from tests.export.shapes import painted_axes

PAGE = """<html><body><script type=importmap>{"imports": {"three": "PLACE/build/three.module.js",
"three/addons/": "PLACE/examples/jsm/"}}</script></body></html>"""

SCRIPT = """
import * as THREE from "three";
import {LOADER} from "three/addons/loaders/LOADER.js";
const file = Uint8Array.from(atob("FILE"), letter => letter.charCodeAt(0)).buffer;
const loaded = await new Promise((done, failed) => new LOADER().parse(file, "", done, failed));
const scene = new THREE.Scene();
scene.add(loaded.scene ?? loaded);
await new Promise(done => setTimeout(done, 500));  // for textures
const renderer = new THREE.WebGLRenderer({preserveDrawingBuffer: true, antialias: true});
renderer.setPixelRatio(1);
renderer.setSize(128, 128);
renderer.setClearColor(0xffffff);
const camera = new THREE.PerspectiveCamera(40, 1, 0.1, 10);
for (const [name, x, y, z] of [["front", 0, 0, 3], ["left", 3, 0, 0], ["corner", 1.5, 1.5, 2.1213203]]) {
    camera.position.set(x, y, z);
    camera.lookAt(0, 0, 0);
    renderer.render(scene, camera);
    snap(renderer.domElement, name);
}
"""


@pytest.mark.parametrize(("form", "loader"), [("glb", "GLTFLoader"), ("usdz", "USDLoader")])
def test_three_shows_what_we_render(tmp_path: Path, form: str, loader: str) -> None:
    place = MODULES / "three"
    if not (place / f"examples/jsm/loaders/{loader}.js").is_file():
        pytest.skip("needs DREAMFORGE_NODE_MODULES naming a folder with the npm package three")
    if form == "usdz":
        pytest.importorskip("pxr")
    MESHES[form].save(painted_axes(), tmp_path / f"axes.{form}", "axes")
    (tmp_path / "page.html").write_text(PAGE.replace("PLACE", place.resolve().as_uri()))
    file = base64.b64encode((tmp_path / f"axes.{form}").read_bytes()).decode()
    shown = pictures(tmp_path / "page.html", SCRIPT.replace("FILE", file).replace("LOADER", loader))
    cameras = orbit([0.0, 90.0, 35.264390], [0.0, 0.0, 30.0], size=128)
    truth = render_mesh(painted_axes(), cameras, torch.ones(3, 3), cull_back=True).rgb.permute(0, 2, 3, 1).numpy()
    for name, expected in zip(("front", "left", "corner"), truth, strict=True):
        error = np.square(shown[name][..., :3] - expected).mean()
        assert -10 * np.log10(error) > 25, name
    front, left = shown["front"], shown["left"]
    assert front[64, 68, :3].tolist() == [1, 0, 0] and front[58, 64, :3].tolist() == [0, 1, 0]  # +x right, +y up
    assert left[64, 50, :3].tolist() == [0, 0, 1]  # from +x, the front is on the left
