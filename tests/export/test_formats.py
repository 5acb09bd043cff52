"""Written files: what readers that are not ours find in them, round trips, the official validator, whole exports."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pygltflib
import pytest
import torch
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamforge.cli.parser import FORMATS as CLI_FORMATS
from dreamforge.cameras import orbit
from dreamforge.config import ExportConfig
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export import FORMATS, MESHES, SPLATS, Exported, export_scene, gltf, load_asset
from dreamforge.export.atlas import unwrap
from dreamforge.export.tangents import tangents
from dreamforge.export.verify import eight_sides, verify
from dreamforge.rendering.raster import render_mesh
from dreamforge.scenes.gaussians import Gaussians
from tests.export.node import node, validate
from tests.export.shapes import axes, figure, scene_of, showing

TEXTURED = [form for form in MESHES if form != "stl"]


def textured(mesh: Mesh, size: int = 64, lit: bool = False) -> Mesh:
    """The mesh unwrapped, with random pictures."""
    rng = np.random.default_rng(0)
    color, reflection, normal = rng.integers(0, 256, (3, size, size, 3)).astype(np.uint8)
    mesh = replace(unwrap(mesh, size), texture=color)
    return replace(mesh, metallic_roughness=reflection, normal_map=normal) if lit else mesh

@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    config = ExportConfig(formats=list(MESHES), resolution=96, texture=512, faces=5000)
    return export_scene(scene_of(figure()), tmp_path_factory.mktemp("assets"), config.formats, config, "a figure")


def test_export_shows_what_the_scene_shows(exported: Exported) -> None:
    assert exported.verification.mean_iou > 0.97
    assert exported.verification.mean_psnr > 28
    assert [path.name for path in exported.paths] == [f"model.{form}" for form in MESHES]
    assert not [path for path in exported.paths[0].parent.iterdir() if path.name.startswith(".")]
    assert trimesh.load_mesh(exported.paths[0].with_suffix(".stl")).is_watertight  # the .stl, its corners joined


@pytest.mark.parametrize("form", TEXTURED)
def test_every_format_reads_back_the_same_and_right_way_around(exported: Exported, form: str) -> None:
    mesh = FORMATS[form].load(exported.paths[0].with_suffix(f".{form}"))
    cameras, white = orbit([0.0, 90.0], 0.0, size=128), torch.ones(2, 3)
    front, left = shown = render_mesh(mesh, cameras, white, cull_back=True).rgb
    assert front[2, 64, 64] > 0.6 > 0.3 > front[0, 64, 64]  # the blue nose faces a camera in front
    assert front[0, 41, 84] > 0.6 > 0.3 > front[2, 41, 84]  # the red ear, at the object's left, is on the right there
    assert left[2, 64, 37] > 0.6 > 0.3 > left[0, 64, 37]  # seen from the object's left, the nose points left
    truth = render_mesh(figure(), cameras, white, cull_back=True).rgb
    assert -10 * torch.log10((shown - truth).square().mean()) > 28


@pytest.mark.parametrize("form", MESHES)
def test_round_trip_is_exact(tmp_path: Path, form: str) -> None:
    truth = figure()
    FORMATS[form].save(truth, tmp_path / f"ein Bär.{form}", "colours")
    plain = FORMATS[form].load(tmp_path / f"ein Bär.{form}")
    picture = textured(truth)
    FORMATS[form].save(picture, tmp_path / f"熊.{form}", "texture")
    other = FORMATS[form].load(tmp_path / f"熊.{form}")
    for wrote, read in ((truth, plain), (picture, other)):
        corners = [mesh.vertices[mesh.faces] for mesh in (wrote, read)]
        np.testing.assert_allclose(corners[0], corners[1], atol=1e-5)
        if form != "stl":
            np.testing.assert_allclose(wrote.normals[wrote.faces], read.normals[read.faces], atol=1e-4)
    if form == "stl":
        assert plain.colors is other.texture is None
        return
    tolerance = 1e-5 if form in ("glb", "gltf", "usdz") else 0.5 / 255
    np.testing.assert_allclose(plain.colors[plain.faces], truth.colors[truth.faces], atol=tolerance + 1e-6)
    np.testing.assert_allclose(other.uv[other.faces], picture.uv[picture.faces], atol=1e-5)
    assert (other.texture == picture.texture).all()


@pytest.mark.parametrize("form", ["glb", "gltf"])
@pytest.mark.parametrize(("image", "most"), [("png", 0), ("jpeg", 6), ("webp", 10)])
def test_lit_materials_and_kinds_of_pictures(tmp_path: Path, form: str, image: str, most: int) -> None:
    truth = textured(figure(), lit=True)
    smooth = np.linspace(0, 255, 64, dtype=np.uint8)
    truth.texture = np.stack([*np.meshgrid(smooth, smooth), np.full((64, 64), 90, np.uint8)], axis=-1)
    path = tmp_path / f"a.{form}"
    gltf.save(truth, path, "ein Bär", image)
    read = gltf.load(path)
    assert np.abs(read.texture.astype(int) - truth.texture).max() <= most
    assert (read.metallic_roughness == truth.metallic_roughness).all() and (read.normal_map == truth.normal_map).all()
    tree = pygltflib.GLTF2().load(str(path))
    material = tree.materials[0]
    assert material.pbrMetallicRoughness.metallicFactor == material.pbrMetallicRoughness.roughnessFactor == 1
    assert material.extensions == {} and (tree.extensionsRequired == ["EXT_texture_webp"]) == (image == "webp")
    assert tree.images[0].mimeType == f"image/{image}" and tree.images[1].mimeType == "image/png"
    assert tree.meshes[0].primitives[0].attributes.TANGENT is not None


def test_tangents_follow_u_and_their_sign_v() -> None:
    """A wall in x, y with u along y and v along -x, and its mirror image in u."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces, normals = np.array([[0, 1, 2], [0, 2, 3]], np.int32), np.tile(np.float32([0, 0, 1]), (4, 1))
    uv = np.stack([corners[:, 1], 1 - corners[:, 0]], axis=-1)
    np.testing.assert_allclose(tangents(Mesh(corners, faces, normals, uv=uv)), np.tile([0, 1, 0, 1], (4, 1)), atol=1e-6)
    mirrored = uv * np.float32([-1, 1]) + np.float32([1, 0])
    np.testing.assert_allclose(tangents(Mesh(corners, faces, normals, uv=mirrored)), np.tile([0, -1, 0, -1], (4, 1)), atol=1e-6)


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
    made = {"colors": figure(), "bare": Mesh(figure().vertices, figure().faces), "lit": textured(figure(), lit=True)}
    paths = exported.paths[:2]
    for form in ("glb", "gltf"):
        for name, mesh in made.items():
            for image in ("png", "jpeg", "webp") if name == "lit" else ("png",):
                paths.append(tmp_path / f"{name}-{image}.{form}")
                gltf.save(mesh, paths[-1], f"{name} Bär", image)
    for path in paths:
        issues = validate(path)
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_bytes_are_the_same_every_time(exported: Exported, tmp_path: Path) -> None:
    config = ExportConfig(resolution=96, texture=512, faces=5000)
    again = export_scene(scene_of(figure()), tmp_path, ["glb"], config, "a figure")
    assert again.paths[0].read_bytes() == exported.paths[0].read_bytes()


