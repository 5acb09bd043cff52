"""Apple's .usdz, for augmented reality and film tools: one binary USD layer and its textures in a zip that is not
compressed. Needs the extra `usd`. Y up, in metres, the front toward +Z.

Colours that already hold the light they were seen in are given off (emissiveColor, no diffuseColor), since
UsdPreviewSurface has no unlit material; a mesh that is `lit` has them as its diffuseColor.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export.checks import checked
from dreamforge.export.color import dimmed, linear_to_srgb, srgb_to_linear
from dreamforge.export.parts import Part, joined, no_bombs, pixels
from dreamforge.pictures import encoded
from dreamforge.runs import write_atomic

ALIGNMENT = 64  # bytes, at whose multiples files begin, so that viewers can map them
MOST_SECONDS = 60  # for reading the layers of a file
PREVIEW, PICTURES = "UsdPreviewSurface", "textures/"
READER = Path(__file__).with_name("usd_parts.py")


def check_installed(where: object) -> None:
    """UserError, saying what to install, where the extra is missing; `where` begins the line."""
    try:
        import pxr  # noqa: F401
    except ImportError as error:
        raise UserError(f'{where}: .usdz needs the package usd-core: pip install "dreamforge3d[usd]"') from error


def save(mesh: Mesh, path: Path, name: str, image: str = "png") -> None:
    """Write a mesh as .usdz; `name` is what tools list it as, `image` how its colours are stored (a "webp", which the
    format does not know, as PNG). The same mesh gives the same bytes."""
    check_installed(path)
    kinds = {"color": "jpeg" if image == "jpeg" else "png", "metallic-roughness": "png", "normal": "png"}
    pictures = {"color": mesh.texture, "metallic-roughness": mesh.metallic_roughness, "normal": mesh.normal_map}
    files = {
        f"{PICTURES}{key}.{kinds[key]}": encoded(picture, kinds[key])
        for key, picture in pictures.items()
        if picture is not None and mesh.uv is not None
    }
    write_atomic(path, _package({"model.usdc": _layer(checked(mesh, path), name, list(files)), **files}))


def _package(files: dict[str, bytes]) -> bytes:
    """A zip of files as they are, each at a multiple of `ALIGNMENT`, of no date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3  # the same bytes on every system
            padding = -(buffer.tell() + zipfile.sizeFileHeader + len(name) + 4) % ALIGNMENT
            entry.extra = b"\x86\x19" + padding.to_bytes(2, "little") + bytes(padding)
            package.writestr(entry, content)
    return buffer.getvalue()


def _layer(mesh: Mesh, name: str, files: list[str]) -> bytes:
    """The bytes of the .usdc with the mesh and its material."""
    from pxr import Sdf, Usd, UsdGeom, UsdShade, Vt

    stage = Usd.Stage.CreateInMemory("model.usdc")
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, "/asset").GetPrim()
    root.SetDisplayName(name)
    stage.SetDefaultPrim(root)
    shape = UsdGeom.Mesh.Define(stage, "/asset/mesh")
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.vertices, np.float32)))
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1), np.int32)))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    extent = np.stack([mesh.vertices.min(0), mesh.vertices.max(0)]).astype(np.float32)
    shape.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(extent))
    if mesh.normals is not None:
        shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.normals, np.float32)))
        shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    variables = UsdGeom.PrimvarsAPI(shape)
    if mesh.uv is not None:
        st = variables.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
        st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(mesh.uv, np.float32)))
    elif mesh.colors is not None:
        color = shape.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
        color.Set(Vt.Vec3fArray.FromNumpy(srgb_to_linear(mesh.colors).astype(np.float32)))
    if files:
        UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(_material(stage, files, mesh.lit))
    with TemporaryDirectory() as place:
        stage.GetRootLayer().Export(f"{place}/model.usdc")
        return Path(place, "model.usdc").read_bytes()


def _material(stage: Any, files: list[str], lit: bool) -> Any:
    """A UsdPreviewSurface of the named pictures: colour, metallic-roughness and normal."""
    from pxr import Sdf, UsdShade

    types = Sdf.ValueTypeNames
    material = UsdShade.Material.Define(stage, "/asset/material")

    def node(place: str, kind: str, **inputs: tuple[Any, Any]) -> Any:
        shader = UsdShade.Shader.Define(stage, f"/asset/material/{place}")
        shader.CreateIdAttr(kind)
        for key, (type_name, value) in inputs.items():
            shader.CreateInput(key, type_name).Set(value)
        return shader

    constants = {"roughness": (types.Float, 1.0), "metallic": (types.Float, 0.0)}
    if not lit:
        constants["diffuseColor"] = (types.Color3f, (0, 0, 0))
    surface = node("surface", PREVIEW, **constants)
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    where = node("uv", "UsdPrimvarReader_float2", varname=(types.String, "st")).CreateOutput("result", types.Float2)
    for file in files:
        key = Path(file).stem
        inputs = {"file": (types.Asset, file), "wrapS": (types.Token, "clamp"), "wrapT": (types.Token, "clamp")}
        inputs["sourceColorSpace"] = (types.Token, "sRGB" if key == "color" else "raw")
        if key == "normal":
            inputs |= {"scale": (types.Float4, (2, 2, 2, 1)), "bias": (types.Float4, (-1, -1, -1, 0))}
        picture = node(key.replace("-", "_"), "UsdUVTexture", **inputs)
        picture.CreateInput("st", types.Float2).ConnectToSource(where)
        channels = {
            "color": [("diffuseColor" if lit else "emissiveColor", types.Color3f, "rgb")],
            "metallic-roughness": [("roughness", types.Float, "g"), ("metallic", types.Float, "b")],
            "normal": [("normal", types.Normal3f, "rgb")],
        }
        for name, type_name, channel in channels[key]:
            output = picture.CreateOutput(channel, types.Float3 if channel == "rgb" else types.Float)
            surface.CreateInput(name, type_name).ConnectToSource(output)
    return material


