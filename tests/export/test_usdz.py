"""The .usdz: Pixar's own validators, files of other people, and files that are meant to break something."""

from __future__ import annotations

import io
import struct
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamforge import config
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export import usd_parts, usdz
from tests.export.shapes import axes, figure, painted_axes, png_of

Usd = pytest.importorskip("pxr.Usd")


def lit_axes() -> Mesh:
    picture = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3)).astype(np.uint8)
    return replace(painted_axes(), metallic_roughness=picture[0], normal_map=picture[1])


def package(path: Path, layer: str, units: str = "metersPerUnit = 1", **files: bytes) -> Path:
    """A .usdz of a layer written as text and of further files (`_png` at the end of a name for `.png`)."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.usda", f"#usda 1.0\n({units})\n{layer}")
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return path


def picture(*colors: tuple[int, int, int]) -> bytes:
    """A .png of one row of texels."""
    buffer = io.BytesIO()
    Image.fromarray(np.uint8([colors])).save(buffer, "png")
    return buffer.getvalue()


def test_the_validators_find_nothing(tmp_path: Path) -> None:
    from pxr import UsdValidation

    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 20
    context = UsdValidation.ValidationContext(validators)
    bare = Mesh(axes().vertices, axes().faces)
    for name, mesh in {"colors": figure(), "bare": bare, "painted": painted_axes(), "lit": lit_axes()}.items():
        usdz.save(mesh, tmp_path / f"{name}.usdz", "ein Bär", "jpeg")
        stage = Usd.Stage.Open(str(tmp_path / f"{name}.usdz"))
        assert not [error.GetMessage() for error in context.Validate(stage)]
        assert stage.GetDefaultPrim().GetDisplayName() == "ein Bär"


def test_files_lie_as_viewers_map_them_and_are_the_same_every_time(tmp_path: Path) -> None:
    usdz.save(lit_axes(), path := tmp_path / "a.usdz", "axes", "webp")
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename for entry in archive.infolist()]
        for entry in archive.infolist():
            name, extra = struct.unpack_from("<HH", content, entry.header_offset + 26)
            assert entry.compress_type == zipfile.ZIP_STORED and (entry.header_offset + 30 + name + extra) % 64 == 0
    assert names == ["model.usdc", "textures/color.png", "textures/metallic-roughness.png", "textures/normal.png"]
    usdz.save(lit_axes(), path, "axes", "webp")
    assert path.read_bytes() == content


def test_materials_are_lit_or_not(tmp_path: Path) -> None:
    from pxr import UsdShade

    for mesh, shown in ((painted_axes(), "emissiveColor"), (lit_axes(), "diffuseColor")):
        usdz.save(mesh, tmp_path / f"{shown}.usdz", "a")
        stage = Usd.Stage.Open(str(tmp_path / f"{shown}.usdz"))
        surface = UsdShade.Shader(stage.GetPrimAtPath("/asset/material/surface"))
        texture = UsdShade.Shader(surface.GetInput(shown).GetConnectedSources()[0][0].source.GetPrim())
        assert texture.GetInput("file").Get().path == "textures/color.png"
        assert texture.GetInput("sourceColorSpace").Get() == "sRGB"
    normal = UsdShade.Shader(surface.GetInput("normal").GetConnectedSources()[0][0].source.GetPrim())
    assert tuple(normal.GetInput("scale").Get()) == (2, 2, 2, 1) and tuple(normal.GetInput("bias").Get()) == (-1, -1, -1, 0)
    rough, metal = (surface.GetInput(key).GetConnectedSources()[0][0].sourceName for key in ("roughness", "metallic"))
    assert (rough, metal, normal.GetInput("sourceColorSpace").Get()) == ("g", "b", "raw")


TEXTURED = """
def Xform "thing" {
    matrix4d xformOp:transform = ((0, 2, 0, 0), (-2, 0, 0, 0), (0, 0, 2, 0), (100, 0, 0, 1))
    uniform token[] xformOpOrder = ["xformOp:transform"]
    def Mesh "wall" (prepend apiSchemas = ["MaterialBindingAPI"]) {
        point3f[] points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (3, 0, 0)]
        int[] faceVertexCounts = [4, 3]
        int[] faceVertexIndices = [0, 1, 2, 3, 1, 4, 2]
        texCoord2f[] primvars:map = [(0, 0), (1, 0), (1, 1), (0, 1), (0.25, 0.25)] (interpolation = "faceVarying")
        int[] primvars:map:indices = [0, 1, 2, 3, 4, 4, 4]
        uniform token subdivisionScheme = "none"
        rel material:binding = </thing/paint>
        def GeomSubset "piece" (prepend apiSchemas = ["MaterialBindingAPI"]) {
            uniform token elementType = "face"
            uniform token familyName = "materialBind"
            int[] indices = [1]
            rel material:binding = </thing/plain>
        }
    }
    def Mesh "hidden" {
        token visibility = "invisible"
    }
    def Material "plain" {
        token outputs:surface.connect = </thing/plain/s.outputs:surface>
        def Shader "s" {
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor = (0.2158605, 1, 0)
            token outputs:surface
        }
    }
    def Material "paint" {
        token outputs:surface.connect = </thing/paint/s.outputs:surface>
        def Shader "s" {
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor.connect = </thing/paint/t.outputs:rgb>
            token outputs:surface
        }
        def Shader "t" {
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @FILE@
            float2 inputs:st.connect = </thing/paint/m.outputs:result>
            float3 outputs:rgb
        }
        def Shader "m" {
            uniform token info:id = "UsdTransform2d"
            float2 inputs:in.connect = </thing/paint/r.outputs:result>
            float2 inputs:scale = (0.5, 1)
            float2 inputs:translation = (0.5, 0)
            float2 outputs:result
        }
        def Shader "r" {
            uniform token info:id = "UsdPrimvarReader_float2"
            string inputs:varname = "map"
            float2 outputs:result
        }
    }
}
"""


def test_other_peoples_files(tmp_path: Path) -> None:
    """A quad turned and stretched, a face of another material, uv by corner and moved; and then z up, in other units."""
    layer = TEXTURED.replace("FILE", "p.png")
    path = package(tmp_path / "a.usdz", layer, p_png=picture((9, 9, 9), (200, 100, 50)))
    mesh = usdz.load(path)
    assert len(mesh.faces) == 3 and len(mesh.vertices) == 4 + 3
    corners = mesh.vertices[mesh.faces]
    np.testing.assert_allclose(corners[0], [[100, 0, 0], [100, 2, 0], [98, 2, 0]], atol=1e-5)
    np.testing.assert_allclose(corners[2], [[100, 2, 0], [100, 6, 0], [98, 2, 0]], atol=1e-5)
    np.testing.assert_allclose(mesh.normals, np.tile([0, 0, 1], (7, 1)), atol=1e-6)
    height, width = mesh.texture.shape[:2]
    texel = mesh.uv[mesh.faces] * [width, height]
    np.testing.assert_allclose(np.ptp(texel[0], axis=0), [1, 1], atol=1e-4)  # half the picture's width, all its height
    colors = [mesh.texture[int(height - y), int(x)].tolist() for x, y in (texel[0].mean(0), texel[2].mean(0))]
    assert colors == [[200, 100, 50], [128, 255, 0]]
    path = package(tmp_path / "b.usdz", layer, 'upAxis = "Z"\nmetersPerUnit = 2', p_png=picture((9, 9, 9), (200, 100, 50)))
    turned = usdz.load(path)
    np.testing.assert_allclose(turned.vertices, 2 * mesh.vertices[:, [0, 2, 1]] * [1, 1, -1], atol=1e-4)
    np.testing.assert_allclose(turned.normals, np.tile([0, 1, 0], (7, 1)), atol=1e-6)


@pytest.mark.parametrize("file", ["../secret.png", "/etc/passwd", "gone.png"])
def test_pictures_from_elsewhere_are_not_read(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret.png").write_bytes(picture((1, 2, 3)))
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="is not in it"):
        usdz.load(package(tmp_path / "in" / "a.usdz", TEXTURED.replace("FILE", file)))


def test_pictures_that_are_too_large_are_refused(tmp_path: Path) -> None:
    layer = TEXTURED.replace("FILE", "p.png")
    for content, words in ((png_of(12_000, 12_000), "cannot be read"), (png_of(9000, 9000), "9,000"), (b"text", "cannot be read")):
        with pytest.raises(UserError, match=words):
            usdz.load(package(tmp_path / "a.usdz", layer, p_png=content))


TRIANGLE = """def Mesh "x" {
    point3f[] points = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
    int[] faceVertexCounts = [COUNT]
    int[] faceVertexIndices = [0, 1, LAST]
}
"""
DOUBLING = "".join(
    f'class "a{i}" {{\ndef "l" (references = </a{i + 1}>) {{}}\ndef "r" (references = </a{i + 1}>) {{}}\n}}\n' for i in range(40)
)
LAYERS = {
    "another file": ('def "x" (references = @../secret.usda@) {}', "is not in it; nothing is fetched"),
    "a root": ('def "x" (payload = @/etc/passwd@) {}', "is not in it; nothing is fetched"),
    "the network": ('def "x" (references = @https://example.org/a.usd@) {}', "is not in it; nothing is fetched"),
    "a circle": ('def "x" (references = </y>) {}\ndef "y" (references = </x>) {}', "triangle"),
    "nothing": ("", "triangle"),
    "a missing corner": (TRIANGLE.replace("COUNT", "3").replace("LAST", "7"), "out of bounds"),
    "corners that are not there": (TRIANGLE.replace("COUNT", "2000000000").replace("LAST", "2"), "do not fit"),
    "a negative corner": (TRIANGLE.replace("COUNT", "3").replace("LAST", "-1"), "do not fit"),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_that_say_what_is_not_so(tmp_path: Path, case: str) -> None:
    (tmp_path / "secret.usda").write_text("#usda 1.0\n" + TRIANGLE.replace("COUNT", "3").replace("LAST", "2"))
    (tmp_path / "in").mkdir()
    layer, words = LAYERS[case]
    with pytest.raises(UserError, match=words) as caught:
        usdz.load(package(tmp_path / "in" / "a.usdz", layer))
    assert "a.usdz" in str(caught.value) and "\n" not in str(caught.value)


def test_references_that_double_at_every_level_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trillion prims in a file of four kilobytes, with a second instead of a minute."""
    source = Path(usd_parts.__file__).read_text()
    assert "MOST_MEMORY, MOST_SECONDS = 4 << 30, 60" in source
    (tmp_path / "usd_parts.py").write_text(source.replace("4 << 30, 60", "4 << 30, 2"))
    monkeypatch.setattr(usdz, "READER", tmp_path / "usd_parts.py")
    path = package(tmp_path / "a.usdz", DOUBLING + 'class "a40" {}\ndef "x" (references = </a0>) {}')
    began = time.perf_counter()
    with pytest.raises(UserError, match="more time or memory"):
        usdz.load(path)
    assert time.perf_counter() - began < 60


def test_archives_that_unpack_to_more_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.usdz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.usda", bytes(1 << 26))
    with pytest.raises(UserError, match="compressed"):
        usdz.load(path)
    usdz.save(painted_axes(), path, "a")
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(content)
    with pytest.raises(UserError, match="promise more"):
        usdz.load(path)
    path.write_bytes(bytes(range(256)) * 9)
    with pytest.raises(UserError, match="not a readable .usdz"):
        usdz.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no scene")
    with pytest.raises(UserError, match="no USD layer"):
        usdz.load(path)


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usdz.save(axes(), tmp_path / "a.usdz", "a")
    monkeypatch.setitem(sys.modules, "pxr", None)
    works = [
        lambda: usdz.save(axes(), tmp_path / "b.usdz", "b"), lambda: usdz.load(tmp_path / "a.usdz"),
        lambda: config.load("splats", ["export.formats=[glb,usdz]"]),  # before anything is made
    ]  # fmt: skip
    for work in works:
        with pytest.raises(UserError, match=r'needs the package usd-core: pip install "dreamforge3d\[usd\]"'):
            work()
    assert not (tmp_path / "b.usdz").exists()
