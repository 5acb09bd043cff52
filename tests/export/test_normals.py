"""Normal maps: a coarse ball that is shaded as the round one it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from dreamforge.config import ExportConfig
from dreamforge.contracts import Mesh
from dreamforge.export import export_scene, gltf
from dreamforge.export.atlas import unwrap
from dreamforge.export.clean import with_normals
from dreamforge.export.normals import bake_normals
from dreamforge.export.tangents import tangents
from tests.export.node import validate
from tests.export.shapes import figure, scene_of


def shaded(mesh: Mesh, face: int, weights: np.ndarray) -> np.ndarray:
    """The normal that glTF has a viewer see on a face: the map's, in the frame of the interpolated vectors."""
    corner = mesh.faces[face]
    normal, tangent = weights @ mesh.normals[corner], weights @ tangents(mesh)[corner]
    u, v = weights @ mesh.uv[corner]
    height, width = mesh.normal_map.shape[:2]
    texel = mesh.normal_map[min(int((1 - v) * height), height - 1), min(int(u * width), width - 1)] / 127.5 - 1
    across = np.cross(normal, tangent[:3]) * np.sign(tangent[3])
    seen = texel[0] * tangent[:3] + texel[1] * across + texel[2] * normal
    return seen / np.linalg.norm(seen)


def test_a_coarse_ball_is_shaded_round() -> None:
    """Two unlike half-axes and a tilt, so that no sign or order of axes can be wrong unseen."""
    stretch = np.array([0.6, 0.9, 0.4])
    fine, coarse = (trimesh.creation.icosphere(level) for level in (5, 1))
    surface = Mesh((fine.vertices * stretch).astype(np.float32), fine.faces.astype(np.int32))
    surface.normals = (fine.vertices / stretch / np.linalg.norm(fine.vertices / stretch, axis=1, keepdims=True)).astype(np.float32)
    mesh = unwrap(with_normals(Mesh((coarse.vertices * stretch).astype(np.float32), coarse.faces.astype(np.int32))), 256)
    mesh.normal_map = bake_normals(mesh, surface, 256)
    rng = np.random.default_rng(0)
    with_map, without = [], []
    for face in range(len(mesh.faces)):
        weights = rng.dirichlet(np.full(3, 4.0))
        place = weights @ mesh.vertices[mesh.faces[face]]
        truth = place / stretch**2
        truth /= np.linalg.norm(truth)
        plain = weights @ mesh.normals[mesh.faces[face]]
        with_map.append(shaded(mesh, face, weights) @ truth)
        without.append(plain / np.linalg.norm(plain) @ truth)
    angles, before = (np.degrees(np.arccos(np.clip(x, -1, 1))) for x in (with_map, without))
    assert angles.mean() < 2 < before.mean() and angles.max() < 6


def test_pbr_exports_are_lit_and_sound(tmp_path: Path) -> None:
    config = ExportConfig(resolution=48, texture=256, faces=800, pbr=True)
    export_scene(scene_of(figure()), tmp_path, ["glb"], config, "a figure")
    read = gltf.load(tmp_path / "model.glb")
    assert read.lit and read.normal_map.shape == (128, 128, 3)
    assert read.normal_map[..., 2].mean() > 200  # mostly straight up from the surface
    assert read.metallic_roughness[0, 0, 1:].tolist() == [255, 0]
    issues = validate(tmp_path / "model.glb")
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