def test_axes_are_right_and_coloured_everywhere(tmp_path: Path) -> None:
    """Red to +x, green to +y, blue to +z, each twice as long as the one before: by trimesh and by glTF-Transform."""
    for form in set(MESHES) - {"usdz"}:
        FORMATS[form].save(axes(), tmp_path / f"axes.{form}", "axes")
        shape = trimesh.load_mesh(tmp_path / f"axes.{form}", process=False)
        np.testing.assert_allclose(shape.bounds, [[-0.02] * 3, [0.2, 0.4, 0.8]], atol=1e-6)
        if form in ("ply", "obj"):
            tips = [shape.visual.vertex_colors[shape.vertices[:, k].argmax(), :3] for k in range(3)]
            assert np.array(tips).tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    program = """
        import {NodeIO} from "PACKAGE/dist/index.js";
        const document = await new NodeIO().read(process.argv[1]);
        const part = document.getRoot().listMeshes()[0].listPrimitives()[0];
        const rows = key => Array.from({length: part.getAttribute(key).getCount()}, (_, i) => part.getAttribute(key).getElement(i, []));
        console.log(JSON.stringify([rows("POSITION"), rows("COLOR_0"), document.getRoot().listNodes()[0].getName()]));
    """
    for form in ("glb", "gltf"):
        places, colors, name = json.loads(node(program, "@gltf-transform/core", tmp_path / f"axes.{form}"))
        tips = np.array(places).argmax(0)
        assert np.array(colors)[tips].tolist() == np.eye(3).tolist() and name == "axes"


