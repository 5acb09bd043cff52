"""Files that are broken, or meant to break something: one line that names the file, in bounded time and memory."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamforge.errors import UserError
from dreamforge.export import FORMATS, MESHES, SPLATS, gltf, load_asset
from dreamforge.export.atlas import unwrap
from tests.export.shapes import axes, png_of
from tests.export.test_splat_formats import axes as splat_axes

MOST_SECONDS, MOST_BYTES = 5.0, 300 << 20


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Neither long nor large, whatever the test reads."""
    began, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - began < MOST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024 < MOST_BYTES


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_asset(path)
    message = str(caught.value)
    assert path.name in message and "\n" not in message
    return message


def written(folder: Path, form: str) -> Path:
    path = folder / f"a.{form}"
    if form in SPLATS:
        SPLATS[form].save(splat_axes(50, 1), path, "a")
    else:
        mesh = unwrap(axes(), 64)
        mesh.texture = np.zeros((64, 64, 3), np.uint8)
        MESHES[form].save(mesh, path, "a")
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.03, 0.31, 0.97])
def test_cut_off_files(tmp_path: Path, form: str, share: float) -> None:
    path = written(tmp_path, form)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    if (form, share) == ("obj", 0.97):  # text without an end: what is there is read
        assert len(load_asset(path).faces) < len(axes().faces)
    else:
        refused(path)


