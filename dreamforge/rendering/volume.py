"""Pictures of a density field by emission and absorption along rays."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Views
from dreamforge.kernels.volume import composite, march

MIDDLE = 3.0  # about where depths lie
CHUNK = 1 << 16  # rays at a time: bounds memory for large pictures, and is more than a training step has


def render_volume(
    cameras: Cameras,
    background: Tensor,
    query: Callable[[Tensor], tuple[Tensor, Tensor]],
    occupancy: Tensor,
    floor: Tensor,
    step: float,
    jitter: Tensor | None = None,
) -> Views:
    """B pictures on plain backgrounds `[B,3]`, sampled every `step` in the occupied cells of the unit sphere.

    query: densities `[M]` and channels `[M,C]` of points `[M,3]`: colours, and where C is 6 normals after them.
    occupancy, floor: `[G,G,G]`, see `dreamforge.kernels.volume.march`. jitter: `[B*H*W]` in [0,1), the place of
    the samples in their steps.
    """
    origins, directions = (rays.reshape(-1, 3) for rays in cameras.rays())
    parts = []
    for start in range(0, len(origins), CHUNK):
        rays = slice(start, start + CHUNK)
        shift = None if jitter is None else jitter[rays]
        samples = march(origins[rays], directions[rays], occupancy, floor, step, shift)
        sigmas, channels = query(samples.points)
        beyond = (samples.t - MIDDLE)[:, None] ** 2  # for the variance of depth; from the middle, where digits are spared
        color, *scalars = composite(sigmas, torch.cat([channels, beyond], -1), samples.offsets, samples.t, step)
        parts.append(torch.cat([color, torch.stack(scalars, dim=-1)], dim=-1))
    batch, height, width = len(cameras), cameras.height, cameras.width
    image = torch.cat(parts).view(batch, height, width, -1).movedim(-1, 1)
    rgb, (alpha, distance, distortion) = image[:, :3], image[:, -3:].split(1, dim=1)
    forward = -cameras.c2w[:, :3, 2]
    cosine = torch.einsum("bi,bhwi->bhw", forward, directions.view(batch, height, width, 3))[:, None]
    depth = torch.where(alpha > 0, distance / alpha.clamp(min=1e-6) * cosine, 0)
    normal = image[:, 3:6] if image.shape[1] == 10 else None
    opaque = alpha.clamp(min=1e-6)
    variance = (image[:, -4:-3] / opaque - (distance / opaque - MIDDLE) ** 2).clamp(min=0)
    return Views(rgb + (1 - alpha) * background[:, :, None, None], alpha, depth, normal, distortion, variance)
