"""The torch references of `dreamforge.kernels.raster`: any device, any float dtype, differentiable by autograd."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MOST_FACES = 16  # that `antialias` crosses between two pixel centres in search of a silhouette
MIN_AREA = 1e-9  # square pixels, of a face on the picture: below it nothing of it can be told apart from its edges


def rasterize(
    pixels: Tensor, depth: Tensor, faces: Tensor, height: int, width: int, cull_back: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Face, barycentrics and depth; see `dreamforge.kernels.raster.rasterize`."""
    with torch.no_grad():
        views = zip(_wide(pixels), _wide(depth), strict=True)
        face = torch.stack([_visible(p, z, faces, height, width, cull_back) for p, z in views])
    hit = face >= 0
    corner = faces[face.clamp(min=0)] if len(faces) else face[..., None].expand(*face.shape, 3) * 0  # [B,H,W,3]
    view = torch.arange(len(pixels), device=pixels.device).view(-1, 1, 1, 1)
    edges = _edges(_wide(pixels)[view, corner], *_centres(height, width, pixels.device))  # [B,H,W,3]
    z = torch.where(hit[..., None], _wide(depth)[view, corner], 1)
    edges = torch.where(hit[..., None], edges, 1)
    weights = edges / z
    total = weights.sum(-1)
    barycentric = torch.where(hit[..., None], weights / total[..., None], 0)
    distance = torch.where(hit, edges.sum(-1) / total, 0)
    return face.int(), barycentric.to(pixels), distance.to(pixels)


def _visible(pixels: Tensor, depth: Tensor, faces: Tensor, height: int, width: int, cull_back: bool) -> Tensor:
    """`[H,W]` the number of the face each pixel of one view sees: every (face, pixel) pair of the faces' boxes is
    looked at, the nearest kept."""
    corner, z = pixels[faces], depth[faces]  # [F,3,2], [F,3]
    area = _area(corner)
    front = (z > 0).all(-1)
    keep = front & ((area < -MIN_AREA) if cull_back else (area.abs() > MIN_AREA))
    limits = torch.tensor([width, height], device=pixels.device, dtype=pixels.dtype)
    corner = torch.where(keep[:, None, None], corner, 0)
    low = (corner.amin(1) - 0.5).ceil().clamp(min=0).minimum(limits).long()
    high = (corner.amax(1) + 0.5).floor().clamp(min=0).minimum(limits).long()
    extent = (high - low).clamp(min=0) * keep[:, None]
    count = extent.prod(-1)
    f = torch.arange(len(faces), device=pixels.device).repeat_interleave(count)
    rank = torch.arange(len(f), device=pixels.device) - (count.cumsum(0) - count)[f]
    x, y = low[f, 0] + rank % extent[f, 0], low[f, 1] + rank // extent[f, 0]
    edges = _edges(corner[f], (x + 0.5).to(pixels), (y + 0.5).to(pixels)) * (1 / area)[f, None]
    inside = (edges >= 0).all(-1)
    f, pixel, edges = f[inside], (y * width + x)[inside], edges[inside]
    parts = edges * (1 / z)[f]
    inverse = parts[:, 0] + parts[:, 1] + parts[:, 2]
    nearest = inverse.new_zeros(height * width).scatter_reduce(0, pixel, inverse, "amax")
    first = inverse == nearest[pixel]
    face = torch.full_like(nearest, len(faces), dtype=torch.int64).scatter_reduce(0, pixel[first], f[first], "amin")
    return torch.where(face < len(faces), face, -1).view(height, width)


def interpolate(attributes: Tensor, barycentric: Tensor, faces: Tensor, face: Tensor, samples: int) -> Tensor:
    """`[B,C,H/samples,W/samples]`; see `dreamforge.kernels.raster.interpolate`."""
    if len(faces) == 0:
        faces = faces.new_zeros(1, 3)  # every pixel is empty, so any face serves
    corner = faces[face.clamp(min=0).long()]  # [B,H,W,3]
    view = torch.arange(len(face), device=face.device).view(-1, 1, 1, 1)
    values = attributes[corner] if attributes.dim() == 2 else attributes[view, corner]  # [B,H,W,3,C]
    values = (values * barycentric[..., None]).sum(-2).movedim(-1, 1)
    return functional.avg_pool2d(values, samples) if samples > 1 else values


def antialias(image: Tensor, pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, distance: Tensor) -> Tensor:
    """`[B,C,H,W]`; see `dreamforge.kernels.raster.antialias`."""
    if len(faces) == 0:
        return image
    across = opposite_corners(faces, pixels.shape[1])
    out = image
    for axis in (0, 1):
        out = out + _blended(image, axis, pixels, depth, faces, across, face.long(), distance)
    return out


