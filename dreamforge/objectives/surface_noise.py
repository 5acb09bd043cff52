"""White noise that lies on an object: a point of its surface has the same noise in every view."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Views

SHELLS, SAMPLES, EMPTY = 4, 4, 0.1
"""Charts by radius; points a side of a pixel that look for texels; the opacity below which there is no surface."""


def surface_noise(cameras: Cameras, rendered: Views, behind: Tensor, texels: int) -> Tensor:
    """Noise `[B,C,h,w]` for latents of B views: N(0,1), independent between the pixels of a view.

    Space is cut into six charts (the faces of a cube about the origin), four shells each, of `texels` x `texels`. A
    pixel collects the texels that its patch of the surface covers, each going to one pixel of a view only, and sums
    their noise over the square root of their number. So two pixels of different views that cover the texels A and B
    correlate by |A and B| / sqrt(|A| |B|). Pixels with no surface keep `behind` `[B,C,h,w]`.
    """
    batch, channels, height, width = behind.shape
    fine = cameras.resized(height * SAMPLES, width * SAMPLES)
    size = (fine.height, fine.width)
    depth, alpha = (torch.nn.functional.interpolate(x, size=size)[:, 0] for x in (rendered.depth, rendered.alpha))
    origins, directions = fine.rays()
    along = torch.einsum("bhwi,bi->bhw", directions, -fine.c2w[:, :3, 2])
    texel = texel_of(origins + directions * (depth / along)[..., None], texels)
    pixel = torch.arange(batch * height * width, device=behind.device).view(batch, height, 1, width, 1)
    pixel = pixel.expand(batch, height, SAMPLES, width, SAMPLES).reshape(texel.shape)
    view = torch.arange(batch, device=behind.device).view(batch, 1, 1).expand_as(texel)
    seen = alpha > EMPTY
    total, count = collected(pixel[seen], view[seen], texel[seen], batch * height * width, channels)
    noise = (total / count.clamp(min=1).sqrt()[:, None]).view(batch, height, width, channels).movedim(-1, 1)
    return torch.where(count.view(batch, 1, height, width) > 0, noise.to(behind), behind)


def texel_of(points: Tensor, texels: int) -> Tensor:
    """The number of the texel that each point `[...,3]` lies in."""
    axis = points.abs().argmax(-1, keepdim=True)
    major = points.gather(-1, axis)
    others = torch.stack([points.roll(-k, -1).gather(-1, axis)[..., 0] for k in (1, 2)], -1) / major.abs().clamp(min=1e-9)
    cell = ((others + 1) / 2 * texels).long().clamp(0, texels - 1)
    shell = (points.norm(dim=-1) * SHELLS).long().clamp(max=SHELLS - 1)
    chart = (2 * axis + (major > 0))[..., 0] * SHELLS + shell
    return (chart * texels + cell[..., 0]) * texels + cell[..., 1]


def collected(pixel: Tensor, view: Tensor, texel: Tensor, pixels: int, channels: int) -> tuple[Tensor, Tensor]:
    """The summed noise `[P,C]` and number `[P]` of the texels of each pixel, from N samples (pixel, view, texel).

    A texel that several pixels of a view cover belongs to the first of them.
    """
    key, index = (view * (texel.max() + 1 if len(texel) else 1) + texel).unique(return_inverse=True)
    owner = torch.full_like(key, pixels).scatter_reduce(0, index, pixel, "amin")
    name = torch.zeros_like(key).scatter(0, index, texel)
    total = torch.zeros(pixels, channels, device=texel.device, dtype=torch.float64)
    total.index_add_(0, owner, normal(name, channels))
    return total, torch.bincount(owner, minlength=pixels)


def normal(name: Tensor, channels: int) -> Tensor:
    """A standard normal number for each integer `[N]` and channel, `[N,C]` float64, always the same."""
    bits = name[:, None] * channels + torch.arange(channels, device=name.device) + 1
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):  # SplitMix64's mixing
        bits = (bits ^ ((bits >> shift) & ((1 << (64 - shift)) - 1))) * factor
    bits = bits ^ ((bits >> 31) & ((1 << 33) - 1))
    uniform = ((bits >> 11) & ((1 << 53) - 1)).double() / (1 << 53)
    return torch.special.ndtri(uniform.clamp(2**-54, 1 - 2**-53))
