"""What a stage's new scene takes over from the scene of the stage before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import trimesh

from dreamforge.contracts import Mesh, Scene
from dreamforge.rendering.raster import texture_image
from dreamforge.scenes.gaussians import Gaussians
from dreamforge.scenes.mesh import TexturedMesh
from dreamforge.scenes.tet import Tets

SPLAT_RESOLUTION, SPLAT_FACES, SPLAT_TEXTURE = 96, 10_000, 512


def gaussians_from(scene: Scene, new: Gaussians) -> None:
    """Gaussians as they are; else as many as the new scene has, spread evenly over the surface, in its colours."""
    if isinstance(scene, Gaussians):
        new.load_state_dict(scene.state_dict(), strict=False)
        return
    from dreamforge.export.clean import clean
    from dreamforge.export.texture import bake

    mesh = scene.to_mesh(SPLAT_RESOLUTION)
    if mesh.uv is None:
        mesh = bake(clean(mesh, SPLAT_FACES), scene.render, SPLAT_TEXTURE)
    count = len(new.means)
    points, colors, area = spread(mesh, count)
    values = {
        "means": points, "log_scales": torch.full((count, 3), np.log(0.5 * np.sqrt(area / count))),
        "opacity_logits": torch.full((count,), 0.9).logit(), "color_logits": colors.clamp(0.02, 0.98).logit(),
    }  # fmt: skip
    with torch.no_grad():
        for name, value in values.items():
            getattr(new, name).copy_(value)


def spread(mesh: Mesh, count: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """`count` points spread evenly over a textured mesh `[N,3]`, their colours `[N,3]`, and its area.

    Faces in order get points by their share of the area; within a face they follow the R2 sequence of Roberts 2018.
    """
    corner = mesh.vertices[mesh.faces].astype(np.float64)
    area = trimesh.triangles.area(corner)
    place = (np.arange(count) + 0.5) / count * area.sum()
    face = np.searchsorted(area.cumsum(), place).clip(max=len(area) - 1)
    golden = 1.32471795724474602596  # its inverse powers are the least rational in two dimensions
    u, v = (np.arange(count)[None] * golden ** -np.array([[1.0], [2.0]])) % 1
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], axis=1)
    points = np.einsum("nk,nki->ni", weights, corner[face])
    uv = np.einsum("nk,nki->ni", weights, mesh.uv[mesh.faces][face])
    grid = torch.from_numpy(np.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], axis=1)).float()[None, None]
    colors = torch.nn.functional.grid_sample(texture_image(mesh.texture)[None], grid, align_corners=False)
    return torch.from_numpy(points).float(), colors[0, :, 0].T, float(area.sum())


CONVERSIONS: dict[type, Callable[..., None]] = {
    TexturedMesh: lambda scene, new: new.adopt_scene(scene),
    Tets: lambda scene, new: new.adopt_scene(scene),
    Gaussians: gaussians_from,
}
"""New scene -> how it starts from any scene before it. A field, which is not listed, starts afresh."""


def hand_over(scene: Scene, new: Scene) -> None:
    """Let `new` start from where `scene` ended, if it can."""
    if type(new) in CONVERSIONS:
        scene.eval()
        CONVERSIONS[type(new)](scene, new)