def _blended(
    image: Tensor, axis: int, pixels: Tensor, depth: Tensor, faces: Tensor, across: Tensor, face: Tensor, distance: Tensor
) -> Tensor:
    """What `antialias` adds for pairs of neighbours along x (axis 0) or y (axis 1)."""
    height, width = face.shape[1:]
    shape = (height, width - 1) if axis == 0 else (height - 1, width)
    here = torch.arange(height * width, device=face.device).view(height, width)[: shape[0], : shape[1]].reshape(-1)
    there = here + (1 if axis == 0 else width)
    flat, far = face.flatten(1), torch.where(face < 0, torch.inf, distance.detach()).flatten(1)
    first, second = flat[:, here], flat[:, there]
    joined = (across[second.clamp(min=0)].div(3, rounding_mode="floor") == first[..., None]).any(-1)
    joined &= (first >= 0) & (second >= 0)
    view, pair = ((first != second) & ~joined).nonzero(as_tuple=True)
    here, there = here[pair], there[pair]
    swap = far[view, there] < far[view, here]  # the nearer face is the second pixel's
    near, other = torch.where(swap, there, here), torch.where(swap, here, there)
    places = _wide(pixels)
    step = torch.where(swap, -1.0, 1.0).to(places)
    x, y = (near % width + 0.5).to(places), (near // width + 0.5).to(places)
    with torch.no_grad():
        ends = _outline(places, depth, faces, across, axis, view, flat[view, near], x, y, step)  # [P,2]
    used = (ends[:, 0] >= 0).nonzero()[:, 0]
    view, near, other, x, y, step = (values[used] for values in (view, near, other, x, y, step))
    (ax, ay), (bx, by) = (places[view, ends[used, k]].unbind(-1) for k in range(2))
    slope = step * (by - ay if axis == 0 else ax - bx)
    share = (((ax - x) * (by - y) - (ay - y) * (bx - x)) / slope).to(image)
    weight = torch.where(share > 0.5, share - 0.5, 0.5 - share)
    target, source = torch.where(share > 0.5, other, near), torch.where(share > 0.5, near, other)
    colors = image.flatten(2)
    difference = (colors[view, :, source] - colors[view, :, target]) * weight[:, None]  # [P,C]
    index = (view * height * width + target)[:, None].expand_as(difference)
    added = difference.new_zeros(len(face) * height * width, image.shape[1]).scatter_add(0, index, difference)
    return added.view(len(face), height, width, -1).movedim(-1, 1)


def _outline(
    pixels: Tensor, depth: Tensor, faces: Tensor, across: Tensor, axis: int,
    view: Tensor, face: Tensor, x: Tensor, y: Tensor, step: Tensor,
) -> Tensor:  # fmt: skip
    """The silhouette edge that is met first on the way from (x, y), inside `face`, to the pixel `step` along the axis:
    its two vertices `[P,2]`, -1 where there is none. All inputs `[P]`: from face to face over the edges in between."""
    found = torch.full((len(face), 2), -1, device=face.device)
    active = torch.arange(len(face), device=face.device)
    for _ in range(MOST_FACES):
        corner = faces[face]  # [P,3]
        place = pixels[view[:, None], corner]  # [P,3,2]
        sign = _area(place).sign()[:, None]
        edges = _edges(place, x, y) * sign
        start, end = corner[:, [1, 2, 0]], corner[:, [2, 0, 1]]  # edge k lies opposite corner k
        along = place[:, [2, 0, 1]] - place[:, [1, 2, 0]]
        slope = (step[:, None] * (along[..., 1] if axis == 0 else -along[..., 0])) * sign  # its fall on the way
        share = torch.where((slope > 0) & (edges - slope < 0), edges / slope, torch.inf)
        leaves, edge = share.min(1, keepdim=True)
        start, end, beyond = (values.gather(1, edge)[:, 0] for values in (start, end, across[face]))
        opposite = torch.where(beyond >= 0, faces.reshape(-1)[beyond.clamp(min=0)], 0)
        turn = _area(torch.stack([pixels[view, start], pixels[view, end], pixels[view, opposite]], dim=1)) * sign[:, 0]
        goes_on = (beyond >= 0) & (depth[view, opposite] > 0) & (turn < 0)  # its other two corners are this face's
        leaves = leaves[:, 0].isfinite()
        length = along.gather(1, edge[..., None].expand(-1, 1, 2))[:, 0].abs()
        upright = length[:, 1] >= length[:, 0]
        here = leaves & ~goes_on & (upright if axis == 0 else ~upright)
        found[active[here]] = torch.stack([start, end], dim=1)[here]
        more = leaves & goes_on
        if not more.any():
            break
        face = beyond[more] // 3
        active, view, x, y, step = active[more], view[more], x[more], y[more], step[more]
    return found


def opposite_corners(faces: Tensor, vertices: int) -> Tensor:
    """`[F,3]` int64: beyond the edge opposite corner k of face f, the corner 3 f' + k' of the other face that is not on
    it; -1 where not exactly two faces share the edge. The host waits for nothing.

    Edges sorted by their two vertices: where two are equal, and no third, each is the other's partner.
    """
    if len(faces) == 0:
        return faces.long()
    a, b = (faces.long().roll(turn, dims=1).reshape(-1) for turn in (-1, 1))
    key, order = torch.sort(a.minimum(b) * vertices + a.maximum(b), stable=True)
    same_next = key == torch.cat([key[1:], key.new_full((1,), -1)])
    same_before = torch.cat([same_next.new_zeros(1), same_next[:-1]])
    next_same_next = torch.cat([same_next[1:], same_next.new_zeros(1)])
    first = same_next & ~same_before & ~next_same_next  # of exactly two
    second = torch.cat([first.new_zeros(1), first[:-1]])
    partner = torch.where(first, order.roll(-1), torch.where(second, order.roll(1), -1))
    return torch.empty_like(partner).scatter_(0, order, partner).view(-1, 3)


def texture_level(
    corners: Tensor, pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, size: tuple[int, int]
) -> Tensor:
    """`[B,H,W]`; see `dreamforge.kernels.raster.texture_level`."""
    if len(faces) == 0:
        return torch.zeros(face.shape, dtype=pixels.dtype, device=pixels.device)
    height, width = face.shape[1:]
    hit, seen = face >= 0, face.clamp(min=0).long()
    view = torch.arange(len(face), device=face.device).view(-1, 1, 1, 1)
    place, z = _wide(pixels)[view, faces[seen]], _wide(depth)[view, faces[seen]]
    texel = _wide(corners)[seen] * torch.tensor([size[1], size[0]], device=face.device)  # [B,H,W,3,2]
    weights = _edges(place, *_centres(height, width, pixels.device)) / z
    a, b = place[..., [1, 2, 0], :], place[..., [2, 0, 1], :]
    slopes = torch.stack([a[..., 1] - b[..., 1], b[..., 0] - a[..., 0]], dim=-1) / z[..., None]  # [B,H,W,3,(x,y)]
    total = weights.sum(-1)[..., None, None]
    mean = (weights[..., None] * texel).sum(-2) / total[..., 0]
    change = torch.einsum("bhwki,bhwkj->bhwij", texel - mean[..., None, :], slopes) / total  # d texel i / d pixel j
    longest = change.square().sum(-2).amax(-1)
    return torch.where(hit, 0.5 * longest.log2(), 0).clamp(min=0).to(pixels)


def mip_pyramid(texture: Tensor) -> list[Tensor]:
    """The texture `[C,h,w]` and its halvings, as long as both sides are even and longer than 2."""
    levels = [texture]
    while levels[-1].shape[1] % 2 == levels[-1].shape[2] % 2 == 0 and min(levels[-1].shape[1:]) > 2:
        levels.append(functional.avg_pool2d(levels[-1], 2))
    return levels


def sample_texture(texture: Tensor, uv: Tensor, level: Tensor | None) -> Tensor:
    """`[B,C,H,W]`; see `dreamforge.kernels.raster.sample_texture`."""
    if level is None:
        return _bilinear(texture, uv)
    levels = mip_pyramid(texture)
    level = level.detach().clamp(0, len(levels) - 1)
    out = torch.zeros((), dtype=uv.dtype, device=uv.device)
    for number, image in enumerate(levels):
        out = out + _bilinear(image, uv) * (1 - (level - number).abs()).clamp(min=0)[:, None]
    return out


def _bilinear(texture: Tensor, uv: Tensor) -> Tensor:
    grid = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], dim=-1)  # [B,H,W,2]
    flat = grid.reshape(1, -1, grid.shape[2], 2)
    sampled = functional.grid_sample(texture[None], flat, padding_mode="border", align_corners=False)
    return sampled.reshape(len(texture), *uv[:, 0].shape).transpose(0, 1)


def _wide(tensor: Tensor) -> Tensor:
    """In float64, where the device knows it."""
    return tensor if tensor.device.type == "mps" else tensor.double()


def _centres(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """x `[1,1,W]` and y `[1,H,1]` of the pixel centres."""
    x, y = (torch.arange(count, device=device) + 0.5 for count in (width, height))
    return x.view(1, 1, -1), y.view(1, -1, 1)


def _edges(corner: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`[...,3]` the edge functions at (x, y) of triangles `[...,3,2]`: twice the areas that the point spans with the
    edges opposite the corners."""
    (ax, ay), (bx, by), (cx, cy) = (corner[..., k, :].unbind(-1) for k in range(3))
    return torch.stack([
        (bx - x) * (cy - y) - (by - y) * (cx - x),
        (cx - x) * (ay - y) - (cy - y) * (ax - x),
        (ax - x) * (by - y) - (ay - y) * (bx - x),
    ], dim=-1)  # fmt: skip


def _area(corner: Tensor) -> Tensor:
    """Twice the signed areas of triangles `[...,3,2]`; y grows downward, so counter-clockwise to the eye is negative."""
    (ax, ay), (bx, by), (cx, cy) = (corner[..., k, :].unbind(-1) for k in range(3))
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
