"""Pictures of splats as files hold them."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Splats, Views
from dreamforge.kernels.harmonics import view_colors
from dreamforge.kernels.splat import splat


def render_splats(splats: Splats, cameras: Cameras, background: Tensor) -> Views:
    """Views on plain backgrounds `[B,3]`."""
    means, scales, quaternions, opacities, harmonics = (
        torch.from_numpy(x) for x in (splats.means, splats.scales, splats.quaternions, splats.opacities, splats.sh)
    )
    colors = view_colors(harmonics, means, cameras.position)
    rgb, alpha, depth = splat(means, scales, quaternions, opacities, colors, cameras, background)
    return Views(rgb, alpha, depth / alpha.clamp_min(1e-6))
