"""Pictures of splats as files hold them."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import C0, Splats, Views
from dreamforge.kernels.splat import splat


def render_splats(splats: Splats, cameras: Cameras, background: Tensor) -> Views:
    """Views on plain backgrounds `[B,3]`, in the colour that does not depend on the view."""
    means, scales, quaternions, opacities = (
        torch.from_numpy(x) for x in (splats.means, splats.scales, splats.quaternions, splats.opacities)
    )
    colors = torch.from_numpy(splats.sh[:, 0] * C0 + 0.5).clamp(0, 1)
    rgb, alpha, depth = splat(means, scales, quaternions, opacities, colors, cameras, background)
    return Views(rgb, alpha, depth / alpha.clamp_min(1e-6))
