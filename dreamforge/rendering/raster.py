"""Pictures of a textured or vertex-coloured mesh: its colours as they are, no lighting, no gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Mesh, Views
from dreamforge.kernels.raster import interpolate, rasterize

GREY = 0.7  # what a mesh without colours is shown in


def render_mesh(
    mesh: Mesh, cameras: Cameras, background: Tensor, supersample: int = 2, cull_back: bool = False
) -> Views:
    """Views of a mesh by B cameras on plain backgrounds `[B,3]`.

    Each pixel is the mean of `supersample`² samples. `cull_back` shows front faces only, as a viewer does with a
    material that is not double-sided.
    """
    height, width = cameras.height * supersample, cameras.width * supersample
    pixels, distance = cameras.resized(height, width).project(torch.as_tensor(mesh.vertices, dtype=torch.float32))
    fragments = rasterize(pixels.numpy(), distance.numpy(), mesh.faces, height, width, cull_back)
    ones = np.ones((len(mesh.vertices), 1), np.float32)  # carried over, it becomes the opacity
    attributes = [ones] if mesh.normals is None else [ones, mesh.normals]
    textured = mesh.uv is not None and mesh.texture is not None
    if not textured:
        attributes.append(_colors(mesh))
    carried = interpolate(np.concatenate(attributes, axis=1), mesh.faces, fragments, supersample)
    carried = torch.from_numpy(carried)
    alpha = carried[:, :1]
    if textured:
        uv = torch.from_numpy(interpolate(mesh.uv, mesh.faces, fragments))
        hit = torch.from_numpy(fragments.face >= 0)[:, None]
        rgb = _mean(sample_texture(mesh.texture, uv) * hit, supersample)
    else:
        rgb = carried[:, -3:]
    rgb = rgb + (1 - alpha) * background[:, :, None, None]
    depth = _mean(torch.from_numpy(fragments.depth)[:, None], supersample) / alpha.clamp(min=1e-6)
    return Views(rgb, alpha, depth, None if mesh.normals is None else carried[:, 1:4])


def sample_texture(texture: np.ndarray, uv: Tensor) -> Tensor:
    """Bilinear colours `[B,3,H,W]` of a texture `[h,w,3]` (uint8, row 0 at v = 1) at uv `[B,2,H,W]`, clamped at the rim."""
    image = torch.from_numpy(np.ascontiguousarray(texture)).permute(2, 0, 1)[None].float() / 255
    grid = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], dim=-1)  # [B,H,W,2]
    flat = grid.reshape(1, -1, grid.shape[2], 2)
    sampled = torch.nn.functional.grid_sample(image, flat, padding_mode="border", align_corners=False)
    return sampled.reshape(3, *uv[:, 0].shape).transpose(0, 1)


def _colors(mesh: Mesh) -> np.ndarray:
    return np.full((len(mesh.vertices), 3), GREY, np.float32) if mesh.colors is None else mesh.colors


def _mean(image: Tensor, factor: int) -> Tensor:
    return image if factor == 1 else torch.nn.functional.avg_pool2d(image, factor)
