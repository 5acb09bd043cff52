"""Written files: what readers that are not ours find in them, round trips, the official validator, whole exports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import torch
import trimesh

from dreamforge.cameras import orbit
from dreamforge.config import ExportConfig
from dreamforge.contracts import Mesh
from dreamforge.export import FORMATS, Exported, export_scene, gltf
from dreamforge.export.atlas import unwrap
from dreamforge.export.verify import compare, verify
from dreamforge.rendering.raster import render_mesh
from tests.export.shapes import figure, scene_of, showing

MODULES = os.environ.get("DREAMFORGE_NODE_MODULES", "")  # a node_modules folder that has gltf-validator


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    config = ExportConfig(formats=["glb", "obj"], resolution=96, texture=512, faces=5000)
    return export_scene(scene_of(figure()), tmp_path_factory.mktemp("assets"), config.formats, config, "a figure")


def validate(path: Path) -> dict:
    node = shutil.which("node")
    if node is None or not Path(MODULES, "gltf-validator").is_dir():
        pytest.skip("needs node, and DREAMFORGE_NODE_MODULES naming a folder with the npm package gltf-validator")
    program = (
        "const [p, f] = process.argv.slice(1); require(p).validateBytes(new Uint8Array(require('fs').readFileSync(f)))"
        ".then(r => console.log(JSON.stringify(r.issues)))"
    )
    command = [node, "-e", program, str(Path(MODULES, "gltf-validator")), str(path)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_export_shows_what_the_scene_shows(exported: Exported) -> None:
    assert exported.verification.mean_iou > 0.97
    assert exported.verification.mean_psnr > 28
    assert [path.name for path in exported.paths] == ["model.glb", "model.obj"]
    assert not [path for path in exported.paths[0].parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("form", ["glb", "obj"])
def test_every_format_reads_back_the_same_and_right_way_around(exported: Exported, form: str) -> None:
    mesh = FORMATS[form].load(exported.paths[0].with_suffix(f".{form}"))
    views = render_mesh(mesh, orbit([0.0, 90.0], 0.0, size=128), torch.full((2, 3), 1.0), cull_back=True)
    front, left = views.rgb
    assert front[2, 64, 64] > 0.6 > 0.3 > front[0, 64, 64]  # the blue nose faces a camera in front
    assert front[0, 41, 84] > 0.6 > 0.3 > front[2, 41, 84]  # the red ear, at the object's left, is on the right there
    assert left[2, 64, 37] > 0.6 > 0.3 > left[0, 64, 37]  # seen from the object's left, the nose points left
    assert compare(showing(mesh), showing(figure())).mean_psnr > 28


@pytest.mark.parametrize("form", ["glb", "obj"])
def test_round_trip_is_exact(tmp_path: Path, form: str) -> None:
    truth = figure()
    FORMATS[form].save(truth, tmp_path / f"a.{form}", "colours")
    plain = FORMATS[form].load(tmp_path / f"a.{form}")
    textured = unwrap(truth, 64)
    textured.texture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    FORMATS[form].save(textured, tmp_path / f"b.{form}", "texture")
    other = FORMATS[form].load(tmp_path / f"b.{form}")
    for wrote, read in ((truth, plain), (textured, other)):
        corners = [mesh.vertices[mesh.faces] for mesh in (wrote, read)]
        np.testing.assert_allclose(corners[0], corners[1], atol=1e-5)
        np.testing.assert_allclose(wrote.normals[wrote.faces], read.normals[read.faces], atol=1e-4)
    tolerance = 1e-5 if form == "glb" else 0.5 / 255
    np.testing.assert_allclose(plain.colors[plain.faces], truth.colors[truth.faces], atol=tolerance + 1e-6)
    np.testing.assert_allclose(other.uv[other.faces], textured.uv[textured.faces], atol=1e-5)
    assert (other.texture == textured.texture).all()


def test_glb_through_independent_readers(exported: Exported) -> None:
    path = exported.paths[0]
    tree = pygltflib.GLTF2().load(str(path))
    assert tree.asset.generator == "DreamForge" and tree.nodes[0].name == tree.meshes[0].name == "a figure"
    attributes = tree.meshes[0].primitives[0].attributes
    assert attributes.POSITION is not None and attributes.NORMAL is not None and attributes.TEXCOORD_0 is not None
    assert attributes.COLOR_0 is None
    material = tree.materials[0]
    assert material.pbrMetallicRoughness.metallicFactor == 0 and not material.doubleSided
    assert "KHR_materials_unlit" in material.extensions and not tree.extensionsRequired
    assert tree.images[0].mimeType == "image/png"
    shape = trimesh.load_mesh(path, process=False)
    np.testing.assert_allclose(shape.bounds[1, 2], 0.6, atol=0.02)  # the nose reaches toward +Z
    assert np.array(shape.visual.material.baseColorTexture).shape == (512, 512, 3)


def test_the_validator_finds_nothing(exported: Exported, tmp_path: Path) -> None:
    colors, bare = tmp_path / "colors.glb", tmp_path / "bare.glb"
    gltf.save(figure(), colors, "colours")
    gltf.save(Mesh(figure().vertices, figure().faces), bare, "bare")
    for path in (exported.paths[0], colors, bare):
        issues = validate(path)
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_bytes_are_the_same_every_time(exported: Exported, tmp_path: Path) -> None:
    config = ExportConfig(resolution=96, texture=512, faces=5000)
    again = export_scene(scene_of(figure()), tmp_path, ["glb"], config, "a figure")
    assert again.paths[0].read_bytes() == exported.paths[0].read_bytes()


def test_textures_of_many_faces_fall_back_to_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamforge.export.atlas.MOST_CHART_FACES", 100)
    mesh = unwrap(figure(), 2048)
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    corner = mesh.uv[mesh.faces] * 2048
    one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
    assert area.min() > 4  # every face has texels of its own, and they fit: the sum cannot exceed the picture
    assert area.sum() < 2048**2


def test_verification_says_which_step_lost_it(exported: Exported, tmp_path: Path) -> None:
    mesh = exported.mesh
    small = Mesh(mesh.vertices * 0.7, mesh.faces, mesh.normals, None, mesh.uv, mesh.texture)
    gray = Mesh(mesh.vertices, mesh.faces, mesh.normals, None, mesh.uv, 255 - mesh.texture)
    inverted = Mesh(mesh.vertices, mesh.faces[:, ::-1], mesh.normals, None, mesh.uv, mesh.texture)
    for broken, step in ((small, "surface"), (gray, "texture"), (inverted, "surface")):
        gltf.save(broken, tmp_path / "x.glb", "x")
        with pytest.raises(ValueError, match=f"{step} step"):
            verify("x.glb", showing(gltf.load(tmp_path / "x.glb")), showing(figure()))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.glb").write_bytes(b"glTF but not really")
    for name in ("broken.glb", "missing.glb"):
        with pytest.raises(ValueError, match=name):
            gltf.load(tmp_path / name)
