"""Batched pinhole cameras and the coordinate conventions of the whole project.

World: right-handed, +Y up, the object inside the unit sphere with its front facing +Z. Azimuth 0 looks at the
front, positive to the object's left (+X); elevation is up. Cameras look along their own -Z with +Y up; pixel
centres lie at half-integers, row 0 is the top. Degrees in configs and in `orbit`, radians inside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cameras:
    """A batch of B cameras that share one image size.

    c2w: `[B,4,4]` camera-to-world, rigid. fov: `[B]` vertical field of view, radians. height, width: pixels.
    """

    c2w: Tensor
    fov: Tensor
    height: int
    width: int

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Cameras:
        return Cameras(self.c2w[index], self.fov[index], self.height, self.width)

    def to(self, device: torch.device | str) -> Cameras:
        """The cameras on another device."""
        later = torch.device(device).type != "cpu"  # the host need not wait for what it sends, only for what it asks for
        c2w, fov = (tensor.to(device, non_blocking=later) for tensor in (self.c2w, self.fov))
        return Cameras(c2w, fov, self.height, self.width)

    def resized(self, height: int, width: int) -> Cameras:
        """The same poses and field of view at another image size."""
        return Cameras(self.c2w, self.fov, height, width)

    @property
    def position(self) -> Tensor:
        """`[B,3]` world positions."""
        return self.c2w[:, :3, 3]

    @property
    def focal(self) -> Tensor:
        """`[B]` focal lengths in pixels (square pixels; the principal point is the image centre)."""
        return 0.5 * self.height / torch.tan(0.5 * self.fov)

    @property
    def w2c(self) -> Tensor:
        """`[B,4,4]` world-to-camera (the inverse of a rigid matrix)."""
        rotation = self.c2w[:, :3, :3].transpose(1, 2)
        inverse = torch.zeros_like(self.c2w)
        inverse[:, :3, :3] = rotation
        inverse[:, :3, 3] = -(rotation @ self.c2w[:, :3, 3:])[..., 0]
        inverse[:, 3, 3] = 1.0
        return inverse

    @property
    def azimuth(self) -> Tensor:
        """`[B]` radians in (-pi, pi]: 0 in front (+Z), positive toward +X."""
        x, _, z = self.position.unbind(-1)
        return torch.atan2(x, z)

    @property
    def elevation(self) -> Tensor:
        """`[B]` radians in [-pi/2, pi/2]."""
        x, y, z = self.position.unbind(-1)
        return torch.atan2(y, torch.hypot(x, z))

    @property
    def distance(self) -> Tensor:
        """`[B]` distance from the origin."""
        return self.position.norm(dim=-1)

    def rays(self) -> tuple[Tensor, Tensor]:
        """Origins and unit directions, each `[B,H,W,3]`, through the pixel centres."""
        options = {"device": self.c2w.device, "dtype": self.c2w.dtype}
        x = torch.arange(self.width, **options) + 0.5 - 0.5 * self.width
        y = 0.5 * self.height - torch.arange(self.height, **options) - 0.5
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        plane = torch.stack([grid_x, grid_y, torch.zeros_like(grid_x)], dim=-1)  # [H,W,3]
        local = plane / self.focal[:, None, None, None]
        local[..., 2] = -1.0
        directions = torch.einsum("bij,bhwj->bhwi", self.c2w[:, :3, :3], local)
        directions = torch.nn.functional.normalize(directions, dim=-1)
        origins = self.position[:, None, None, :].expand_as(directions)
        return origins, directions

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel positions `[B,N,2]` (x right, y down) and depths `[B,N]` along the viewing axis of points `[N,3]`."""
        local = torch.einsum("bij,nj->bni", self.w2c[:, :3, :3], points) + self.w2c[:, None, :3, 3]
        depth = -local[..., 2]
        scale = self.focal[:, None] / depth
        x = 0.5 * self.width + local[..., 0] * scale
        y = 0.5 * self.height - local[..., 1] * scale
        return torch.stack([x, y], dim=-1), depth