def test_files_that_fail_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ExportConfig()
    scene = SimpleNamespace(to_mesh=lambda resolution: textured(figure()))  # taken as it is
    monkeypatch.setattr(sys.modules["dreamforge.export.verify"], "LEAST_PSNR", 101.0)
    with pytest.raises(UserError, match="model.obj lost the scene's colours"):
        export_scene(scene, tmp_path, ["stl", "obj", "glb"], config, "x")
    assert not list(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        export_scene(scene, tmp_path, ["stl"], config, "x")
    assert caught.value.filename == str(tmp_path / "model.stl") and not list(tmp_path.iterdir())


def test_scenes_of_splats_need_no_surface_for_files_of_splats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Gaussians(seed=0, count=300).eval()
    shown, render = [], scene.render
    monkeypatch.setattr(scene, "render", lambda cameras, background: shown.append(len(cameras)) or render(cameras, background))
    done = export_scene(scene, tmp_path, list(SPLATS), ExportConfig(), "x")
    assert done.mesh is None and sum(shown) == 8  # views, once for all files
    assert [check.mean_psnr > least for check, least in zip(done.checks, (60, 40, 40), strict=True)] == [True] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.splat", "model.splats.ply", "model.spz"]
    with pytest.raises(UserError, match="not made of splats"):
        export_scene(scene_of(figure()), tmp_path, ["glb", "spz"], ExportConfig(), "x")


def test_the_help_names_every_format() -> None:
    assert CLI_FORMATS.replace("; of splats: ", ", ").split(", ") == list(FORMATS)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    faces=st.integers(1, 6), exponent=st.integers(-9, 9), form=st.sampled_from(list(MESHES)), seed=st.integers(0, 999),
    kind=st.sampled_from(["bare", "colors", "texture", "lit"]), name=st.text(max_size=12),
)  # fmt: skip
def test_any_mesh_survives(tmp_path: Path, faces: int, exponent: int, form: str, seed: int, kind: str, name: str) -> None:
    rng = np.random.default_rng(seed)
    count = faces + 2
    mesh = Mesh((rng.standard_normal((count, 3)) * 10.0**exponent).astype(np.float32),
                np.stack([rng.permutation(count)[:3] for _ in range(faces)]).astype(np.int32))  # fmt: skip
    if kind == "colors":
        mesh.colors = rng.random((count, 3)).astype(np.float32)
    if kind in ("texture", "lit"):
        mesh.uv, mesh.texture = rng.random((count, 2)).astype(np.float32), rng.integers(0, 256, (3, 5, 3)).astype(np.uint8)
        mesh.normals = rng.standard_normal((count, 3)).astype(np.float32)
        mesh.normals /= np.linalg.norm(mesh.normals, axis=1, keepdims=True)
    if kind == "lit":
        mesh.normal_map = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    path = tmp_path / f"a.{form}"
    FORMATS[form].save(mesh, path, name)
    read = load_asset(path)
    np.testing.assert_allclose(read.vertices[read.faces], mesh.vertices[mesh.faces], rtol=2e-6)
    if mesh.uv is not None and form != "stl":
        np.testing.assert_allclose(read.uv[read.faces], mesh.uv[mesh.faces], atol=1e-6)
        assert (read.texture == mesh.texture).all()
    with pytest.raises(UserError, match="no triangle"):
        FORMATS[form].save(replace(mesh, faces=mesh.faces[:0]), tmp_path / "empty", name)


def test_verification_says_which_step_lost_it(exported: Exported, tmp_path: Path) -> None:
    mesh, pictures = exported.mesh, eight_sides(showing(figure()))
    small = Mesh(mesh.vertices * 0.7, mesh.faces, mesh.normals, None, mesh.uv, mesh.texture)
    gray = Mesh(mesh.vertices, mesh.faces, mesh.normals, None, mesh.uv, 255 - mesh.texture)
    inverted = Mesh(mesh.vertices, mesh.faces[:, ::-1], mesh.normals, None, mesh.uv, mesh.texture)
    for broken, lost, step in ((small, "shape", "surface"), (gray, "colours", "texture"), (inverted, "shape", "surface")):
        gltf.save(broken, tmp_path / "x.glb", "x")
        read = showing(gltf.load(tmp_path / "x.glb"))
        with pytest.raises(UserError, match=f"{lost} in the {step} step"):
            verify("x.glb", read, pictures, showing(broken))
        with pytest.raises(UserError, match=f"{lost} in the writing step"):  # what was written was sound
            verify("x.glb", read, pictures, showing(mesh))
