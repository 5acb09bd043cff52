"""The Numba rasterizer of `splat`: bin, rasterize, and rasterize backward; see `splat_project_numba` for the rest.

A *row* is one Gaussian in one view (view * N + gaussian); a *slot* is one row in one tile, numbered row by row. The
backward rasterizer writes each slot's gradient by itself and the backward projection adds the slots of a Gaussian in
order, so results do not depend on how threads are scheduled.

colors: [N,3], or [V*N,3] where they differ from view to view; row r has the colour r modulo their number.

Columns of slot gradients [P,10]: with s = alpha dL/dalpha, the sums over pixels of s, s dx, s dy, s dx dx, s dx dy,
s dy dy, where (dx, dy) leads from the Gaussian's centre to the pixel's; then the gradients of red, green, blue, depth.
"""

from __future__ import annotations

import math

import numpy as np

from dreamforge.kernels import splat
from dreamforge.kernels.jit import inline, kernel, prange
from dreamforge.kernels.splat_project_numba import TILE

MAX_ALPHA, MIN_TRANSMITTANCE = np.float32(splat.MAX_ALPHA), np.float32(splat.MIN_TRANSMITTANCE)
LOG_CUT = np.float32(math.log(splat.ALPHA_CUT))
PIXELS = TILE * TILE
STOP_EVERY = 8
# Offsets into a tile's buffer are unsigned: a signed index may be negative, and testing for that costs the SIMD.
P1, P2, P3, P4, P5, P6, P7, P8 = [np.uint64(i * PIXELS) for i in range(1, 9)]
SIDE = np.uint64(TILE)

ONE, HALF = np.float32(1.0), np.float32(0.5)
# exp(y) on [-0.7, 0] by Chebyshev interpolation; exp(x) = exp(x / 8)^8 holds to 3e-6 down to x = -5.6.
E0, E1, E2 = np.float32(0.99999994), np.float32(0.99999386), np.float32(0.49989733)
E3, E4, E5 = np.float32(0.16603126), np.float32(0.039864037), np.float32(0.0058981418)
EIGHTH = np.float32(0.125)


@inline
def fast_exp(x):
    """exp(x) for LOG_CUT <= x <= 0, in arithmetic that vectorises."""
    y = x * EIGHTH
    p = ((((E5 * y + E4) * y + E3) * y + E2) * y + E1) * y + E0
    p = p * p
    p = p * p
    return p * p


@inline
def depth_order(keys, order):
    """Radix-sort `order` by the int32 `keys` it points at (positive floats sort as their bits); stable."""
    other = np.empty_like(order)
    counts = np.empty(2049, np.int64)
    for shift in (0, 11, 22):
        counts[:] = 0
        for i in order:
            counts[((keys[i] >> shift) & 2047) + 1] += 1
        for b in range(2048):
            counts[b + 1] += counts[b]
        for i in order:
            bucket = (keys[i] >> shift) & 2047
            other[counts[bucket]] = i
            counts[bucket] += 1
        order, other = other, order
    return order


@inline
def bin_view(view, count, bits, boxes, offsets, tiles_x, starts, entries):
    """Fill the tiles of one view: see `bin_rows`."""
    seen = np.empty(count, np.int32)
    found = 0
    for row in range(view * count, (view + 1) * count):
        if offsets[row + 1] > offsets[row]:
            seen[found] = row
            found += 1
            for y in range(boxes[row, 2], boxes[row, 3]):
                for x in range(boxes[row, 0], boxes[row, 1]):
                    starts[y * tiles_x + x + 1] += 1
    starts[0] = offsets[view * count]
    for tile in range(starts.shape[0] - 1):
        starts[tile + 1] += starts[tile]
    cursor = starts[:-1].copy()
    for row in depth_order(bits[:, 6], seen[:found]):
        slot = offsets[row]
        for y in range(boxes[row, 2], boxes[row, 3]):
            for x in range(boxes[row, 0], boxes[row, 1]):
                tile = y * tiles_x + x
                entries[cursor[tile], 0] = row
                entries[cursor[tile], 1] = slot
                cursor[tile] += 1
                slot += 1


