"""Mesh rasterization: which triangle each pixel sees, where on it, and how far away; and attributes carried over.

Forward only. Both operations take numpy arrays and are exact functions of their inputs: on equal depth the face
with the lower number wins, whatever the number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from dreamforge.kernels import backend


class Fragments(NamedTuple):
    """What B pictures see of a mesh, one triangle a pixel.

    face: `[B,H,W]` int32, -1 where empty. barycentric: `[B,H,W,3]` float32, perspective-correct, 0 where empty.
    depth: `[B,H,W]` float32 along the viewing axis, 0 where empty.
    """

    face: np.ndarray
    barycentric: np.ndarray
    depth: np.ndarray


def rasterize(
    pixels: np.ndarray, depth: np.ndarray, faces: np.ndarray, height: int, width: int, cull_back: bool = False
) -> Fragments:
    """The nearest triangle at every pixel centre.

    pixels `[B,V,2]` (x right, y down, in pixels) and depth `[B,V]` are what `Cameras.project` answers; faces `[F,3]`.
    Triangles that reach behind the camera are left out; `cull_back` also leaves out those that turn clockwise.
    """
    function = _numba().rasterize if _fast() else rasterize_reference
    pixels, depth = np.ascontiguousarray(pixels, np.float64), np.ascontiguousarray(depth, np.float64)
    return Fragments(*function(pixels, depth, np.ascontiguousarray(faces, np.int32), height, width, cull_back))


def interpolate(attributes: np.ndarray, faces: np.ndarray, fragments: Fragments, samples: int = 1) -> np.ndarray:
    """Vertex attributes `[V,C]` at every pixel, 0 where empty; the mean of each `samples` x `samples` block of pixels.

    Float32 `[B,C,H/samples,W/samples]`.
    """
    function = _numba().interpolate if _fast() else interpolate_reference
    attributes = np.ascontiguousarray(attributes, np.float32)
    return function(attributes, np.ascontiguousarray(faces, np.int32), fragments.face, fragments.barycentric, samples)


def _fast() -> bool:
    return backend(torch.device("cpu"), "raster") == "numba"


def _numba():  # noqa: ANN202  (a module; imported only where Numba is installed)
    from dreamforge.kernels import raster_numba

    return raster_numba


def rasterize_reference(
    pixels: np.ndarray, depth: np.ndarray, faces: np.ndarray, height: int, width: int, cull_back: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`rasterize` in plain numpy: list every (face, pixel) pair of the bounding boxes, keep the nearest of each pixel."""
    count = len(pixels)
    out_face = np.full((count, height * width), -1, np.int32)
    out_bary = np.zeros((count, height * width, 3), np.float32)
    out_depth = np.zeros((count, height * width), np.float32)
    for view in range(count):
        corner, z = pixels[view][faces], depth[view][faces]  # [F,3,2], [F,3]
        (ax, ay), (bx, by), (cx, cy) = (corner[:, k].T for k in range(3))
        # y grows downward, so a triangle that is counter-clockwise to the eye has a negative area here
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        keep = (z > 0).all(1) & ((area < 0) if cull_back else (area != 0))
        with np.errstate(invalid="ignore"):
            low = np.clip(np.ceil(np.nan_to_num(corner.min(1)) - 0.5), 0, [width, height]).astype(np.int64)
            high = np.clip(np.floor(np.nan_to_num(corner.max(1)) - 0.5) + 1, 0, [width, height]).astype(np.int64)
        extent = np.where(keep[:, None], np.maximum(high - low, 0), 0)
        per_face = extent[:, 0] * extent[:, 1]
        f = np.repeat(np.arange(len(faces)), per_face)
        rank = np.arange(len(f)) - np.repeat(np.cumsum(per_face) - per_face, per_face)
        ix, iy = low[f, 0] + rank % extent[f, 0], low[f, 1] + rank // extent[f, 0]
        x, y = ix + 0.5, iy + 0.5
        wa = ((bx[f] - x) * (cy[f] - y) - (by[f] - y) * (cx[f] - x)) / area[f]
        wb = ((cx[f] - x) * (ay[f] - y) - (cy[f] - y) * (ax[f] - x)) / area[f]
        wc = 1.0 - wa - wb
        hit = (wa >= 0) & (wb >= 0) & (wc >= 0)
        f, pixel = f[hit], (iy * width + ix)[hit]
        weights = np.stack([wa, wb, wc], axis=1)[hit] / z[f]
        inverse = weights.sum(1)
        order = np.lexsort((f, -inverse, pixel))
        pixel, first = np.unique(pixel[order], return_index=True)
        best = order[first]
        out_face[view, pixel] = f[best]
        out_bary[view, pixel] = weights[best] / inverse[best, None]
        out_depth[view, pixel] = 1.0 / inverse[best]
    shape = (count, height, width)
    return out_face.reshape(shape), out_bary.reshape(*shape, 3), out_depth.reshape(shape)


def interpolate_reference(
    attributes: np.ndarray, faces: np.ndarray, face: np.ndarray, barycentric: np.ndarray, samples: int
) -> np.ndarray:
    """`interpolate` in plain numpy (an empty pixel's barycentrics are 0, so any face serves there)."""
    values = np.einsum("bhwkc,bhwk->bchw", attributes[faces[face]], barycentric, optimize=True)
    views, channels, height, width = values.shape
    blocks = values.reshape(views, channels, height // samples, samples, width // samples, samples)
    return blocks.mean(axis=(3, 5), dtype=np.float32)
