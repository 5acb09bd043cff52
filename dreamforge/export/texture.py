"""A scene's colours on a mesh's texture, projected from many views."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from torch import Tensor

from dreamforge.cameras import Cameras, sphere
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.export.atlas import unwrap
from dreamforge.export.projection import project_colors
from dreamforge.export.surface import GREY, Render, render_views
from dreamforge.kernels.raster import Fragments, interpolate, rasterize

VIEWS = 24  # 36 views, or half as large again, gave the same PSNR (at 2048 texels: 512 pixels 0.02 dB more than 384)
FAR = 1e3  # depth of what is not the mesh
JUMP = 0.08  # of depth between neighbouring pixels: beyond it they show different parts


@dataclass
class _Photos:
    """The scene as seen by V cameras: straight colours `[V,H,W,3]`, trust `[V,H,W]` in [0,1], and the mesh in them."""

    cameras: Cameras
    colors: np.ndarray
    trust: np.ndarray
    fragments: Fragments


def bake(mesh: Mesh, render: Render, size: int = 1024) -> Mesh:
    """The mesh, unwrapped, with a texture of `size`² texels that shows what the scene shows.

    Every texel takes the colours that the views which see it unoccluded show there, the most frontal ones above all.
    Colours are divided by opacity first and pixels at outlines distrusted, so that no background bleeds in. Texels
    that no view sees take the colour of the nearest seen point, the gaps between charts that of the nearest chart.

    (Solving for the texture whose re-renders fit these views best, by SIRT, was measured to lose 1 dB on other views:
    it fits what the views show beside the mesh's slightly different outline.)
    """
    mesh = unwrap(mesh, size)
    photos = _photograph(mesh, render, max(128, min(size // 4, 128 + size // 8)))
    texel, position, normal = texels(mesh, size)
    depth = photos.fragments.depth.numpy()
    colors, weight = project_colors(position, normal, photos.cameras, photos.colors, photos.trust, depth)
    seen = weight > 0
    if not seen.any():
        raise UserError("no view of the scene shows any of the mesh: its surface is not where the scene is")
    if not seen.all():
        _, nearest = cKDTree(position[seen]).query(position[~seen], workers=-1)
        colors[~seen] = colors[seen][nearest]
    texture = np.zeros((size * size, 3), np.float32)
    texture[texel] = colors
    texture = dilate(texture, texel, size)
    pixels = np.clip(texture.reshape(size, size, 3) * 255 + 0.5, 0, 255).astype(np.uint8)
    return replace(mesh, texture=pixels)


def _photograph(mesh: Mesh, render: Render, view_size: int) -> _Photos:
    cameras = sphere(VIEWS, view_size, lowest=-75.0, highest=85.0)
    views = render_views(render, cameras)
    alpha = views.alpha[:, 0].numpy()
    straight = (views.rgb.numpy() - (1 - alpha[:, None]) * GREY) / np.maximum(alpha[:, None], 0.5)
    fragments = rasterize(
        *cameras.project(torch.from_numpy(mesh.vertices)), torch.from_numpy(mesh.faces), view_size, view_size
    )
    # distrust pixels beside transparent ones, and those where the mesh's depth jumps: what they show may lie elsewhere
    distance = torch.where(fragments.face >= 0, fragments.depth, FAR)
    jump = _highest_near(distance) + _highest_near(-distance)
    trust = _highest_near(-views.alpha[:, 0]) ** 2 * torch.where(jump < JUMP, 1.0, 0.05)
    trust = torch.where((distance < FAR) & (views.alpha[:, 0] > 0.5), trust, 0.0).numpy()
    return _Photos(cameras, np.ascontiguousarray(np.clip(straight, 0, 1).transpose(0, 2, 3, 1)), trust, fragments)


def _highest_near(images: Tensor) -> Tensor:
    """The maximum over each pixel's 3x3 neighbourhood of images `[V,H,W]`."""
    return torch.nn.functional.max_pool2d(images, 3, stride=1, padding=1)


def texels(mesh: Mesh, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The texels inside charts: flat indices `[N]` (row 0 at v = 1), world positions and normals `[N,3]`."""
    where = torch.from_numpy(np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=-1)[None] * size)
    vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
    fragments = rasterize(where, torch.ones_like(where[..., 0]), faces, size, size)
    corner = mesh.vertices[mesh.faces]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    face = fragments.face.flatten().numpy()
    texel = np.flatnonzero(face >= 0)
    position = interpolate(vertices, faces, fragments)[0].flatten(1).T.numpy()[texel]
    return texel, np.ascontiguousarray(position), flat[face[texel]].astype(np.float32)


def dilate(texture: np.ndarray, texel: np.ndarray, size: int) -> np.ndarray:
    """The texture `[size²,3]` with every texel outside the charts set to the nearest one inside."""
    outside = np.ones(size * size, bool)
    outside[texel] = False
    row, column = distance_transform_edt(outside.reshape(size, size), return_distances=False, return_indices=True)
    return texture[(row * size + column).reshape(-1)]
