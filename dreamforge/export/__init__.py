"""From a scene to files: surface, clean-up, texture, write, read back and compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamforge.contracts import Mesh, Scene
from dreamforge.export import gltf, obj
from dreamforge.export.clean import clean
from dreamforge.export.texture import bake
from dreamforge.export.verify import Verification, verify

if TYPE_CHECKING:
    from dreamforge.config import ExportConfig

FORMATS = {"glb": gltf, "obj": obj}
"""Name, which is also the file's ending -> module with `save(mesh, path, name)` and `load(path) -> Mesh`."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote: the mesh, its files in the order asked for, and the check of the first."""

    mesh: Mesh
    paths: list[Path]
    verification: Verification


def export_scene(scene: Scene, folder: Path, formats: Sequence[str], config: ExportConfig, name: str) -> Exported:
    """Write a scene as a textured mesh, `folder`/model.<format> each, and check every file against the scene.

    UserError where the scene is empty or full, or where a file does not show what the scene shows.
    """
    mesh = bake(clean(scene.to_mesh(config.resolution), config.faces), scene.render, config.texture)
    paths = [folder / f"model.{form}" for form in formats]
    checks = []
    for form, path in zip(formats, paths, strict=True):
        FORMATS[form].save(mesh, path, name)
        checks.append(verify(path, FORMATS[form].load, scene.render))
    return Exported(mesh, paths, checks[0])
