"""Which faces lie on each texel of a texture."""

from __future__ import annotations

import numpy as np
import torch

from dreamforge.contracts import Mesh
from dreamforge.kernels.raster import interpolate, rasterize

Layer = tuple[np.ndarray, np.ndarray]
"""Face `[H,W]` int, -1 for none, and the point of it at the texel's middle `[H,W,3]`."""


def coverage(mesh: Mesh) -> tuple[Layer, Layer]:
    """The first face and the last one on each texel: two where faces share texels, the same twice where not."""
    height, width = mesh.texture.shape[:2]
    corners = torch.from_numpy(mesh.faces.reshape(-1).astype(np.int64))
    uv = torch.from_numpy(np.ascontiguousarray(mesh.uv))[corners]
    where = torch.stack([uv[:, 0] * width, (1 - uv[:, 1]) * height], dim=1)[None]
    points = torch.from_numpy(np.ascontiguousarray(mesh.vertices))[corners]
    faces = torch.arange(len(corners), dtype=torch.int32).view(-1, 3)
    rank = torch.linspace(1, 2, len(faces)).repeat_interleave(3)[None]
    layers = []
    for depth in (rank, 3 - rank):
        fragments = rasterize(where, depth.contiguous(), faces, height, width)
        place = interpolate(points, faces, fragments)[0].movedim(0, -1)
        layers.append((fragments.face[0].numpy(), place.numpy()))
    return layers[0], layers[1]
