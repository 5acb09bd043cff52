"""An edit of no steps gives the asset back, whoever wrote it: geometry to float32's rounding, texture to the byte."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial

from dreamforge import config
from dreamforge.building import build_scene
from dreamforge.contracts import Mesh, Splats
from dreamforge.editing.opening import opened
from dreamforge.editing.original import begin
from dreamforge.editing.restoring import edited
from dreamforge.export import FORMATS, load_asset
from dreamforge.export.frame import Frame
from dreamforge.export.verify import compare, eight_sides
from tests.export.shapes import figure, showing
from tests.export.test_splat_formats import axes

CPU = torch.device("cpu")


def noise(size: int, seed: int = 0) -> np.ndarray:
    """The hardest picture there is: black, white and everything between, no two texels alike."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    pixels[: size // 8], pixels[-size // 8 :] = 0, 255
    return pixels


def zero_step(path: Path, *overrides: str, **settings: object) -> Mesh | Splats:
    """What `dreamforge edit` of no steps writes, read back."""
    loaded = config.load("retexture", ["export.texture=512", *overrides], prompt="x", source=str(path), **settings)
    made, original = opened(*loaded)
    scene = build_scene(made, 0, CPU)
    begin(scene, original)
    shown = edited(scene.eval(), original)
    form, name = FORMATS[made.export.formats[0]], f"out.{made.export.formats[0]}"
    if made.export.formats == ["splats.ply"]:
        form.save(original.frame.leave(shown.to_splats()), path.with_name(name), "x")
    else:
        form.save(original.frame.leave(shown.to_mesh(64)), path.with_name(name), "x")
    return load_asset(path.with_name(name))


def unwrapped_ball(radius: float = 1.0) -> trimesh.Trimesh:
    """A ball by longitude and latitude, split along its seam, with a picture of noise."""
    ball = trimesh.creation.uv_sphere(radius, count=[16, 16])
    u = 0.5 + np.arctan2(ball.vertices[:, 1], ball.vertices[:, 0]) / (2 * np.pi)
    corner = np.take(u, ball.faces)
    rows = ball.faces[np.ptp(corner, axis=1) < 0.5]
    uv = np.stack([u, 0.5 + np.arcsin((ball.vertices[:, 2] / radius).clip(-1, 1)) / np.pi], 1)
    material = PBRMaterial(name="painted", baseColorTexture=Image.fromarray(noise(64)), metallicFactor=0.0, roughnessFactor=0.7)
    return trimesh.Trimesh(ball.vertices, rows, process=False, visual=trimesh.visual.TextureVisuals(uv, material=material))


def by_trimesh(folder: Path) -> Path:
    """Two parts of two materials under transforms, far from the origin and in other units."""
    scene = trimesh.Scene()
    place = trimesh.transformations.compose_matrix(scale=[40, 40, 40], angles=[0.3, 0.1, 2], translate=[500, -200, 70])
    scene.add_geometry(unwrapped_ball(), transform=place)
    other = unwrapped_ball(0.5)
    other.visual.material = PBRMaterial(name="other", baseColorTexture=Image.fromarray(noise(32, 1)), metallicFactor=1.0)
    scene.add_geometry(other, transform=trimesh.transformations.translation_matrix([540, -150, 70]))
    (folder / "two.glb").write_bytes(scene.export(file_type="glb"))
    return folder / "two.glb"


def by_pygltflib(folder: Path) -> Path:
    """The same file taken apart and written again by another program, its texture in a file of its own."""
    from pygltflib import GLTF2, BufferFormat, ImageFormat

    tree = GLTF2().load(str(by_trimesh(folder)))
    tree.convert_images(ImageFormat.FILE, path=str(folder))
    tree.convert_buffers(BufferFormat.BINFILE)
    tree.save(str(folder / "again.gltf"))
    return folder / "again.gltf"


def as_obj(folder: Path) -> Path:
    ball = unwrapped_ball()
    ball.visual = trimesh.visual.TextureVisuals(
        ball.visual.uv, material=trimesh.visual.material.SimpleMaterial(image=Image.fromarray(noise(64)))
    )
    ball.export(folder / "ball.obj")
    return folder / "ball.obj"


