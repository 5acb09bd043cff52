"""Mesh rasterization and interpolation on the CPU; see `dreamforge.kernels.raster`.

Forward, a task draws a band of rows of one view. Backward, a task adds up one view, so that no two
threads write to one place and sums are taken in one order.
"""
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dreamforge.kernels import raster_reference
from dreamforge.kernels.jit import exact, exact_kernel, kernel, prange

BAND = 32  # rows a task draws
GROUP = 8  # columns drawn together
MIN_AREA = raster_reference.MIN_AREA


@exact
def edge_values(pixels, a, b, c, x, y):
    """The edge functions at (x, y), each of the edge opposite a corner: in the order of operations of the reference."""
    ax, ay, bx, by, cx, cy = pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
    ea = (bx - x) * (cy - y) - (by - y) * (cx - x)
    eb = (cx - x) * (ay - y) - (cy - y) * (ax - x)
    ec = (ax - x) * (by - y) - (ay - y) * (bx - x)
    return ea, eb, ec


@exact
def signed_area(pixels, a, b, c):
    """Twice the area of a triangle; y grows downward, so counter-clockwise to the eye is negative."""
    ax, ay, bx, by, cx, cy = pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@exact
def _draw(pixels, depth, faces, listed, boxes, top, bottom, seen, nearest):
    """Draw the listed faces, in ascending order, into rows `[top, bottom)` of one view, nearest first kept.

    Columns are taken in groups of `GROUP` and without a branch, as vector units like it; unsigned, since a signed index
    may be negative, and testing for that costs the SIMD.
    """
    for f in listed:
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, bx, by, cx, cy = pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
        ia, ib, ic = 1.0 / depth[a], 1.0 / depth[b], 1.0 / depth[c]
        scale = 1.0 / signed_area(pixels, a, b, c)
        left = np.uint64(boxes[0, f] // GROUP * GROUP)
        right = np.uint64((boxes[1, f] + GROUP - 1) // GROUP * GROUP)
        for iy in range(max(top, boxes[2, f]), min(bottom, boxes[3, f])):
            ya, yb, yc = ay - (iy + 0.5), by - (iy + 0.5), cy - (iy + 0.5)
            near, face = nearest[iy - top], seen[iy - top]
            for ix in range(left, right):
                x = np.float64(np.int64(ix)) + 0.5
                xa, xb, xc = ax - x, bx - x, cx - x
                ea, eb, ec = (xb * yc - yb * xc) * scale, (xc * ya - yc * xa) * scale, (xa * yb - ya * xb) * scale
                inverse = ea * ia + eb * ib + ec * ic
                closer = (ea >= 0.0) & (eb >= 0.0) & (ec >= 0.0) & (inverse > near[ix])
                near[ix] = inverse if closer else near[ix]
                face[ix] = f if closer else face[ix]


@exact
def _first_pixel(place, count):
    """The first of `count` pixels whose centre is at or beyond `place`, or `count`; in floats, where no place is too far."""
    return int(min(max(np.ceil(place - 0.5), 0.0), float(count)))


@exact_kernel
def _boxes(pixels, depth, faces, height, width, cull_back, boxes):
    """Columns `[x0,x1)` and rows `[y0,y1)` of every face in every view, `[B,4,F]`; empty where it is not drawn."""
    views, count = pixels.shape[0], faces.shape[0]
    for task in prange(views * count):
        view, f = task // count, task % count
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        p, z, box = pixels[view], depth[view], boxes[view]
        drawn = z[a] > 0.0 and z[b] > 0.0 and z[c] > 0.0
        if drawn:
            area = signed_area(p, a, b, c)
            drawn = abs(area) > MIN_AREA and not (cull_back and area > 0.0)
        if drawn:
            box[0, f] = _first_pixel(min(p[a, 0], p[b, 0], p[c, 0]), width)
            box[1, f] = _first_pixel(max(p[a, 0], p[b, 0], p[c, 0]) + 1.0, width)
            box[2, f] = _first_pixel(min(p[a, 1], p[b, 1], p[c, 1]), height)
            box[3, f] = _first_pixel(max(p[a, 1], p[b, 1], p[c, 1]) + 1.0, height)
        if not drawn or box[0, f] >= box[1, f]:
            box[2, f] = box[3, f] = 0


@exact_kernel
def _rasterize(pixels, depth, faces, boxes, face, barycentric, distance):
    views, height, width = face.shape
    bands = (height + BAND - 1) // BAND
    for task in prange(views * bands):
        view, top = task // bands, (task % bands) * BAND
        bottom = min(height, top + BAND)
        p, z = pixels[view], depth[view]
        listed = np.empty(faces.shape[0], np.int32)
        count = 0
        for f in range(faces.shape[0]):
            listed[count] = f
            count += boxes[view, 2, f] < bottom and boxes[view, 3, f] > top
        padded = (width + GROUP - 1) // GROUP * GROUP
        nearest = np.zeros((bottom - top, padded))  # inverse depth: what is linear on the screen
        seen = np.full((bottom - top, padded), -1, np.int32)
        _draw(p, z, faces, listed[:count], boxes[view], top, bottom, seen, nearest)
        for iy in range(top, bottom):
            for ix in range(width):
                f = face[view, iy, ix] = seen[iy - top, ix]
                wa = wb = wc = far = 0.0
                if f >= 0:
                    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                    ea, eb, ec = edge_values(p, a, b, c, ix + 0.5, iy + 0.5)
                    wa, wb, wc = ea / z[a], eb / z[b], ec / z[c]
                    scale = 1.0 / (wa + wb + wc)
                    wa, wb, wc, far = wa * scale, wb * scale, wc * scale, (ea + eb + ec) * scale
                distance[view, iy, ix] = far
                barycentric[view, iy, ix, 0], barycentric[view, iy, ix, 1], barycentric[view, iy, ix, 2] = wa, wb, wc


def rasterize(
    pixels: Tensor, depth: Tensor, faces: Tensor, height: int, width: int, cull_back: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Face, barycentrics and depth from pixels and depth in float64."""
    shape = (len(pixels), height, width)
    face = torch.empty(shape, dtype=torch.int32)
    barycentric, distance = torch.empty(*shape, 3), torch.empty(shape)
    arrays = (pixels.numpy(), depth.numpy(), faces.numpy())
    boxes = np.empty((len(pixels), 4, len(faces)), np.int32)
    _boxes(*arrays, height, width, cull_back, boxes)
    _rasterize(*arrays, boxes, face.numpy(), barycentric.numpy(), distance.numpy())
    return face, barycentric, distance


@kernel
def _rasterize_backward(pixels, depth, faces, face, to_barycentric, to_distance, out):
    views, height, width = face.shape
    for view in prange(views):
        p, z, o = pixels[view], depth[view], out[view]
        for iy in range(height):
            for ix in range(width):
                f = face[view, iy, ix]
                if f < 0:
                    continue
                ga, gb, gc = to_barycentric[view, iy, ix, 0], to_barycentric[view, iy, ix, 1], to_barycentric[view, iy, ix, 2]
                gd = to_distance[view, iy, ix]
                if ga == 0.0 and gb == 0.0 and gc == 0.0 and gd == 0.0:
                    continue
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                x, y = ix + 0.5, iy + 0.5
                ea, eb, ec = edge_values(p, a, b, c, x, y)
                ia, ib, ic = 1.0 / z[a], 1.0 / z[b], 1.0 / z[c]
                total = ea * ia + eb * ib + ec * ic
                scale = 1.0 / total
                wa, wb, wc = ea * ia * scale, eb * ib * scale, ec * ic * scale
                d = (ea + eb + ec) * scale
                mean = ga * wa + gb * wb + gc * wc
                ga, gb, gc = ga - mean, gb - mean, gc - mean
                # of the depths: the weights go by e / z
                o[a, 2] -= (ga - gd * d) * wa * ia
                o[b, 2] -= (gb - gd * d) * wb * ib
                o[c, 2] -= (gc - gd * d) * wc * ic
                # of the edge functions, and through them of the positions
                ha = (ga * ia + gd * (1.0 - d * ia)) * scale
                hb = (gb * ib + gd * (1.0 - d * ib)) * scale
                hc = (gc * ic + gd * (1.0 - d * ic)) * scale
                ax, ay, bx, by, cx, cy = p[a, 0] - x, p[a, 1] - y, p[b, 0] - x, p[b, 1] - y, p[c, 0] - x, p[c, 1] - y
                o[a, 0] += hc * by - hb * cy
                o[a, 1] += hb * cx - hc * bx
                o[b, 0] += ha * cy - hc * ay
                o[b, 1] += hc * ax - ha * cx
                o[c, 0] += hb * ay - ha * by
                o[c, 1] += ha * bx - hb * ax


def rasterize_backward(
    pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, to_barycentric: Tensor, to_distance: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients `[B,V,2]` on pixels and `[B,V]` on depth."""
    out = np.zeros((*depth.shape, 3))
    tensors = (pixels, depth, faces, face, to_barycentric, to_distance)
    _rasterize_backward(*(x.numpy() for x in tensors), out)
    grad = torch.from_numpy(out).float()
    return grad[..., :2], grad[..., 2]


@kernel
def _interpolate(attributes, faces, face, barycentric, samples, out):
    views, channels, height, width = out.shape
    share = np.float32(1.0 / samples**2)
    for task in prange(views * height):
        view, row = task // height, task % height
        values = attributes[view % attributes.shape[0]]
        for k in range(channels):
            for x in range(width):
                out[view, k, row, x] = 0.0
        for y in range(row * samples, (row + 1) * samples):
            for x in range(width * samples):
                f = face[view, y, x]
                if f < 0:
                    continue
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                wa = barycentric[view, y, x, 0] * share
                wb = barycentric[view, y, x, 1] * share
                wc = barycentric[view, y, x, 2] * share
                for k in range(channels):
                    out[view, k, row, x // samples] += wa * values[a, k] + wb * values[b, k] + wc * values[c, k]


def interpolate(attributes: Tensor, barycentric: Tensor, faces: Tensor, face: Tensor, samples: int) -> Tensor:
    """`[B,C,H/samples,W/samples]` of contiguous inputs."""
    views, height, width = face.shape
    out = torch.empty(views, attributes.shape[-1], height // samples, width // samples)
    values = attributes if attributes.dim() == 3 else attributes[None]
    _interpolate(values.numpy(), faces.numpy(), face.numpy(), barycentric.numpy(), samples, out.numpy())
    return out


@kernel
def _to_attributes(grad, barycentric, faces, face, samples, out):
    """Add the gradients on vertices to out `[B,V,C]`, float64."""
    views, channels, height, width = grad.shape
    share = 1.0 / samples**2
    for view in prange(views):
        o = out[view]
        for y in range(height * samples):
            for x in range(width * samples):
                f = face[view, y, x]
                if f < 0:
                    continue
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                wa = barycentric[view, y, x, 0] * share
                wb = barycentric[view, y, x, 1] * share
                wc = barycentric[view, y, x, 2] * share
                for k in range(channels):
                    g = grad[view, k, y // samples, x // samples]
                    o[a, k] += g * wa
                    o[b, k] += g * wb
                    o[c, k] += g * wc


@kernel
def _to_barycentric(attributes, grad, faces, face, samples, out):
    views, channels, height, width = grad.shape
    share = np.float32(1.0 / samples**2)
    for task in prange(views * height * samples):
        view, y = task // (height * samples), task % (height * samples)
        values = attributes[view % attributes.shape[0]]
        for x in range(width * samples):
            f = face[view, y, x]
            ga = gb = gc = np.float32(0.0)
            if f >= 0:
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                for k in range(channels):
                    g = grad[view, k, y // samples, x // samples] * share
                    ga += g * values[a, k]
                    gb += g * values[b, k]
                    gc += g * values[c, k]
            out[view, y, x, 0], out[view, y, x, 1], out[view, y, x, 2] = ga, gb, gc


def interpolate_backward(
    attributes: Tensor, barycentric: Tensor, faces: Tensor, face: Tensor, samples: int, grad: Tensor,
    of_attributes: bool, of_barycentric: bool,
) -> tuple[Tensor | None, Tensor | None]:  # fmt: skip
    """The gradients asked for, shaped as attributes and barycentric are."""
    to_attributes = to_barycentric = None
    values = attributes if attributes.dim() == 3 else attributes[None]
    g, f, seen = grad.numpy(), faces.numpy(), face.numpy()
    if of_attributes:
        out = np.zeros((len(face), *attributes.shape[-2:]))
        _to_attributes(g, barycentric.numpy(), f, seen, samples, out)
        each = torch.from_numpy(out)
        to_attributes = (each if len(values) > 1 else each.sum(0)).float().view_as(attributes)
    if of_barycentric:
        to_barycentric = torch.empty_like(barycentric)
        _to_barycentric(values.numpy(), g, f, seen, samples, to_barycentric.numpy())
    return to_attributes, to_barycentric
