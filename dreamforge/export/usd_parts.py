"""The meshes of a .usdz as arrays on standard output, in world coordinates, metres, y up.

    python usd_parts.py FILE > parts.npz

A program of its own, which imports nothing of ours: it composes layers of anyone's making in a library of C++, and what
takes that too far (references that double at every level, sizes that are not there) ends here, at the limits set below.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from pxr import Sdf, Tf, Usd, UsdGeom, UsdShade

MOST_MEMORY, MOST_SECONDS = 4 << 30, 60
FACTORS = ("diffuseColor", "emissiveColor", "roughness", "metallic", "normal")
FIRST = Usd.TimeCode.EarliestTime()


def main(path: str) -> None:
    """Write every part's arrays and, as JSON, its material. Exits with a line of text for what cannot be read."""
    _limit()
    try:
        stage = Usd.Stage.Open(_inside(Sdf.Layer.FindOrOpen(path), path))
        parts = [part for prim in stage.Traverse(Usd.TraverseInstanceProxies()) for part in _parts(prim, path)]
    except Tf.ErrorException as error:
        sys.exit(" ".join(f"not a sound layer: {error.args[0].commentary}".split())[:200])
    except (ArithmeticError, IndexError, MemoryError, TypeError, ValueError) as error:
        sys.exit(" ".join(f"not a sound layer: {type(error).__name__} {error}".split())[:200])
    arrays = {f"{i}.{key}": value for i, part in enumerate(parts) for key, value in part.items() if key != "material"}
    np.savez(sys.stdout.buffer, materials=json.dumps([part["material"] for part in parts]), **arrays)


def _limit() -> None:
    with suppress(ImportError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def _inside(layer: Sdf.Layer, package: str) -> Sdf.Layer:
    """The layer, if all that it is composed of lies in the package. Nothing is composed yet."""
    waiting, seen = [layer], {layer.identifier}
    while waiting:
        one = waiting.pop()
        for name in filter(None, one.GetCompositionAssetDependencies()):  # empty: the layer itself
            place = Sdf.ComputeAssetPathRelativeToLayer(one, name)
            found = Sdf.Layer.FindOrOpen(place) if place.startswith(f"{package}[") else None
            if found is None:
                sys.exit(f"it names '{name[:100]}', which is not in it; nothing is fetched from elsewhere")
            if place not in seen:
                seen.add(place)
                waiting.append(found)
    return layer


def _parts(prim: Usd.Prim, package: str) -> Iterator[dict[str, Any]]:
    """What a prim shows: one part for each of its materials."""
    shape = UsdGeom.Mesh(prim)
    if not shape or shape.ComputeVisibility(FIRST) == "invisible" or shape.ComputePurpose() not in ("default", "render"):
        return
    given = (shape.GetFaceVertexCountsAttr(), shape.GetFaceVertexIndicesAttr())
    counts, corners = (np.array(attribute.Get(FIRST), np.int64).reshape(-1) for attribute in given)
    if counts.sum() != len(corners) or (counts < 0).any() or (corners < 0).any():
        raise ValueError(f"the faces of {prim.GetPath()} do not fit their corners")
    own = UsdShade.MaterialBindingAPI(prim)
    groups = {-1: own.ComputeBoundMaterial()[0]}
    group = np.full(len(counts), -1)
    for index, subset in enumerate(own.GetMaterialBindSubsets()):
        groups[index] = UsdShade.MaterialBindingAPI(subset.GetPrim()).ComputeBoundMaterial()[0]
        group[np.array(subset.GetIndicesAttr().Get(FIRST))] = index
    face = np.repeat(np.arange(len(counts)), np.maximum(counts - 2, 0))
    turn = np.arange(len(face)) - np.searchsorted(face, face)
    triangles = (np.cumsum(counts) - counts)[face, None] + np.stack([0 * turn, turn + 1, turn + 2], axis=1)
    for index, material in groups.items():
        if len(chosen := triangles[group[face] == index]):
            yield _part(shape, corners, np.repeat(np.arange(len(counts)), counts), chosen, _material(material, package))


def _part(
    shape: UsdGeom.Mesh, corners: np.ndarray, face: np.ndarray, triangles: np.ndarray, material: dict[str, Any]
) -> dict[str, Any]:
    """Triangles `[T,3]`, indices into the corners of the faces, with a vertex for each set of values that differs."""
    variables, used = UsdGeom.PrimvarsAPI(shape), triangles.reshape(-1)
    where = {"vertex": corners[used], "faceVarying": used, "uniform": face[used], "constant": 0 * used}
    where["varying"] = where["vertex"]
    columns = {"index": corners[used][:, None].astype(np.float64)}
    uv, normals = (variables.GetPrimvar(name) for name in (material.get("uv", "st"), "normals"))
    for key, variable in {"uv": uv, "normals": normals, "colors": shape.GetDisplayColorPrimvar()}.items():
        if variable and variable.HasValue():
            columns[key] = np.array(variable.ComputeFlattened(FIRST), np.float64)[where[variable.GetInterpolation()]]
    if "normals" not in columns and shape.GetNormalsAttr().HasValue():
        columns["normals"] = np.array(shape.GetNormalsAttr().Get(FIRST), np.float64)[where[shape.GetNormalsInterpolation()]]
    if "uv" in columns and "move" in material:
        columns["uv"] = _moved(columns["uv"], *material["move"])
    rows, back = np.unique(np.concatenate(list(columns.values()), axis=1), axis=0, return_inverse=True)
    widths = np.cumsum([column.shape[1] for column in columns.values()])[:-1]
    part = dict(zip(columns, np.split(rows, widths, axis=1), strict=True))
    matrix = np.array(UsdGeom.Xformable(shape).ComputeLocalToWorldTransform(FIRST)) @ _frame(shape.GetPrim().GetStage())
    points = np.array(shape.GetPointsAttr().Get(FIRST), np.float64)[part.pop("index")[:, 0].astype(np.int64)]
    faces = back.reshape(-1, 3)
    if (np.linalg.det(matrix[:3, :3]) < 0) != (shape.GetOrientationAttr().Get(FIRST) == "leftHanded"):
        faces = faces[:, ::-1]
    if "normals" in part:
        part["normals"] = part["normals"] @ np.linalg.inv(matrix[:3, :3]).T
    return {"vertices": points @ matrix[:3, :3] + matrix[3, :3], "faces": faces, "material": material, **part}


def _moved(uv: np.ndarray, degrees: float, *stretch_shift: float) -> np.ndarray:
    """uv stretched, then turned counter-clockwise, then shifted: UsdTransform2d."""
    (x, y), turn = (uv * stretch_shift[:2]).T, np.radians(degrees)
    turned = [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)]
    return np.stack(turned, axis=1) + stretch_shift[2:]


