"""Files of several parts and materials, written by other programs, as one mesh: the same geometry, the same texels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export import MESHES, load_asset
from dreamforge.export.parts import Part, joined
from dreamforge.export.verify import compare, eight_sides
from tests.export.node import node
from tests.export.shapes import showing


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)


def wall(uv: list[tuple[float, float]], place: float = 0.0, **pictures: np.ndarray) -> Part:
    """A unit square in x and y, of two triangles, at z = `place`."""
    corners = np.array([[0, 0, place], [1, 0, place], [1, 1, place], [0, 1, place]])
    faces, normals = np.array([[0, 1, 2], [0, 2, 3]]), np.tile([0.0, 0, 1], (4, 1))
    return Part(corners, faces, normals, uv=np.array(uv, float), pictures=pictures)


WHOLE = [(0, 0), (1, 0), (1, 1), (0, 1)]


def texel(mesh: Mesh, face: int, share: tuple[float, float, float]) -> np.ndarray:
    """The colour of a point of a face, bilinear, in [0,255]."""
    height, width = mesh.texture.shape[:2]
    x, y = share @ mesh.uv[mesh.faces[face]].astype(np.float64) * [width, -height] + [-0.5, height - 0.5]
    left, top = int(np.floor(x + 1e-6)), int(np.floor(y + 1e-6))
    across, down = x - left, y - top
    block = mesh.texture[top : top + 2, left : left + 2].astype(float)
    rows = block[:, 0] * (1 - across) + block[:, -1] * across
    return rows[0] * (1 - down) + rows[-1] * down


def test_pictures_are_laid_side_by_side_texel_by_texel() -> None:
    one, other, third = noise(8, 8), noise(4, 16, seed=1), noise(8, 8, seed=2)
    mesh = joined([wall(WHOLE, texture=one), wall(WHOLE, 1, texture=other), wall(WHOLE, 2, texture=one), wall(WHOLE, 3, texture=third)])
    assert len(mesh.vertices) == 16 and len(mesh.faces) == 8
    height, width = mesh.texture.shape[:2]
    for part, picture in enumerate((one, other, one, third)):
        low, high = (f(mesh.uv[4 * part : 4 * part + 4], axis=0) * [width, height] for f in (np.min, np.max))
        assert np.abs(low - low.round()).max() < 1e-3  # whole texels
        left, bottom, right, top = *low.round().astype(int), *high.round().astype(int)
        np.testing.assert_array_equal(mesh.texture[height - top : height - bottom, left:right], picture)
        edge = mesh.texture[height - top - 1, left:right]  # around a picture goes its other side, as if it repeated
        np.testing.assert_array_equal(edge, picture[-1])
    assert width * height < 1.5 * (2 * 12 * 12 + 8 * 20)  # with margins of two


def test_a_picture_that_repeats_is_laid_out_as_often() -> None:
    picture = noise(8, 4)
    mesh = joined([wall([(-3, 5), (-1, 5), (-1, 6), (-3, 6)], texture=picture)])
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    for share in ((1, 0, 0), (0.6, 0.3, 0.1), (0.1, 0.7, 0.2)):
        u, v = share @ np.array([(-3.0, 5.0), (-1, 5), (-1, 6)])
        x, y = (u % 1) * 4 - 0.5, (1 - v % 1) * 8 - 0.5
        (left, across), (top, down) = divmod(x, 1), divmod(y, 1)
        block = picture[np.ix_([int(top) % 8, int(top + 1) % 8], [int(left) % 4, int(left + 1) % 4])].astype(float)
        rows = block[:, 0] * (1 - across) + block[:, 1] * across
        np.testing.assert_allclose(texel(mesh, 0, share), rows[0] * (1 - down) + rows[1] * down, atol=0.05)


def test_one_picture_stays_as_it_is() -> None:
    picture, rough = noise(8, 4), noise(2, 2)
    mesh = joined([wall(WHOLE, texture=picture, metallic_roughness=rough), wall(WHOLE, 1, texture=picture, metallic_roughness=rough)])
    assert mesh.texture is picture and mesh.metallic_roughness is rough
    np.testing.assert_array_equal(mesh.uv, WHOLE * 2)


def test_colours_of_vertices_beside_pictures_become_texels() -> None:
    colors = np.array([[0.5, 0.4, 0.3], [0.7, 0.2, 0.4], [0.3, 0.7, 0.5], [0.2, 0.4, 0.6]])
    painted = replace(wall(WHOLE, 1), uv=None, colors=colors)
    mesh = joined([wall(WHOLE, texture=noise(8, 8), normal_map=noise(8, 8)), painted, replace(painted, colors=None)])
    for share in ((1, 0, 0), (0.25, 0.5, 0.25), (0, 0.2, 0.8)):
        np.testing.assert_allclose(texel(mesh, 2, share), 255 * (share @ colors[:3]), atol=0.6)
        np.testing.assert_allclose(texel(mesh, 3, share), 255 * (share @ colors[[0, 2, 3]]), atol=0.6)
        np.testing.assert_allclose(texel(mesh, 4, share), [255] * 3, atol=1e-6)
    low = (mesh.uv[4:10].min(0) * mesh.normal_map.shape[1::-1]).astype(int)
    assert mesh.normal_map[-1 - low[1], low[0]].tolist() == [128, 128, 255]  # flat where there is none


def test_what_cannot_be_laid_out_is_refused_or_halved() -> None:
    with pytest.raises(UserError, match="repeat"):
        joined([wall([(0, 0), (1e9, 0), (1e9, 1e9), (0, 1)], texture=noise(4, 4))])
    mesh = joined([wall([(0, 0), (64, 0), (64, 64), (0, 64)], texture=noise(512, 512))])
    assert max(mesh.texture.shape) <= 8192


def toy(folder: Path) -> trimesh.Scene:
    """Two boxes of smooth pictures, one turned, moved and stretched, and a ball of one colour."""
    axis = np.linspace(0, 255, 64, dtype=np.uint8)
    scene = trimesh.Scene()
    for index, center in enumerate(((-0.4, 0, 0), (0.4, 0.2, 0))):
        box = trimesh.creation.box((0.5, 0.5, 0.5)).subdivide()
        box.unmerge_vertices()
        uv = box.vertices[:, :2] + 0.25 + 0.25 * box.vertices[:, 2:]
        picture = np.stack([*np.meshgrid(axis, axis[::-1]), np.full((64, 64), 60 + 120 * index, np.uint8)], axis=-1)
        material = PBRMaterial(baseColorTexture=Image.fromarray(picture), roughnessFactor=1.0, metallicFactor=0.0)
        box.visual = TextureVisuals(uv=uv, material=material)
        turn = trimesh.transformations.compose_matrix(scale=(1, 1 + index, 1), angles=(0, index, 0), translate=center)
        scene.add_geometry(box, transform=turn, node_name=f"box {index}")
    ball = trimesh.creation.icosphere(2, 0.2)
    ball.visual = TextureVisuals(material=PBRMaterial(baseColorFactor=[200, 30, 60, 255], metallicFactor=0.0))
    scene.add_geometry(ball, transform=trimesh.transformations.translation_matrix((0, 0.5, 0.3)))
    return scene


@pytest.mark.parametrize("form", ["glb", "gltf", "obj", "usdz"])
def test_files_of_other_programs_go_through_unchanged(tmp_path: Path, form: str) -> None:
    """Read from trimesh's .glb, written in a format, read again: geometry to rounding, renders to 45 dB."""
    if form == "usdz":
        pytest.importorskip("pxr")
    scene = toy(tmp_path)
    scene.export(tmp_path / "theirs.glb")
    mesh = load_asset(tmp_path / "theirs.glb")
    truth = np.concatenate([shape.triangles for shape in scene.dump()])
    place = np.lexsort(truth.mean(axis=1).round(4).T)
    corners = mesh.vertices[mesh.faces]
    np.testing.assert_allclose(corners[np.lexsort(corners.mean(axis=1).round(4).T)].sum(1), truth[place].sum(1), atol=1e-5)
    MESHES[form].save(mesh, tmp_path / f"ours.{form}", "toy")
    again = load_asset(tmp_path / f"ours.{form}")
    np.testing.assert_allclose(again.vertices[again.faces], corners, atol=1e-6)
    assert compare(showing(again), eight_sides(showing(mesh))).mean_psnr > 45


