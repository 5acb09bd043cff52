"""What cannot be edited is refused in one line, with nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamforge.cli import main
from dreamforge.export import FORMATS
from tests.export.shapes import painted_axes
from tests.export.test_splat_formats import axes

CAR = ["edit", "car.glb", "--prompt", "a blue car"]
CAPTURE = ["edit", "capture.ply", "--prompt", "a blue car"]
BAD = {
    "no such file": (["edit", "nothing.glb", "--prompt", "a car"], "nothing.glb: no such file"),
    "not a mesh": (["edit", "text.glb", "--prompt", "a car"], "text.glb"),
    "not a format": (["edit", "text.txt", "--prompt", "a car"], "no format 'txt'"),
    "not a run": (["edit", "folder", "--prompt", "a car"], "folder is not a run folder"),
    "no prompt": (["edit", "car.glb"], "no prompt"),
    "box of nothing": ([*CAR, "--recipe", "part", "--box", "5,5,5,6,6,6"], "the asset lies between -"),
    "box of words": ([*CAR, "--recipe", "part", "--box", "a,b"], "--box: 'a,b' is not six numbers"),
    "box upside down": ([*CAR, "--recipe", "part", "--box", "0,1,0,1,0,1"], "region.box"),
    "part of what": ([*CAR, "--recipe", "part"], "give --box, --material or --painted"),
    "unknown material": ([*CAR, "--recipe", "part", "--material", "body"], "no material 'body'"),
    "material of splats": ([*CAPTURE, "--recipe", "part", "--material", "body"], "has no materials by name"),
    "painted with nothing": ([*CAR, "--recipe", "part", "--painted", "capture.ply"], "has no colours of vertices"),
    "no source prompt": ([*CAR, "--recipe", "dds"], "--source-prompt"),
    "recipe of meshes": ([*CAPTURE, "--recipe", "restyle"], "capture.ply holds splats"),
    "several scenes": ([*CAR, "--recipe", "magic3d"], "kind 'field'"),
    "unknown words": (["edit", "car.glb", "--prompt", "a blue flibbertigibbet"], "flibbertigibbet"),
    "a budget": ([*CAR, "--budget", "2"], "budget: 2.0 is out of range"),
    "lying on its front": ([*CAR, "--up=-z", "--front", "z"], "what is up (-z) cannot be in front (z)"),
    "two recipes": (["edit", "edit.yaml", "--recipe", "dds"], "is a recipe itself"),
    "recipe without source": (["edit", "edit.yaml"], "needs a scene"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    FORMATS["glb"].save(painted_axes(), folder / "car.glb", "car")
    FORMATS["splats.ply"].save(axes(50), folder / "capture.ply", "axes")
    (folder / "text.glb").write_text("this is no mesh")
    (folder / "text.txt").write_text("nor is this")
    (folder / "edit.yaml").write_text("base: retexture\nprompt: a blue car\n")
    (folder / "folder").mkdir()
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_edits_are_one_line_and_leave_nothing(
    case: str, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    there = set(files.rglob("*"))
    argv, expected = BAD[case]
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert expected in printed.err and printed.err.count("\n") == 1 and "Traceback" not in printed.err
    assert printed.out == "" and set(files.rglob("*")) == there
