"""Blender opens our files the right way around and in their colours; skipped where there is none."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamforge.cameras import orbit
from dreamforge.export import MESHES
from dreamforge.rendering.raster import render_mesh
from tests.export.shapes import painted_axes

PROGRAM = """
import json, sys
import bpy, numpy
folder, found = sys.argv[-1], {}
old = bpy.app.version < (4, 0, 0)  # newer ones read .obj, .ply and .stl by themselves
readers = {
    "glb": bpy.ops.import_scene.gltf, "gltf": bpy.ops.import_scene.gltf, "obj": bpy.ops.wm.obj_import,
    "ply": bpy.ops.import_mesh.ply if old else bpy.ops.wm.ply_import,
    "stl": bpy.ops.import_mesh.stl if old else bpy.ops.wm.stl_import,
}
for form, read in readers.items():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    read(filepath=f"{folder}/axes.{form}")
    shapes = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    places = numpy.array([list(shape.matrix_world @ vertex.co) for shape in shapes for vertex in shape.data.vertices])
    found[form] = [places.min(0).tolist(), places.max(0).tolist(), [shape.name for shape in shapes]]
    if form not in ("glb", "obj"):
        continue
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 8, False
    scene.render.resolution_x = scene.render.resolution_y = 128
    scene.render.threads_mode, scene.render.threads, scene.view_settings.view_transform = "FIXED", 1, "Standard"
    scene.world = bpy.data.worlds.new("white")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (1, 1, 1, 1)
    lens = bpy.data.cameras.new("camera")
    lens.angle = numpy.radians(40)
    scene.camera = bpy.data.objects.new("camera", lens)
    scene.collection.objects.link(scene.camera)
    for name, (x, y, z) in {"front": (0, 0, 3), "left": (3, 0, 0), "corner": (1.5, 1.5, 2.1213203)}.items():
        scene.camera.location = (x, -z, y)  # what is up is z in Blender, and the front is -y
        scene.camera.rotation_euler = scene.camera.location.to_track_quat("Z", "Y").to_euler()
        scene.render.filepath = f"{folder}/{form}-{name}.png"
        bpy.ops.render.render(write_still=True)
json.dump(found, open(f"{folder}/found.json", "w"))
"""


def test_blender_shows_what_we_render(tmp_path: Path) -> None:
    binary = shutil.which("blender")
    if binary is None:
        pytest.skip("needs Blender")
    for form in ("glb", "gltf", "obj", "ply", "stl"):
        MESHES[form].save(painted_axes(), tmp_path / f"axes.{form}", "axes")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [binary, "-b", "--factory-startup", "--python-exit-code", "1", "-P", str(tmp_path / "program.py"), "--", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    for form, (low, high, names) in found.items():
        box = [[-0.02, -0.8, -0.02], [0.2, 0.02, 0.4]]  # upright, its front toward -y
        if form in ("ply", "stl"):  # formats without axes, which are taken for Blender's own
            box = [[-0.02, -0.02, -0.02], [0.2, 0.4, 0.8]]
        np.testing.assert_allclose([low, high], box, atol=1e-6, err_msg=form)
        assert names == ["axes"]
    cameras = orbit([0.0, 90.0, 35.264390], [0.0, 0.0, 30.0], size=128)
    truth = render_mesh(painted_axes(), cameras, torch.ones(3, 3), cull_back=True).rgb.permute(0, 2, 3, 1).numpy()
    for form in ("glb", "obj"):
        for name, expected in zip(("front", "left", "corner"), truth, strict=True):
            shown = np.asarray(Image.open(tmp_path / f"{form}-{name}.png").convert("RGB")) / 255
            assert -10 * np.log10(np.square(shown - expected).mean()) > 25, (form, name)
    front = np.asarray(Image.open(tmp_path / "glb-front.png").convert("RGB"))
    assert front[64, 68].tolist() == [255, 0, 0]  # +x is right
    assert front[58, 64, 1] == 255 and front[58, 64, [0, 2]].max() < 150  # +y is up, in a bar about a pixel wide
