"""Silhouette antialiasing on a GPU: the host's side of `cuda_ext/raster_antialias.cu`.

Pairs of neighbours are kept dense, one for each pixel and axis: listing the few that a silhouette runs between would
make the host wait for their number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.kernels import raster_reference
from dreamforge.kernels.nvrtc import Program, blocks_for

THREADS = 128
PROGRAM = Program.of("raster_antialias.cu", exact=True, MOST_FACES=raster_reference.MOST_FACES)


def find_pairs(pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
    """codes `[B,2,H,W]` int32 of each pixel's pairs with its right and its lower neighbour, and shares `[B,2,H,W]`: see
    the kernel."""
    views, height, width = face.shape
    across = raster_reference.opposite_corners(faces, pixels.shape[1])
    codes = torch.empty(views, 2, height, width, dtype=torch.int32, device=face.device)
    shares = torch.empty_like(codes, dtype=torch.float64)
    tensors = (pixels, depth.double().contiguous(), faces, across.int(), face)
    tensors = (*tensors, distance.contiguous(), codes, shares)
    PROGRAM.launch("find_pairs", blocks_for(codes.numel(), THREADS), THREADS, *tensors, pixels.shape[1], *face.shape)
    return codes, shares


def blend(image: Tensor, codes: Tensor, shares: Tensor) -> Tensor:
    """The image `[B,C,H,W]`, blended across the pairs."""
    views, channels, height, width = image.shape
    out, blocks = image.clone(), blocks_for(codes.numel(), THREADS)
    PROGRAM.launch("blend", blocks, THREADS, image, codes, shares, out, channels, views, height, width)
    return out


def blend_backward(
    image: Tensor, pixels: Tensor, faces: Tensor, codes: Tensor, shares: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients on the image and on pixels `[B,V,2]`."""
    views, channels, height, width = image.shape
    to_image, to_pixels = grad.clone(), torch.zeros_like(pixels, dtype=torch.float32)
    tensors = (image, pixels, faces, codes, shares, grad, to_image, to_pixels)
    sizes = (pixels.shape[1], channels, views, height, width)
    PROGRAM.launch("blend_backward", blocks_for(codes.numel(), THREADS), THREADS, *tensors, *sizes)
    return to_image, to_pixels