@kernel
def bin_rows(bits, boxes, offsets, tiles_x, starts, entries):
    """List the rows of every tile by depth.

    bits: `projected` seen as int32. offsets [V*N+1]: first slot of each row. starts [V,T+1], zeroed: where each
    tile's part of `entries` [P,2] (row, slot) begins.
    """
    views = starts.shape[0]
    for view in prange(views):
        bin_view(np.int64(view), boxes.shape[0] // views, bits, boxes, offsets, tiles_x, starts[view], entries)


@inline
def pixel_span(y, reach, top):
    """The tile's pixels (first, last) in the rows that a box of half height `reach` about `y` touches."""
    low = max(math.ceil(y - reach - HALF), float(top))  # in floats, where a vast reach does not overflow
    high = max(min(math.floor(y + reach - HALF) + 1.0, float(top + TILE)), low)
    return np.uint64(int(low) - top) * SIDE, np.uint64(int(high) - top) * SIDE


@inline
def fill_pixel_centres(buffer, left, top):
    """Pixel centres of a tile to buffer[0:PIXELS] (x) and buffer[PIXELS:2 PIXELS] (y)."""
    for k in range(PIXELS):
        buffer[k] = np.float32(left + k % TILE) + HALF
        buffer[PIXELS + k] = np.float32(top + k // TILE) + HALF


@inline
def rasterize_tile(projected, colors, entries, first, last, left, top, image):
    """Composite one tile front to back; returns the end of the entries that were needed."""
    count = colors.shape[0]
    height, width = image.shape[1], image.shape[2]
    b = np.zeros(7 * PIXELS, np.float32)  # x, y, then transmittance, red, green, blue, depth of each pixel
    fill_pixel_centres(b, left, top)
    for k in range(np.uint64(PIXELS)):  # pixels beyond the border are born opaque, so that they never delay the stop
        b[P2 + k] = ONE if left + np.int64(k) % TILE < width and top + np.int64(k) // TILE < height else np.float32(0.0)
    stop = last
    for e in range(first, last):
        row = entries[e, 0]
        n = row % count
        x, y = projected[row, 0], projected[row, 1]
        ca, cb, cc = HALF * projected[row, 2], projected[row, 3], HALF * projected[row, 4]
        log_opacity, z = projected[row, 5], projected[row, 6]
        red, green, blue = colors[n, 0], colors[n, 1], colors[n, 2]
        low, high = pixel_span(y, projected[row, 7], top)
        for k in range(low, high):
            dx, dy = b[k] - x, b[P1 + k] - y
            exponent = log_opacity - ca * dx * dx - cc * dy * dy - cb * dx * dy
            t = b[P2 + k]
            alpha = min(fast_exp(max(exponent, LOG_CUT)), MAX_ALPHA)
            w = alpha * t if (exponent >= LOG_CUT) & (t >= MIN_TRANSMITTANCE) else np.float32(0.0)
            b[P2 + k] = t - w
            b[P3 + k] += w * red
            b[P4 + k] += w * green
            b[P5 + k] += w * blue
            b[P6 + k] += w * z
        if (e - first) % STOP_EVERY == STOP_EVERY - 1:
            most = np.float32(0.0)
            for k in range(np.uint64(PIXELS)):
                most = max(most, b[P2 + k])
            if most < MIN_TRANSMITTANCE:
                stop = e + 1
                break
    for j in range(min(TILE, height - top)):
        for i in range(min(TILE, width - left)):
            k = np.uint64(j * TILE + i)
            image[0, top + j, left + i] = b[P3 + k]
            image[1, top + j, left + i] = b[P4 + k]
            image[2, top + j, left + i] = b[P5 + k]
            image[3, top + j, left + i] = ONE - b[P2 + k]
            image[4, top + j, left + i] = b[P6 + k]
    return stop


@kernel
def rasterize(projected, colors, starts, entries, tiles_x, image, stops):
    """Fill image [V,5,H,W] (red, green, blue, alpha, depth) and stops [V,T], the end of each tile's used entries."""
    tiles = stops.shape[1]
    for index in prange(stops.size):
        view, tile = index // tiles, index % tiles
        left, top = tile % tiles_x * TILE, tile // tiles_x * TILE
        first, last = starts[view, tile], starts[view, tile + 1]
        stops[view, tile] = rasterize_tile(projected, colors, entries, first, last, left, top, image[view])


@inline
def rasterize_tile_backward(projected, colors, entries, first, last, left, top, image, gradient, slots):
    """The gradients of one tile's slots, front to back again: what lies behind is the total less what lies before."""
    count = colors.shape[0]
    height, width = image.shape[1], image.shape[2]
    # x, y, transmittance, remainder of sum(w * dL/dw), then the gradients of red, green, blue, alpha and depth
    b = np.zeros(9 * PIXELS, np.float32)
    fill_pixel_centres(b, left, top)
    for j in range(min(TILE, height - top)):
        for i in range(min(TILE, width - left)):
            k = np.uint64(j * TILE + i)
            b[P2 + k] = ONE
            for c in range(5):
                g = gradient[c, top + j, left + i]
                b[np.uint64((4 + c) * PIXELS) + k] = g
                b[P3 + k] += g * image[c, top + j, left + i]
    for e in range(first, last):
        row = entries[e, 0]
        n = row % count
        x, y = projected[row, 0], projected[row, 1]
        ca, cb, cc = HALF * projected[row, 2], projected[row, 3], HALF * projected[row, 4]
        log_opacity, z = projected[row, 5], projected[row, 6]
        red, green, blue = colors[n, 0], colors[n, 1], colors[n, 2]
        low, high = pixel_span(y, projected[row, 7], top)
        s0 = sx = sy = sxx = sxy = syy = np.float32(0.0)
        g_red = g_green = g_blue = g_depth = np.float32(0.0)
        for k in range(low, high):
            dx, dy = b[k] - x, b[P1 + k] - y
            exponent = log_opacity - ca * dx * dx - cc * dy * dy - cb * dx * dy
            t = b[P2 + k]
            raw = fast_exp(max(exponent, LOG_CUT))
            alpha = min(raw, MAX_ALPHA)
            used = (exponent >= LOG_CUT) & (t >= MIN_TRANSMITTANCE)
            w = alpha * t if used else np.float32(0.0)
            r, g, bl = b[P4 + k], b[P5 + k], b[P6 + k]
            d = b[P8 + k]
            q = red * r + green * g + blue * bl + z * d + b[P7 + k]
            rest = b[P3 + k] - w * q
            b[P3 + k] = rest
            b[P2 + k] = t - w
            g_red += w * r
            g_green += w * g
            g_blue += w * bl
            g_depth += w * d
            s = w * q - rest * alpha / (ONE - alpha) if used & (raw < MAX_ALPHA) else np.float32(0.0)
            s0 += s
            sx += s * dx
            sy += s * dy
            sxx += s * dx * dx
            sxy += s * dx * dy
            syy += s * dy * dy
        out = slots[entries[e, 1]]
        out[0], out[1], out[2], out[3], out[4], out[5] = s0, sx, sy, sxx, sxy, syy
        out[6], out[7], out[8], out[9] = g_red, g_green, g_blue, g_depth


@kernel
def rasterize_backward(projected, colors, starts, entries, stops, tiles_x, image, gradient, slots):
    """Fill the slot gradients [P,10] (zeroed: entries past a stop stay so) from dL/dimage [V,5,H,W]."""
    tiles = stops.shape[1]
    for index in prange(stops.size):
        view, tile = index // tiles, index % tiles
        left, top = tile % tiles_x * TILE, tile // tiles_x * TILE
        first, last = starts[view, tile], stops[view, tile]
        rasterize_tile_backward(
            projected, colors, entries, first, last, left, top, image[view], gradient[view], slots
        )
