"""How near an asset is to a known one, surface and pictures: what `prior empirical` is judged by."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from dreamforge.cameras import sphere
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export import load_asset
from dreamforge.export.verify import compare, eight_sides
from dreamforge.ground_truth import in_view
from dreamforge.rendering.raster import render_mesh

VIEWS, SIZE = 24, 128


def compare_assets(made: Path, truth: Path) -> str:
    """One line: Chamfer distance, PSNR and silhouette IoU of a mesh file beside the file it was to become.

    The truth is placed as `toyworld bank` places it. UserError for files that hold no mesh.
    """
    mine, known = _mesh(made), in_view(_mesh(truth))
    found = compare(partial(render_mesh, mine), eight_sides(partial(render_mesh, known)))
    return f"Chamfer distance {chamfer(mine, known):.2%} of its size, {found.summary()}"


def _mesh(path: Path) -> Mesh:
    asset = load_asset(path)
    if not isinstance(asset, Mesh):
        raise UserError(f"{path}: splats have no surface to compare; give a mesh file, such as .glb")
    return asset


def chamfer(made: Mesh, truth: Mesh) -> float:
    """Mean distance between what can be seen of two surfaces, half there and half back, in diagonals of the truth's box.

    Points are where the pixels of some views meet the surface, so that parts inside of others do not count, and a
    surface in other triangles is the same.
    """
    points, known = _seen(made), _seen(truth)
    apart = cKDTree(points).query(known)[0].mean() + cKDTree(known).query(points)[0].mean()
    return float(0.5 * apart / np.linalg.norm(np.ptp(known, axis=0)))


def _seen(mesh: Mesh) -> np.ndarray:
    """Points `[N,3]` of a surface, a pixel of each view that shows it."""
    cameras = sphere(VIEWS, SIZE, lowest=-75.0, highest=85.0)
    views = render_mesh(mesh, cameras, torch.zeros(VIEWS, 3), supersample=1)
    origins, directions = cameras.rays()
    along = -torch.einsum("bhwi,bi->bhw", directions, cameras.c2w[:, :3, 2])  # of a unit step, the share in depth
    points = origins + directions * (views.depth[:, 0] / along)[..., None]
    seen = points[views.alpha[:, 0] > 0.5].numpy()
    if not len(seen):
        raise UserError("a mesh lies outside the unit sphere, where no view shows it; give one about the origin")
    return seen