def test_materials_of_other_programs_stay_lit_or_unlit(tmp_path: Path) -> None:
    """By constants, which have no picture; a colour's factor multiplies light, not sRGB."""
    box = trimesh.creation.box()
    grey = Image.fromarray(np.full((4, 4, 3), 188, np.uint8))  # half the light
    material = PBRMaterial(baseColorTexture=grey, baseColorFactor=[128, 255, 255, 255], roughnessFactor=0.4, metallicFactor=0.8)
    box.visual = TextureVisuals(uv=box.vertices[:, :2] + 0.5, material=material)
    box.export(tmp_path / "lit.glb")
    mesh = load_asset(tmp_path / "lit.glb")
    assert mesh.metallic_roughness.tolist() == [[[0, 102, 204]]]
    assert (mesh.texture == [138, 188, 188]).all()
    MESHES["glb"].save(replace(mesh, metallic_roughness=None), tmp_path / "unlit.glb", "unlit")
    assert not load_asset(tmp_path / "unlit.glb").lit
    MESHES["glb"].save(mesh, tmp_path / "again.glb", "lit")
    assert (load_asset(tmp_path / "again.glb").metallic_roughness == mesh.metallic_roughness).all()
    box.visual = trimesh.visual.ColorVisuals(box, vertex_colors=np.tile([200, 30, 60, 255], (8, 1)))
    box.export(tmp_path / "colors.glb")
    assert load_asset(tmp_path / "colors.glb").uv is None


