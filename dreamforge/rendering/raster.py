"""Pictures of a textured or vertex-coloured mesh: its colours as they are, no lighting, many samples a pixel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Mesh, Views
from dreamforge.kernels.raster import interpolate, rasterize, sample_texture

GREY = 0.7  # what a mesh without colours is shown in


@torch.no_grad()
def render_mesh(
    mesh: Mesh, cameras: Cameras, background: Tensor, supersample: int = 2, cull_back: bool = False
) -> Views:
    """Views of a mesh by B cameras on plain backgrounds `[B,3]`.

    Each pixel is the mean of `supersample`² samples. `cull_back` shows front faces only, as a viewer does with a
    material that is not double-sided.
    """

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(background.device)

    height, width = cameras.height * supersample, cameras.width * supersample
    vertices, faces = tensor(mesh.vertices), torch.from_numpy(np.ascontiguousarray(mesh.faces)).to(background.device)
    pixels, distance = cameras.resized(height, width).project(vertices)
    fragments = rasterize(pixels, distance, faces, height, width, cull_back)
    ones = torch.ones_like(vertices[:, :1])  # carried over, it becomes the opacity
    attributes = [ones] if mesh.normals is None else [ones, tensor(mesh.normals)]
    textured = mesh.uv is not None and mesh.texture is not None
    if not textured:
        attributes.append(torch.full_like(vertices, GREY) if mesh.colors is None else tensor(mesh.colors))
    carried = interpolate(torch.cat(attributes, dim=1), faces, fragments, supersample)
    alpha, rgb = carried[:, :1], carried[:, -3:]
    if textured:
        uv = interpolate(tensor(mesh.uv), faces, fragments)
        texture = texture_image(mesh.texture).to(background.device)
        rgb = _mean(sample_texture(texture, uv) * (fragments.face >= 0)[:, None], supersample)
    rgb = rgb + (1 - alpha) * background[:, :, None, None]
    depth = _mean(fragments.depth[:, None], supersample) / alpha.clamp(min=1e-6)
    return Views(rgb, alpha, depth, None if mesh.normals is None else carried[:, 1:4])


def texture_image(texture: np.ndarray) -> Tensor:
    """A mesh's texture `[h,w,3]` uint8 as an image `[3,h,w]` in [0,1]."""
    return torch.from_numpy(np.ascontiguousarray(texture.transpose(2, 0, 1))).float() / 255


def _mean(image: Tensor, factor: int) -> Tensor:
    return image if factor == 1 else torch.nn.functional.avg_pool2d(image, factor)
