"""From a scene to files: surface, clean-up, texture, write, read back and compare."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from dreamforge.contracts import Mesh, Scene, Splats
from dreamforge.errors import UserError, did_you_mean
from dreamforge.export import gltf, obj, ply, splat, splat_ply, spz, stl, usdz
from dreamforge.export.clean import clean
from dreamforge.export.frame import UNMOVED, Frame
from dreamforge.export.normals import bake_normals
from dreamforge.export.surface import Render
from dreamforge.export.texture import bake
from dreamforge.export.verify import Verification, eight_sides, verify
from dreamforge.rendering.raster import render_mesh
from dreamforge.rendering.splats import render_splats

if TYPE_CHECKING:
    from dreamforge.config import ExportConfig

MESHES = {"glb": gltf, "gltf": gltf, "obj": obj, "ply": ply, "stl": stl, "usdz": usdz}
"""Name, which is also the file's ending -> module with `save(mesh, path, name, image)` and `load(path) -> Mesh`."""

SPLATS = {"splats.ply": splat_ply, "splat": splat, "spz": spz}
"""The same for splats: `save(splats, path, name)` and `load(path) -> Splats`."""

FORMATS: dict[str, ModuleType] = {**MESHES, **SPLATS}

_shown_mesh = partial(render_mesh, cull_back=True)

Task = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Exported:
    """What an export wrote: its files in the order asked for, the check of each, and what they show."""

    paths: list[Path]
    checks: list[Verification]
    mesh: Mesh | None = None
    splats: Splats | None = None

    @property
    def verification(self) -> Verification:
        """The check of the first file."""
        return self.checks[0]


def export_scene(
    scene: Scene, folder: Path, formats: Sequence[str], config: ExportConfig, name: str, task: Task = nullcontext,
    frame: Frame = UNMOVED,
) -> Exported:
    """Write a scene as `folder`/model.<format> each, read every file back and check it against the scene.

    A file is there only when all of them have passed. task: called with the name of each part of the work as it begins.
    frame: the one that the scene is in, which its files leave.
    UserError where the scene is empty or full, has no splats to write, or where a file does not show what the scene shows.
    """
    splats = scene.to_splats() if hasattr(scene, "to_splats") else None
    if splats is None and set(formats) & set(SPLATS):
        raise UserError(f"this scene is not made of splats; write it as {', '.join(MESHES)}")
    mesh, truth = textured_mesh(scene, config, task) if set(formats) & set(MESHES) else (None, scene.render)
    paths, checks = [folder / f"model.{form}" for form in formats], []
    with task("pictures to compare with"):
        pictures = eight_sides(truth)
    try:
        with TemporaryDirectory(prefix=".export-", dir=folder) as place:
            for form, path in zip(formats, paths, strict=True):
                with task(f"write and verify {path.name}"):
                    written = Path(place) / path.name
                    if form in MESHES:
                        MESHES[form].save(frame.leave(mesh), written, name, config.image)
                        read, show = MESHES[form].load(written), _shown_mesh
                    else:
                        SPLATS[form].save(frame.leave(splats), written, name)
                        read, show = SPLATS[form].load(written), render_splats
                    made = partial(show, mesh if form in MESHES else splats)
                    checks.append(verify(path.name, partial(show, frame.enter(read)), pictures, made, colors=form != "stl"))
            for written in sorted(Path(place).iterdir(), key=lambda file: file.name in {path.name for path in paths}):
                os.replace(written, folder / written.name)  # what files name before the files that name it
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder / Path(error.filename or "").name)) from error
    return Exported(paths, checks, mesh, splats)


def textured_mesh(scene: Scene, config: ExportConfig, task: Task = nullcontext) -> tuple[Mesh, Render]:
    """The scene as a textured mesh, and the renders that its files have to match."""
    with task("surface"):
        raw = scene.to_mesh(config.resolution)
    if raw.uv is None:
        with task("clean-up"):
            mesh = clean(raw, config.faces)
        with task("texture"):
            mesh, truth = bake(mesh, scene.render, config.texture), scene.render
    else:  # such a scene may be lit, which the renders of a file are not
        mesh, truth = raw, partial(_shown_mesh, raw)
    if config.pbr and not mesh.lit:
        mesh.metallic_roughness = np.uint8([[[0, 255, 0]]])  # rough, no metal
        if raw.uv is None:
            with task("normal map"):
                mesh.normal_map = bake_normals(mesh, clean(raw, len(raw.faces)), config.texture // 2)
    return mesh, truth


def load_asset(path: Path) -> Mesh | Splats:
    """Read a file of any of the formats, going by its ending and for .ply by its header."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    ending = path.suffix.lstrip(".").lower()
    if ending == "ply" and any(line[-1:] == ["f_dc_0"] for line in splat_ply.header_of(path)[0]):
        return splat_ply.load(path)
    if ending not in FORMATS:
        raise UserError(f"{path}: no format '{ending}'{did_you_mean(ending, FORMATS)}")
    return FORMATS[ending].load(path)