def load(path: Path) -> Mesh:
    """Read any .usdz: its parts at their first moment as one mesh in world coordinates and metres. UserError where
    there is no triangle in it, or where it cannot be read within a minute and 4 GiB."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    check_installed(path)
    try:
        with zipfile.ZipFile(path) as package:
            _check(package, path.stat().st_size)
            arrays = _arrays(path)
            parts = [_part(arrays, i, package) for i in range(len(arrays["materials"]))]
        if not parts:
            raise UserError("there is no triangle in it")
        return checked(joined(parts), path)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable .usdz file ({error})") from error
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:  # of values that no sound file has
        raise UserError(f"{path}: not a sound .usdz file ({error})") from error


def _check(package: zipfile.ZipFile, size: int) -> None:
    """Refuse what is no .usdz, above all what would unpack to more than there is."""
    entries = package.infolist()
    if not entries or Path(entries[0].filename).suffix.lower() not in (".usdc", ".usda", ".usd"):
        raise UserError("its first file is no USD layer")
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise UserError("its files are compressed, which .usdz does not allow")
    if sum(entry.file_size for entry in entries) > size:
        raise UserError("its files promise more than it holds")


def _arrays(path: Path) -> dict[str, Any]:
    """What `usd_parts.py` finds in it, in a process of its own."""
    program = [sys.executable, "-P", str(READER), str(path.resolve())]
    try:
        done = subprocess.run(program, capture_output=True, timeout=2 * MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError("it takes too long to read") from error
    if done.returncode < 0:
        raise UserError("its layers take more time or memory than a file may, or are broken")
    if done.returncode:
        raise UserError((done.stderr.decode(errors="replace").splitlines() or ["it cannot be read"])[-1])
    with np.load(io.BytesIO(done.stdout)) as arrays:
        return {**arrays, "materials": json.loads(str(arrays["materials"]))}


def _part(arrays: dict[str, Any], index: int, package: zipfile.ZipFile) -> Part:
    names = ("vertices", "faces", "normals", "uv", "colors")
    vertices, faces, normals, uv, colors = (arrays.get(f"{index}.{name}") for name in names)
    if normals is None:
        normals = np.array(trimesh.Trimesh(vertices, faces, process=False).vertex_normals)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    pictures, color = _pictures(arrays["materials"][index], package)
    if uv is not None and pictures:
        return Part(vertices, faces, normals, None, uv, pictures)
    if colors is None and color is not None:
        colors = np.tile(color, (len(vertices), 1))
    return Part(vertices, faces, normals, None if colors is None else linear_to_srgb(colors))


def _pictures(material: dict[str, Any], package: zipfile.ZipFile) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The pictures of a material by their names in `Mesh`, and its linear colour `[3]` if it has one. What gives light
    off and reflects none is unlit."""
    unlit = material.get("diffuseColor") == [0, 0, 0] and "emissiveColor" in material
    base, found = material.get("emissiveColor" if unlit else "diffuseColor"), {}
    if isinstance(base, dict):
        found["texture"] = dimmed(_opened(base, package), np.array(base["scale"][:3]))
    values = [material.get("roughness", 0.5), material.get("metallic", 0.0)]
    if any(isinstance(value, dict) for value in values):
        channels = [_channel(value, package) for value in values]
        height, width = np.max([channel.shape for channel in channels], axis=0)
        sized = [np.asarray(Image.fromarray(channel).resize((width, height))) for channel in channels]
        found["metallic_roughness"] = np.stack([np.zeros_like(sized[0]), *sized], axis=-1)
    if isinstance(material.get("normal"), dict):
        found["normal_map"] = _opened(material["normal"], package)
    color = np.array(base) if isinstance(base, list) else None
    if found and "texture" not in found:
        found["texture"] = dimmed(np.full((1, 1, 3), 255, np.uint8), np.ones(3) if color is None else color)
    return found, color


def _channel(value: dict[str, Any] | float, package: zipfile.ZipFile) -> np.ndarray:
    """`[H,W]` uint8 of a number, or of one channel of a picture."""
    if not isinstance(value, dict):
        return np.full((1, 1), round(255 * min(max(value, 0), 1)), np.uint8)
    channel = max("rgb".find(value["channels"][:1]), 0)
    values = _opened(value, package)[..., channel] * value["scale"][channel] + 255 * value["bias"][channel]
    return np.round(values.clip(0, 255)).astype(np.uint8)


def _opened(value: dict[str, Any], package: zipfile.ZipFile) -> np.ndarray:
    try:
        with no_bombs():
            return pixels(Image.open(io.BytesIO(package.read(value["file"]))))
    except (KeyError, OSError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"its picture '{value['file'][:100]}' cannot be read ({error})") from error