def _frame(stage: Usd.Stage) -> np.ndarray:
    """From a stage's units and axes to metres, y up; rows are transformed from the right."""
    frame = np.diag([*[UsdGeom.GetStageMetersPerUnit(stage)] * 3, 1.0])
    return frame @ np.eye(4)[[0, 2, 1, 3]] * [1, 1, -1, 1] if UsdGeom.GetStageUpAxis(stage) == "Z" else frame


def _material(material: UsdShade.Material, package: str) -> dict[str, Any]:
    """Of each factor a number, a colour, or a picture: its file in the package, channels, scale and bias."""
    found: dict[str, Any] = {}
    surface = material.ComputeSurfaceSource()[0] if material else None
    for name in FACTORS if surface else ():
        given = surface.GetInput(name)
        sources = UsdShade.Utils.GetValueProducingAttributes(given) if given else []
        if sources and UsdShade.Shader(sources[0].GetPrim()).GetIdAttr().Get() == "UsdUVTexture":
            texture = UsdShade.Shader(sources[0].GetPrim())
            file = _value(texture, "file", Sdf.AssetPath())
            if not file.resolvedPath.startswith(f"{package}["):
                sys.exit(f"it names the picture '{file.path[:100]}', which is not in it")
            change = {key: [*_value(texture, key, (usual,) * 4)] for key, usual in (("scale", 1), ("bias", 0))}
            found[name] = {"file": file.resolvedPath[len(package) + 1 : -1], "channels": sources[0].GetBaseName(), **change}
            found |= _coordinates(texture)
        elif sources and (value := sources[0].Get(FIRST)) is not None:
            found[name] = [*value] if hasattr(value, "__len__") else value
    return found


def _coordinates(texture: UsdShade.Shader) -> dict[str, Any]:
    """The primvar that places a texture, and the turn, stretch and shift on the way from it."""
    found: dict[str, Any] = {}
    while texture:
        given = texture.GetInput("in" if "move" in found else "st")
        sources = UsdShade.Utils.GetValueProducingAttributes(given) if given else []
        texture = UsdShade.Shader(sources[0].GetPrim()) if sources else None
        if texture and texture.GetIdAttr().Get() == "UsdTransform2d" and "move" not in found:
            stretch, shift = (_value(texture, key, usual) for key, usual in (("scale", (1, 1)), ("translation", (0, 0))))
            found["move"] = [_value(texture, "rotation", 0), *stretch, *shift]
        elif texture:
            return found | {"uv": str(_value(texture, "varname", "st"))}
    return found


def _value(shader: UsdShade.Shader, name: str, usual: Any) -> Any:
    given = shader.GetInput(name)
    sources = UsdShade.Utils.GetValueProducingAttributes(given) if given else []
    value = sources[0].Get(FIRST) if sources else None
    return usual if value is None else value


if __name__ == "__main__":
    main(sys.argv[1])