def cat(batches: list[Cameras]) -> Cameras:
    """One batch of cameras from several of equal image size."""
    first = batches[0]
    return Cameras(torch.cat([c.c2w for c in batches]), torch.cat([c.fov for c in batches]), first.height, first.width)


def look_at(position: Tensor, target: Tensor | None = None) -> Tensor:
    """`[B,4,4]` camera-to-world of cameras at `position` `[B,3]` that look at `target` `[B,3]` (the origin), +Y up.

    Straight above or below, image-up is the direction that keeps azimuth 0 continuous (world -Z from above).
    """
    target = torch.zeros_like(position) if target is None else target
    back = torch.nn.functional.normalize(position - target, dim=-1)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=position.dtype, device=position.device).expand_as(back)
    pole = back[:, 1:2].abs() > 1 - 1e-6
    fallback = torch.cat([torch.zeros_like(pole), torch.zeros_like(pole), -back[:, 1:2].sign()], dim=-1)
    up = torch.where(pole, fallback.to(up), up)
    right = torch.nn.functional.normalize(torch.linalg.cross(up, back), dim=-1)
    true_up = torch.linalg.cross(back, right)
    c2w = torch.eye(4, dtype=position.dtype, device=position.device).repeat(len(position), 1, 1)
    c2w[:, :3, 0], c2w[:, :3, 1], c2w[:, :3, 2], c2w[:, :3, 3] = right, true_up, back, position
    return c2w


def orbit(
    azimuth: Tensor | list[float],
    elevation: Tensor | list[float] | float,
    distance: Tensor | float = 3.0,
    fov: Tensor | float = 40.0,
    size: int = 64,
) -> Cameras:
    """Cameras on spheres about the origin, looking at it. Angles in degrees; broadcast to the longest argument.

    At the default distance and field of view the unit sphere just fits the picture.
    """
    values = [torch.as_tensor(v, dtype=torch.float32) for v in (azimuth, elevation, distance, fov)]
    az, el, dist, fov_ = torch.broadcast_tensors(*[v.reshape(-1) for v in values])
    az, el = torch.deg2rad(az), torch.deg2rad(el)
    direction = torch.stack([az.sin() * el.cos(), el.sin(), az.cos() * el.cos()], dim=-1)
    return Cameras(look_at(direction * dist[:, None]), torch.deg2rad(fov_).clone(), size, size)


def turned(cameras: Cameras, angles: Tensor) -> Cameras:
    """The cameras, each carried around the object by an angle `[B]`, radians: its azimuth grows by that much."""
    c2w = torch.eye(4).to(cameras.c2w).repeat(len(cameras), 1, 1)
    c2w[:, 0, 0], c2w[:, 0, 2] = angles.cos(), angles.sin()
    c2w[:, 2, 0], c2w[:, 2, 2] = -angles.sin(), angles.cos()
    return Cameras(c2w @ cameras.c2w, cameras.fov, cameras.height, cameras.width)


def turntable(count: int, elevation: float = 15.0, size: int = 256) -> Cameras:
    """`count` cameras evenly around the object, the first in front of it."""
    return orbit([360.0 * i / count for i in range(count)], elevation, size=size)


def sphere(count: int, size: int, lowest: float = -60.0, highest: float = 80.0) -> Cameras:
    """`count` cameras spread evenly over the band of elevations `[lowest, highest]` degrees (a Fibonacci lattice)."""
    low, high = math.sin(math.radians(lowest)), math.sin(math.radians(highest))
    index = torch.arange(count, dtype=torch.float64)
    elevation = torch.rad2deg(torch.asin(low + (high - low) * (index + 0.5) / count))
    azimuth = (index * 180.0 * (3.0 - math.sqrt(5.0))) % 360.0
    return orbit(azimuth.float(), elevation.float(), size=size)
