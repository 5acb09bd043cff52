"""Known objects on disk: toy-world meshes, and posed pictures of any mesh for the empirical prior."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from dreamforge.cameras import sphere
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError, did_you_mean
from dreamforge.export import MESHES
from dreamforge.export.frame import Frame
from dreamforge.pictures import save_picture
from dreamforge.rendering.raster import render_mesh
from dreamforge.runs import write_atomic
from dreamforge.toyworld.captions import UnknownWords, parse
from dreamforge.toyworld.meshes import to_mesh
from dreamforge.toyworld.world import instance


def format_of(path: Path) -> ModuleType:
    """The format module for a file name, by its ending."""
    name = path.suffix.lstrip(".").lower()
    if name not in MESHES:
        raise UserError(f"{path}: no format '{name}'{did_you_mean(name, MESHES)}")
    return MESHES[name]


def write_object(prompt: str, output: str, seed: int = 0) -> None:
    """Write a toy-world object as a mesh with the toy world's own shading in its vertex colours."""
    path = Path(output)
    form = format_of(path)
    try:
        mesh = to_mesh(instance(parse(prompt), seed))
    except UnknownWords as error:
        raise UserError(str(error)) from error
    form.save(mesh, path, prompt)


def in_view(mesh: Mesh) -> Mesh:
    """The mesh where the cameras see all of it: as it is, or if it reaches beyond the unit sphere about the origin."""
    return mesh if np.linalg.norm(mesh.vertices, axis=1).max() <= 1 else Frame.around(mesh).enter(mesh)


def write_bank(mesh_file: str, folder: str, views: int = 160, size: int = 128) -> None:
    """Write `views` RGBA pictures of a mesh from all around, and transforms.json beside them."""
    for name, value, low, high in (("--views", views, 1, 10_000), ("--size", size, 8, 4096)):
        if not low <= value <= high:
            raise UserError(f"{name}: {value} is out of range; give a number in [{low}, {high}]")
    mesh = in_view(format_of(Path(mesh_file)).load(Path(mesh_file)))
    out = Path(folder)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty; nothing is overwritten, choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    cameras = sphere(views, size)
    frames = []
    for index in range(views):
        camera = cameras[index : index + 1]
        shown = render_mesh(mesh, camera, torch.zeros(1, 3), supersample=3)
        straight = shown.rgb / shown.alpha.clamp_min(1e-6)
        name = f"{index:04d}.png"
        save_picture(torch.cat([straight.clamp(0, 1), shown.alpha], dim=1)[0], out / name)
        frames.append({"file": name, "c2w": camera.c2w[0].tolist()})
    content = {"fov": float(torch.rad2deg(cameras.fov[0])), "frames": frames}
    write_atomic(out / "transforms.json", json.dumps(content, indent=1).encode())