BLENDER = """
import sys, bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
picture = bpy.data.images.load(sys.argv[-2])
for number, at in enumerate([(0, 0, 0), (3, 1, 0)]):
    bpy.ops.mesh.primitive_uv_sphere_add(segments=12, ring_count=8, location=at, rotation=(0.4, 0.2, number), scale=(1, 2, 1))
    material = bpy.data.materials.new(f"coat{number}")
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    if number:
        shader.inputs["Base Color"].default_value = (0.8, 0.1, 0.05, 1)
    else:
        texture = material.node_tree.nodes.new("ShaderNodeTexImage")
        texture.image = picture
        material.node_tree.links.new(texture.outputs[0], shader.inputs["Base Color"])
    bpy.context.object.data.materials.append(material)
bpy.ops.export_scene.gltf(filepath=sys.argv[-1])
"""


def by_blender(folder: Path) -> Path:
    binary = shutil.which("blender")
    if binary is None:
        pytest.skip("needs Blender")
    Image.fromarray(noise(64)).save(folder / "noise.png")
    command = [binary, "--background", "--factory-startup", "--python-expr", BLENDER, "--"]
    done = subprocess.run([*command, folder / "noise.png", folder / "blender.glb"], capture_output=True, text=True, check=False)
    assert (folder / "blender.glb").is_file(), done.stdout + done.stderr
    return folder / "blender.glb"


@pytest.mark.filterwarnings("ignore:Removing bufferView")
@pytest.mark.parametrize("write", [by_trimesh, by_pygltflib, as_obj, by_blender])
def test_files_of_other_programs_come_back(write: Callable[[Path], Path], tmp_path: Path) -> None:
    """Would miss a frame not left, a face out of order, colours clamped on the way through logits, lost materials."""
    path = write(tmp_path)
    truth, back = load_asset(path), zero_step(path)
    corners = [mesh.vertices[mesh.faces] for mesh in (truth, back)]
    np.testing.assert_allclose(corners[1], corners[0], atol=3e-7 * np.abs(truth.vertices).max())
    assert back.lit == truth.lit
    if write is not by_blender:  # whose second material is one colour: that part is given texels
        np.testing.assert_array_equal(back.texture, truth.texture)
        np.testing.assert_allclose(back.uv[back.faces], truth.uv[truth.faces], atol=1e-6)
    frame = Frame.around(truth)
    check = compare(showing(frame.enter(back), cull_back=False), eight_sides(showing(frame.enter(truth), cull_back=False)))
    assert check.mean_iou > 0.9995 and check.mean_psnr > 45, check.summary()


def test_vertex_colours_become_a_texture_that_shows_them(tmp_path: Path) -> None:
    truth = figure()
    truth.vertices = truth.vertices * np.float32(7) + np.float32(20)
    FORMATS["glb"].save(truth, tmp_path / "figure.glb", "figure")
    back, frame = zero_step(tmp_path / "figure.glb"), Frame.around(truth)
    np.testing.assert_allclose(back.vertices[back.faces], truth.vertices[truth.faces], atol=3e-6)
    assert compare(showing(frame.enter(back)), eight_sides(showing(frame.enter(truth)))).mean_psnr > 45


def test_splats_come_back_even_where_their_colours_are_none(tmp_path: Path) -> None:
    truth = axes(400)
    truth.means, truth.scales = truth.means * 30 + np.float32(4), truth.scales * 30
    truth.sh[:50, 0] = 3.0  # far over white
    FORMATS["splats.ply"].save(truth, tmp_path / "capture.ply", "axes")
    truth, back = load_asset(tmp_path / "capture.ply"), zero_step(tmp_path / "capture.ply")
    for name in ("means", "scales", "quaternions", "opacities", "sh"):
        np.testing.assert_allclose(getattr(back, name), getattr(truth, name), rtol=2e-6, atol=2e-6, err_msg=name)
