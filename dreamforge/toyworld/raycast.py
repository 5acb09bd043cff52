"""Pictures of the toy world: every instance from every camera, in parallel on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.toyworld.kernels import render_images
from dreamforge.toyworld.lights import STUDIO, Light

if TYPE_CHECKING:
    from dreamforge.toyworld.world import Instance


def render(instances: Sequence[Instance], cameras: Cameras, supersample: int = 2) -> Tensor:
    """Every instance seen by every camera: `[B,K,4,H,W]` float32 on the CPU for B cameras and K instances.

    Channels 0-2 are sRGB colour times coverage, channel 3 is the coverage, each the mean over supersample^2 rays a
    pixel. So the picture on a plain background b is exactly `rgb + (1 - alpha) * b`, edges included. Cameras stand
    outside the unit sphere. The light is the fixed studio's.
    """
    views, count = len(cameras), len(instances)
    which, view = np.tile(np.arange(count), views), np.repeat(np.arange(views), count)
    return _launch(instances, cameras, which, view, STUDIO[None], supersample).unflatten(0, (views, count))


def render_each(
    instances: Sequence[Instance], cameras: Cameras, lights: Sequence[Light] = (STUDIO,), supersample: int = 2
) -> Tensor:
    """Instance i seen by camera i, `[B,4,H,W]`, in the form that `render` describes; B lights, or one for all."""
    if len(instances) != len(cameras) or len(lights) not in (1, len(cameras)):
        raise ValueError(f"{len(instances)} instances and {len(lights)} lights for {len(cameras)} cameras")
    each = np.arange(len(cameras))
    return _launch(instances, cameras, each, each, np.stack(lights), supersample)


def _launch(
    instances: Sequence[Instance], cameras: Cameras, which: np.ndarray, view: np.ndarray, lights: np.ndarray,
    samples: int,
) -> Tensor:  # fmt: skip
    poses = cameras.c2w.detach().cpu().double().numpy()
    pixel = 1.0 / (cameras.focal.detach().cpu().double().numpy()[:, None] * samples)
    frames = np.stack([poses[:, :3, 0] * pixel, -poses[:, :3, 1] * pixel, -poses[:, :3, 2]], axis=2)
    starts = np.cumsum([0, *(len(i.table) for i in instances)])
    table = np.concatenate([i.table for i in instances])
    grids = np.stack([i.distances for i in instances])
    lights = np.ascontiguousarray(np.broadcast_to(lights, (len(which), lights.shape[1])))
    out = np.zeros((len(which), 4, cameras.height, cameras.width), np.float32)
    origins = np.ascontiguousarray(poses[:, :3, 3])
    render_images(which, view, starts, table, grids, lights, origins, np.ascontiguousarray(frames), samples, out)
    return torch.from_numpy(out)
