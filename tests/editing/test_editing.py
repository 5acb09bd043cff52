"""Edits as runs: what may change, by how much, and that they are resumed from what they began with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

import dreamforge
from dreamforge import pipeline
from dreamforge.console import Console
from dreamforge.contracts import Mesh, Splats
from dreamforge.editing.hold import SIZE
from dreamforge.editing.original import kept
from dreamforge.editing.restoring import edited
from dreamforge.export import FORMATS, load_asset
from dreamforge.runs import Run
from dreamforge.saving import last_scene
from tests.editing.test_round_trip import by_trimesh
from tests.export.test_splat_formats import axes

SHORT = ["stages.0.steps=6", "stages.0.size=24", "stages.1.steps=3", "stages.1.size=24", "checkpoint_every=2", "prior.instances=1"]
MESH = ["export.texture=64"]


@pytest.fixture(autouse=True)
def unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimization alone: no export."""
    monkeypatch.setattr(pipeline, "_finish", lambda *_: None)


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """A grey ball of two halves, each of a material, of size 6 about (10, 0, 0)."""
    scene = trimesh.Scene()
    for name, sign in (("upper", 1), ("lower", -1)):
        half = trimesh.creation.icosphere(3, 3.0)
        half.update_faces(sign * half.triangles_center[:, 1] > 0)
        half.apply_translation([10, 0, 0])
        material = trimesh.visual.material.PBRMaterial(name=name, baseColorFactor=[128, 128, 128 + sign, 255])
        half.visual = trimesh.visual.TextureVisuals(np.zeros((len(half.vertices), 2)), material=material)
        scene.add_geometry(half, geom_name=name)
    (tmp_path / "ball.glb").write_bytes(scene.export(file_type="glb"))
    return tmp_path / "ball.glb"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Splats of size 6 about (10, 0, 0)."""
    splats = axes(300)
    splats.means, splats.scales = splats.means * 3 + np.float32([10, 0, 0]), splats.scales * 3
    FORMATS["splats.ply"].save(splats, tmp_path / "capture.ply", "axes")
    return tmp_path / "capture.ply"


def edit(source: Path, recipe: str, *overrides: str, **settings: object) -> tuple[Mesh | Splats, Mesh | Splats]:
    """The source as its run keeps it, and what an edit made of it, both at the source's place."""
    run = dreamforge.edit(source, "a red apple", recipe, [*SHORT, *overrides], out=str(source.with_suffix("")), **settings)
    original = kept(run)
    shown = edited(last_scene(run)[0], original)
    result = shown.to_splats() if hasattr(shown, "to_splats") else shown.to_mesh(64)
    return original.asset, original.frame.leave(result)


