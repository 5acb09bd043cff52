"""Pictures, videos and the report page: readable by others, whole, and needing nothing from outside."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from dreamforge.cameras import orbit
from dreamforge.export import Exported
from dreamforge.export.atlas import unwrap
from dreamforge.export.verify import compare, eight_sides
from dreamforge.pictures import contact_sheet, save_picture, save_video
from dreamforge.report import write_report
from dreamforge.rendering.raster import render_mesh
from dreamforge.rendering.splats import render_splats
from tests.browser import pictures
from tests.export.shapes import figure, showing
from tests.export.test_splat_formats import axes


def test_pictures_and_sheets(tmp_path: Path) -> None:
    rgba = torch.rand(4, 6, 9)
    save_picture(rgba, tmp_path / "a.png")
    read = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_allclose(read, rgba.permute(1, 2, 0) * 255, atol=0.51)
    sheet = contact_sheet(torch.zeros(5, 3, 10, 20), columns=3)
    assert sheet.shape == (3, 2 * 14 + 4, 3 * 24 + 4)
    assert (sheet[:, 4:14, 4:24] == 0).all() and (sheet[:, 18:28, 52:72] > 0.9).all()  # the sixth place stays paper


def test_video_plays_and_keeps_its_colours(tmp_path: Path) -> None:
    colors = torch.tensor([[0.9, 0.1, 0.1], [0.2, 0.7, 0.3], [0.5, 0.5, 0.5]])
    frames = colors.repeat_interleave(8, 0)[:, :, None, None].expand(-1, -1, 64, 96)
    save_video(frames, tmp_path / "a.mp4", fps=12)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    facts = next(reader)
    assert facts["codec"] == "h264" and "yuv420p" in facts["pix_fmt"] and facts["source_size"] == (96, 64)
    read = [np.frombuffer(frame, np.uint8).reshape(64, 96, 3) for frame in reader]
    assert len(read) == 24
    for index in (4, 12, 20):
        np.testing.assert_allclose(read[index].mean((0, 1)), frames[index, :, 0, 0] * 255, atol=4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(ValueError, match="even sides"):
        save_video(torch.zeros(2, 3, 63, 64), tmp_path / "b.mp4")


def test_report_is_whole_and_needs_no_network(tmp_path: Path) -> None:
    mesh, prompt = figure(), 'a <b>figure</b> & "more"'
    (tmp_path / "preview").mkdir()
    save_picture(torch.zeros(3, 8, 8), tmp_path / "preview" / "stage0-step000050.png")
    (tmp_path / "turntable.mp4").write_bytes(b"video")
    (tmp_path / "config.yaml").write_text("seed: 7 # <x>\n")
    (tmp_path / "manifest.json").write_text(json.dumps({"seconds": 12.3}))
    (tmp_path / "mesh.glb").write_bytes(b"glb")
    (tmp_path / "mesh.usdz").write_bytes(b"usdz")
    check = compare(showing(mesh), eight_sides(showing(mesh)))
    write_report(tmp_path, prompt, Exported([tmp_path / "mesh.glb", tmp_path / "mesh.usdz"], [check, check], mesh))
    page = (tmp_path / "report.html").read_text()

    class Found(HTMLParser):
        tags: list[tuple[str, dict[str, str | None]]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.append((tag, dict(attrs)))

    found = Found()
    found.feed(page)
    names = [tag for tag, _ in found.tags]
    assert names.count("img") == 2 * 8 * 2 + 1 and names.count("video") == 1 and "b" not in names
    linked = [value for _, attributes in found.tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(link.startswith("data:") or (tmp_path / link).is_file() for link in linked)
    assert [attributes for tag, attributes in found.tags if tag == "details"][:2] == [{"class": "check", "open": None}, {"class": "check"}]
    assert all(f"<strong>{name}</strong> {check.summary()}" in page for name in ("mesh.glb", "mesh.usdz"))
    assert names.count("canvas") == 1 and names.count("button") == 2  # no splats here
    assert not re.search(r"(src|href)=[\"']?https?:|import\s|fetch\(", page)
    assert "12 s" in page and "stage 1, step 50<" in page and "seed: 7 # &lt;x&gt;" in page


def test_the_view_in_the_page_shows_what_the_engine_renders(tmp_path: Path) -> None:
    """Mesh and splats in Chromium, from two sides, against our own renderers."""
    mesh, splats = unwrap(figure(), 64), axes(400)
    mesh.texture = np.kron(np.random.default_rng(0).integers(60, 255, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    (tmp_path / "a.glb").write_bytes(b"glb")
    write_report(tmp_path, "a", Exported([tmp_path / "a.glb"], [compare(showing(mesh), eight_sides(showing(mesh)))], mesh, splats))
    script = """
        while (!window.look) await new Promise(done => setTimeout(done, 50));
        for (const layer of ["mesh", "surface", "splats"]) for (const side of [20, 250]) {
            look(side, 15, layer);
            snap(document.querySelector("canvas"), layer + side);
        }
    """
    shown = pictures(tmp_path / "report.html", script)
    assert len(shown) == 6
    size = shown["mesh20"].shape[0]
    for side in (20, 250):
        cameras, white = orbit([side], 15.0, distance=3.4, fov=35.0, size=size), torch.ones(1, 3)
        truth = {
            "mesh": render_mesh(mesh, cameras, white, cull_back=True).rgb,
            "splats": render_splats(splats, cameras, white).rgb,
        }
        for layer, least in (("mesh", 30), ("splats", 35)):
            rgba = shown[f"{layer}{side}"]
            rgb = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
            error = np.square(rgb - truth[layer][0].permute(1, 2, 0).numpy()).mean()
            assert -10 * np.log10(error) > least, (layer, side)
        surface = shown[f"surface{side}"]
        assert np.ptp(surface[surface[..., 3] == 1][:, :3], axis=1).max() < 0.01  # grey
        assert np.abs(surface[..., 3] - shown[f"mesh{side}"][..., 3]).mean() < 0.01