def test_three_writes_what_we_read(tmp_path: Path) -> None:
    """A scene of nested, turned, stretched and mirrored parts of plain colours, one of them coloured by vertices."""
    program = """
        import * as THREE from "PACKAGE/build/three.module.js";
        import {GLTFExporter} from "PACKAGE/examples/jsm/exporters/GLTFExporter.js";
        import fs from "fs";
        globalThis.FileReader = class {
            readAsArrayBuffer(blob) { blob.arrayBuffer().then(bytes => { this.result = bytes; this.onloadend(); }); }
        };
        const paint = (r, g, b) => new THREE.MeshStandardMaterial({color: new THREE.Color().setRGB(r, g, b, THREE.SRGBColorSpace)});
        const box = new THREE.Mesh(new THREE.BoxGeometry(1, 2, 3), paint(0.8, 0.2, 0.4));
        const ball = new THREE.Mesh(new THREE.SphereGeometry(0.5, 8, 6), paint(0.1, 0.6, 0.9));
        const piece = new THREE.BufferGeometry();
        piece.setAttribute("position", new THREE.Float32BufferAttribute([0, 0, 0, 1, 0, 0, 0, 1, 0], 3));
        piece.setAttribute("color", new THREE.Float32BufferAttribute([1, 0, 0, 0, 1, 0, 0, 0, 0.5], 3));
        const face = new THREE.Mesh(piece, new THREE.MeshBasicMaterial({vertexColors: true}));
        const group = new THREE.Group();
        group.add(box, ball, face);
        box.position.set(2, 0, 0); box.rotation.set(0.3, 0.5, 0.7);
        ball.position.set(0, 3, 0); ball.scale.set(-1, 2, 1);
        group.position.set(0, 0, 5); group.rotation.y = Math.PI / 2;
        const scene = new THREE.Scene(); scene.add(group); scene.updateMatrixWorld(true);
        const places = [];
        for (const mesh of [box, ball, face]) for (let i = 0; i < mesh.geometry.attributes.position.count; i++)
            places.push(new THREE.Vector3().fromBufferAttribute(mesh.geometry.attributes.position, i).applyMatrix4(mesh.matrixWorld).toArray());
        const file = await new GLTFExporter().parseAsync(scene, {binary: true});
        fs.writeFileSync(process.argv[1], Buffer.from(file));
        console.log(JSON.stringify(places));
    """
    places = np.array(json.loads(node(program, "three", tmp_path / "theirs.glb")))
    mesh = load_asset(tmp_path / "theirs.glb")
    np.testing.assert_allclose(mesh.vertices, places, atol=1e-6)
    np.testing.assert_allclose(mesh.colors[:24], np.tile([0.8, 0.2, 0.4], (24, 1)), atol=2 / 255)
    np.testing.assert_allclose(mesh.colors[24:-3], np.tile([0.1, 0.6, 0.9], (len(places) - 27, 1)), atol=8 / 255)
    np.testing.assert_allclose(mesh.colors[-3:], [[1, 0, 0], [0, 1, 0], [0, 0, 0.7354]], atol=0.004)
    corner = mesh.vertices[mesh.faces]
    facing = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert ((facing * mesh.normals[mesh.faces].sum(1)).sum(1) > -1e-9).all()  # outward, the mirrored ball's too
    MESHES["glb"].save(mesh, tmp_path / "ours.glb", "again")
    again = load_asset(tmp_path / "ours.glb")
    assert (again.vertices[again.faces] == corner).all()
    assert compare(showing(again), eight_sides(showing(mesh))).mean_psnr > 60