def colours_at(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """`[F,3]` bytes in the middle of every face, read between texels as viewers do."""
    height, width = mesh.texture.shape[:2]
    uv = mesh.uv[mesh.faces].astype(np.float64) @ [[1, 0], [0, -1]] + [0, 1]
    place = np.einsum("fki,k->fi", uv, points) * [width, height] - 0.5
    low = np.floor(place).astype(int)
    x, y = (place - low).T[..., None]
    at = lambda dx, dy: mesh.texture[(low[:, 1] + dy).clip(0, height - 1), (low[:, 0] + dx).clip(0, width - 1)].astype(float)
    return (at(0, 0) * (1 - x) + at(1, 0) * x) * (1 - y) + (at(0, 1) * (1 - x) + at(1, 1) * x) * y


def test_retexture_paints_and_moves_nothing(ball: Path) -> None:
    before, after = edit(ball, "retexture", *MESH)
    np.testing.assert_allclose(after.vertices, before.vertices, atol=4e-6)
    assert (after.texture != before.texture).any(-1).mean() > 0.3


def test_restyle_keeps_to_its_budget_and_uses_it(ball: Path) -> None:
    scene = "stages.0.scene.offset_lr=0.02"
    before, after = edit(ball, "restyle", *MESH, scene, "budget=0.01")
    moved = np.linalg.norm(after.vertices - before.vertices, axis=1)
    assert 0.9 < moved.max() / (0.01 * 6) < 1.0001


@pytest.mark.parametrize("how", [{"box": [-100, 0.5, -100, 100, 100, 100]}, {"material": "upper"}])
def test_outside_a_part_of_a_mesh_nothing_changes(how: dict, ball: Path) -> None:
    """At corners and edges of faces too, where viewers mix texels, and where both parts share one."""
    before, after = edit(ball, "part", *MESH, "budget=null", region=how)
    corner = before.vertices[before.faces]
    for points in ([1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [0.5, 0.5, 0], [0.05, 0.05, 0.9]):
        height = np.einsum("fki,k->fi", corner, points)[:, 1]
        outside = corner[..., 1].mean(1) < 0 if "material" in how else height < 0.5
        now, then = colours_at(after, points), colours_at(before, points)
        np.testing.assert_array_equal(now[outside], then[outside])
    changed = np.abs(now - then).max(1) > 2
    assert changed[~outside].mean() > 0.5
    still = np.unique(before.faces[outside])
    np.testing.assert_allclose(after.vertices[still], before.vertices[still], atol=4e-6)
    assert np.abs(after.vertices - before.vertices).max() > 1e-3


def test_faces_that_share_texels_come_apart_where_only_one_is_in_the_part(tmp_path: Path) -> None:
    """Two squares, left and right of x = 0, on the same picture."""
    square = np.float32([[1, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0]])
    vertices = np.concatenate([square, square - [3, 0, 0]]).astype(np.float32)
    faces = np.int32([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    uv = np.tile(np.float32([[0, 0], [1, 0], [1, 1], [0, 1]]), (2, 1))
    texture = np.random.default_rng(0).integers(60, 200, (32, 32, 3), dtype=np.uint8)
    mesh = Mesh(vertices, faces, np.tile(np.float32([0, 0, 1]), (8, 1)), uv=uv, texture=texture)
    FORMATS["glb"].save(mesh, tmp_path / "squares.glb", "squares")
    before, after = edit(tmp_path / "squares.glb", "part", region={"box": [0, 0.5, -1, 3, 3, 1]})
    for points in np.random.default_rng(1).dirichlet([1, 1, 1], 50):
        place = np.einsum("fki,k->fi", before.vertices[before.faces], points)
        now, then = colours_at(after, points), colours_at(before, points)
        outside = (place[:, 0] < 0) | (place[:, 1] < 0.5)
        np.testing.assert_array_equal(now[outside], then[outside])
        if (place[0, 1] > 0.6) and (0.1 < points).all():
            assert np.abs(now - then)[0].max() > 0
    np.testing.assert_array_equal(before.texture[:, :32], texture)


def test_a_painted_copy_says_what_may_change(ball: Path, tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(3, 3.0)
    mesh.apply_translation([10, 0, 0])
    mesh.visual.vertex_colors = np.where(mesh.vertices[:, 2:] > 1, 255, 0) * np.ones((1, 3), int)
    mesh.export(tmp_path / "painted.ply")
    before, after = edit(ball, "part", *MESH, region={"painted": str(tmp_path / "painted.ply")})
    middle = np.full(3, 1 / 3)
    changed = np.abs(colours_at(after, middle) - colours_at(before, middle)).max(1) > 0
    depth = before.vertices[before.faces][..., 2].mean(1)
    assert changed[depth > 1.5].mean() > 0.9 and not changed[depth < 0.5].any()


def test_outside_a_part_of_splats_nothing_changes(capture: Path) -> None:
    before, after = edit(capture, "part", "budget=0.05", region={"box": [9, 0.5, -100, 11, 100, 100]})
    inside = kept(Run.open(capture.with_suffix(""))).free
    assert 0 < inside.mean() < 0.5 and (before.means[inside, 1] > 0.5).all()
    moved = np.linalg.norm(after.means - before.means, axis=1)
    assert moved[~inside].max() < 2e-6 and 1e-3 < moved[inside].max() <= 0.05 * SIZE * kept(
        Run.open(capture.with_suffix(""))
    ).frame.size * 1.0001
    for name in ("quaternions", "opacities", "sh"):
        np.testing.assert_array_equal(getattr(after, name)[~inside], getattr(before, name)[~inside])
    assert (after.sh[inside] != before.sh[inside]).any()


@pytest.mark.parametrize("kind", ["mesh", "splats"])
@pytest.mark.parametrize("recipe", ["dds", "pds"])
def test_dds_and_pds_edit_from_the_source_and_resume_without_its_file(
    recipe: str, kind: str, ball: Path, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage that would have made the source is left out; a run cut short goes on when the file is gone."""
    source = ball if kind == "mesh" else capture
    settings = {"source_prompt": "a gray apple", "source": str(source), "out": str(tmp_path / "whole")}
    short = [*SHORT, *MESH, "stages.1.steps=5", "stages.2.steps=2", "stages.2.size=24"]
    whole = dreamforge.run("a red apple", recipe, short, **settings)
    assert [stage.name for stage in whole.config.stages] == ["edit", "detail"]

    class Stop(Exception):
        pass

    def step(self: Console, index: int, what: object) -> None:
        if what.step == 3:  # type: ignore[attr-defined]
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(Console, "step", step)
        dreamforge.run("a red apple", recipe, short, **{**settings, "out": str(tmp_path / "cut")})
    source.unlink()
    cut = dreamforge.resume(tmp_path / "cut")
    one, other = whole.last_checkpoint().tensors, cut.last_checkpoint().tensors
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    painted = "texture" if kind == "mesh" else "color_logits"
    assert not torch.equal(one[f"source.{painted}"], one[f"scene.{painted}"])


def test_a_run_is_edited_with_its_own_prompt_as_the_source(ball: Path, tmp_path: Path) -> None:
    first = dreamforge.edit(ball, "a red apple", "retexture", [*SHORT, *MESH], out=str(tmp_path / "first"))
    second = dreamforge.edit(first.folder, "a blue apple", "dds", [*SHORT, *MESH], out=str(tmp_path / "second"))
    assert second.config.source_prompt == "a red apple" and second.config.prompt == "a blue apple"
    assert second.manifest()["source"]["path"] == str(first.folder.resolve())
    before, after = kept(first), kept(second)
    np.testing.assert_allclose(after.frame.center, before.frame.center)
    np.testing.assert_allclose(after.asset.vertices, before.asset.vertices, atol=4e-6)
    np.testing.assert_array_equal(after.asset.texture, edited(last_scene(first)[0], before).to_mesh(0).texture)


def test_what_is_kept_is_what_was_read(tmp_path: Path) -> None:
    path = by_trimesh(tmp_path)
    run = dreamforge.edit(path, "a red apple", "retexture", [*SHORT, "stages.0.steps=0", "stages.1.steps=0"], out=str(tmp_path / "o"))
    truth, found = load_asset(path), kept(run).asset
    for name in ("vertices", "faces", "uv", "texture", "normals", "metallic_roughness"):
        np.testing.assert_array_equal(getattr(found, name), getattr(truth, name), err_msg=name)