@pytest.mark.parametrize("form", FORMATS)
def test_files_of_something_else(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.{form}"
    for content in (b"\x89PNG\r\n\x1a\n" * 99, b"glTF but not really", os.urandom(3333), b"\x00" * 4097):
        path.write_bytes(content)
        refused(path)
    assert "no such file" in refused(tmp_path / f"missing.{form}")
    assert refused(tmp_path.parent / tmp_path.name / "a.fbx")


def test_sizes_that_are_not_there(tmp_path: Path) -> None:
    content = (path := written(tmp_path, "splats.ply")).read_bytes()
    path.write_bytes(content.replace(b"vertex 50", b"vertex 4000000000"))
    assert "4,000,000,000" in refused(path)
    content = (path := written(tmp_path, "ply")).read_bytes()
    path.write_bytes(content.replace(b"element face 36", b"element face 3600000000"))
    refused(path)
    for count in (2**31, 9_999_999):
        (path := tmp_path / "a.spz").write_bytes(gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 2, count, 3, 12, 0, 0)))
        assert f"{count:,}" in refused(path)
    content = bytearray((path := written(tmp_path, "stl")).read_bytes())
    content[80:84] = struct.pack("<I", 2**32 - 1)
    path.write_bytes(content)
    refused(path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A gigabyte of zeros behind the header of three splats: nobody asks for more than these."""
    bomb = gzip.compress(bytes(1 << 24)) * 64
    three = gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 2, 3, 0, 12, 0, 0) + bytes(19 * 3))
    (path := tmp_path / "a.spz").write_bytes(three + bomb)
    assert len(load_asset(path).means) == 3


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    mesh = axes()
    for value in (np.nan, np.inf):
        mesh.vertices[5, 1] = value
        for form in MESHES:
            with pytest.raises(UserError, match="vertex 5 has a position"):
                MESHES[form].save(mesh, tmp_path / f"a.{form}", "a")
    content = bytearray((path := written(tmp_path, "glb")).read_bytes())
    start = content.index(b"BIN\0") + 4
    content[start : start + 4] = struct.pack("<f", np.nan)
    path.write_bytes(content)
    assert "position" in refused(path)
    for form, name in (("splats.ply", b"end_header\n"), ("splat", b"")):
        content = bytearray((path := written(tmp_path, form)).read_bytes())
        start = content.index(name) + len(name)
        content[start : start + 4] = struct.pack("<f", np.inf)
        path.write_bytes(content)
        assert "splat 0 has a position" in refused(path)


def _more(tree: dict[str, Any]) -> None:
    tree["accessors"][0]["count"] = 10**9


def _nothing_behind(tree: dict[str, Any]) -> None:
    tree["accessors"][0] = {"componentType": 5126, "type": "VEC3", "count": 40_000_000_000}


def _circle(tree: dict[str, Any]) -> None:
    tree["nodes"] = [{"children": [1], "mesh": 0}, {"children": [2]}, {"children": [1]}]


def _own_child(tree: dict[str, Any]) -> None:
    tree["nodes"][0]["children"] = [0]


def _many(tree: dict[str, Any]) -> None:
    tree["nodes"] = [{"mesh": 0} for _ in range(99_999)]
    tree["meshes"][0]["primitives"] *= 1000


def _nodes(tree: dict[str, Any]) -> None:
    tree["nodes"] = [{}] * 200_000


def _elsewhere(uri: str) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        tree["buffers"][0]["uri"] = uri

    return change


def _draco(tree: dict[str, Any]) -> None:
    tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]


def _index(tree: dict[str, Any]) -> None:
    tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = 77


def _no_triangles(tree: dict[str, Any]) -> None:
    tree["meshes"][0]["primitives"][0]["mode"] = 0


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "more than there is": (_more, "sound|more|elements"),
    "zeros without end": (_nothing_behind, "elements"),
    "a circle": (_circle, "two parents|circle"),
    "its own child": (_own_child, "circle"),
    "a million copies": (_many, "elements"),
    "nodes without end": (_nodes, "nodes"),
    "the network": (_elsewhere("https://example.org/a.bin"), "outside its folder"),
    "the machine": (_elsewhere("file:///etc/passwd"), "outside its folder"),
    "a root": (_elsewhere("/dev/zero"), "outside its folder"),
    "a folder above": (_elsewhere("..%2F..%2Fsecret.bin"), "outside its folder"),
    "nobody": (_elsewhere("gone.bin"), "not beside it"),
    "a compressed one": (_draco, "KHR_draco_mesh_compression"),
    "an index of nothing": (_index, "sound"),
    "points": (_no_triangles, "triangle"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_gltf_that_says_what_is_not_so(tmp_path: Path, change: str) -> None:
    path = written(tmp_path, "gltf")
    tree = json.loads(path.read_text())
    function, words = CHANGES[change]
    function(tree)
    path.write_text(json.dumps(tree))
    with pytest.raises(UserError, match=words):
        gltf.load(path)
    refused(path)


def test_deep_and_odd_json(tmp_path: Path) -> None:
    path = tmp_path / "a.gltf"
    for text in ("[" * 100_000, "{}", "[]", "null", '{"nodes": 3}', '{"meshes": [{}]}', '{"accessors": [{"count": "x"}]}'):
        path.write_text(text)
        refused(path)


@pytest.mark.parametrize("form", ["gltf", "obj", "ply"])
@pytest.mark.parametrize("picture", ["huge", "large", "cut off", "text"])
def test_pictures_that_are_none_or_too_large(tmp_path: Path, form: str, picture: str) -> None:
    """A mesh may do without its picture; it may neither take the memory that this promises nor fail in another way."""
    path = written(tmp_path, form)
    contents = {"huge": png_of(60_000, 60_000), "large": png_of(12_000, 12_000), "cut off": png_of(64, 64)[:-40]}
    next(tmp_path.glob("*.png")).write_bytes(contents.get(picture, b"no picture"))
    try:
        assert len(load_asset(path).faces) == 36
    except UserError as error:
        assert path.name in str(error) and "\n" not in str(error)


def test_obj_that_names_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    folder = tmp_path / "inside"
    folder.mkdir()
    (path := folder / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 999999999\n")
    refused(path)
    path.write_text("mtllib ../secret.txt\nmtllib /dev/zero\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert len(load_asset(path).faces) == 1
    (folder / "a.mtl").write_text("newmtl x\nmap_Kd /dev/zero\n")
    path.write_text("mtllib a.mtl\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    assert load_asset(path).texture is None
    os.mkfifo(folder / "pipe.obj")
    refused(folder / "pipe.obj")


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"usdz"}))
def test_any_byte_may_be_any_other(tmp_path: Path, form: str) -> None:
    """Sound files with bytes changed here and there, often in their heads: they are read or refused in one line."""
    path, refusals = written(tmp_path, form), 0
    content = path.read_bytes()
    for seed in range(100):
        draw = random.Random(seed)
        changed = bytearray(content)
        for _ in range(draw.choice((1, 2, 8, 40))):
            changed[draw.randrange(min(len(changed), draw.choice((200, 10**9))))] = draw.randrange(256)
        path.write_bytes(changed)
        try:
            load_asset(path)
        except UserError as error:
            refusals += 1
            assert path.name in str(error) and "\n" not in str(error)
    assert refusals or form == "splat"  # a format of numbers alone, nearly all of which are sound
