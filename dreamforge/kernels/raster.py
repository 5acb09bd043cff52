"""Mesh rasterization: what each pixel sees of a mesh, differentiable in the vertices, for a batch of views in one call.

The order of use is project, `rasterize`, `interpolate` (or `sample_texture` at interpolated uv), `antialias`. The rules
that the torch reference and the kernels share:

- a pixel sees the nearest face that covers its centre, edges included; on equal depth that with the lowest number;
- faces that reach behind the camera, and faces of hardly any area on the picture, are left out;
- `antialias` blends neighbouring pixels across silhouettes, which is where gradients of visibility come from: which
  face a pixel sees is a step function of the vertices and has none.

Decisions are made in float64 with the operations in one order, so every backend sees the same faces; gradients are
added up in one order, so results are the same bytes for any number of threads.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dreamforge.kernels import backend, check_finite
from dreamforge.kernels import raster_reference as reference


class Fragments(NamedTuple):
    """What B pictures see of a mesh, one triangle a pixel.

    face: `[B,H,W]` int32, -1 where empty. barycentric: `[B,H,W,3]` perspective-correct, 0 where empty.
    depth: `[B,H,W]` along the viewing axis, 0 where empty.
    """

    face: Tensor
    barycentric: Tensor
    depth: Tensor


def rasterize(
    pixels: Tensor, depth: Tensor, faces: Tensor, height: int, width: int, cull_back: bool = False
) -> Fragments:
    """The nearest triangle at every pixel centre; barycentrics and depth differentiable in pixels and depth.

    pixels `[B,V,2]` (x right, y down, in pixels) and depth `[B,V]` are what `Cameras.project` answers; faces `[F,3]`
    integers. `cull_back` leaves out faces that turn clockwise. Tensors other than float32 go to the torch reference.
    Raises ValueError for a vertex in front of the camera that is not finite, and for faces that name no vertex.
    """
    if pixels.device.type == "cpu" and not ((depth <= 0) | (depth.isfinite() & pixels.isfinite().all(-1))).all():
        raise ValueError("rasterize: vertices in front of the camera must be finite")
    _check_indices(faces, pixels.shape[1], "rasterize: vertex numbers in faces")
    if _fast(pixels):
        return Fragments(*_Rasterize.apply(pixels, depth, _int32(faces), height, width, cull_back))
    return Fragments(*reference.rasterize(pixels, depth, faces.long(), height, width, cull_back))


def interpolate(attributes: Tensor, faces: Tensor, fragments: Fragments, samples: int = 1) -> Tensor:
    """Vertex attributes `[V,C]` or `[B,V,C]` at every pixel, 0 where empty: `[B,C,H,W]`.

    Differentiable in the attributes and the barycentrics. samples: the answer is `[B,C,H/samples,W/samples]`, the mean
    of each block of `samples`² pixels. Raises ValueError for attributes that are not finite.
    """
    check_finite("interpolate", attributes=attributes)
    _check_indices(faces, attributes.shape[-2], "interpolate: vertex numbers in faces")
    _check_indices(fragments.face, len(faces), "interpolate: face numbers in fragments")
    if _fast(attributes, fragments.barycentric):
        return _Interpolate.apply(attributes, fragments.barycentric, _int32(faces), fragments.face, samples)
    return reference.interpolate(attributes, fragments.barycentric, faces.long(), fragments.face, samples)


def antialias(image: Tensor, fragments: Fragments, pixels: Tensor, depth: Tensor, faces: Tensor) -> Tensor:
    """Blend pixels of `[B,C,H,W]` across silhouettes, differentiable in the image and in pixels.

    The edge-coverage method of Laine et al. 2020 (Modular primitives for high-performance differentiable rendering,
    arXiv 2011.03277): where the surface that the nearer of two neighbouring pixels sees ends between their centres, at
    a share t of the way, the pixel in whose half it ends takes |t - 1/2| of its neighbour's colour. A surface ends at
    an edge unless two faces share it and lie on different sides of it; it is followed over the edges in between, where
    the paper looks at the pixel's own face only and misses outlines whose last faces are narrower than a pixel. Edges
    nearer to upright are blended along rows, the others along columns, so that none counts twice. Faces that touch
    must share vertices: where vertices are split, along texture seams say, the surface ends.

    pixels, depth, faces: those given to `rasterize`.
    """
    if _fast(image, pixels):
        return _Antialias.apply(image, pixels, depth, _int32(faces), fragments.face, fragments.depth)
    return reference.antialias(image, pixels, depth, faces.long(), fragments.face, fragments.depth)


def texture_level(
    corners: Tensor, pixels: Tensor, depth: Tensor, faces: Tensor, fragments: Fragments, size: tuple[int, int]
) -> Tensor:
    """`[B,H,W]`: log2 of how many texels of a texture of `size` (height, width) a pixel's longer side spans, at least 0.

    corners: `[F,3,2]` uv of the faces' corners. The level that `sample_texture` takes; it carries no gradient.
    """
    inputs = (corners.detach(), pixels.detach(), depth.detach())
    if _fast(corners, pixels):
        arrays = [x.contiguous() for x in (*inputs, _int32(faces), fragments.face)]
        return _kernels(pixels, "_texture").texture_level(*arrays, size)
    return reference.texture_level(*inputs, faces.long(), fragments.face, size)


def sample_texture(texture: Tensor, uv: Tensor, level: Tensor | None = None) -> Tensor:
    """Colours `[B,C,H,W]` of a texture `[C,h,w]` (row 0 at v = 1) at uv `[B,2,H,W]`, clamped at the rim.

    Bilinear; with a level `[B,H,W]`, trilinear between its mip levels (each the mean of 2 x 2 texels of the one below,
    as long as both sides are even and longer than 2). Differentiable in the texture and in uv.
    Raises ValueError for a texture or uv that are not finite.
    """
    if 1 in texture.shape[1:]:
        texture = texture.expand(-1, *(max(2, side) for side in texture.shape[1:]))
    check_finite("sample_texture", texture=texture, uv=uv)
    if _fast(texture, uv):
        return _SampleTexture.apply(texture, uv, level)
    return reference.sample_texture(texture, uv, level)


def _check_indices(indices: Tensor, count: int, what: str) -> None:
    if indices.device.type == "cpu" and indices.numel() and not (indices.amin() >= -1 and indices.amax() < count):
        raise ValueError(f"{what} must be less than {count}")  # on other devices, looking would make them wait


def _fast(*tensors: Tensor) -> bool:
    return all(x.dtype == torch.float32 and backend(x.device, "raster") != "torch" for x in tensors)


def _int32(faces: Tensor) -> Tensor:
    return faces.to(torch.int32).contiguous()


def _kernels(like: Tensor, part: str = "") -> ModuleType:
    """The module that serves a tensor's device: of rasterization, or of the "_antialias" or "_texture" part."""
    return importlib.import_module(f"dreamforge.kernels.raster{part}_{backend(like.device, 'raster')}")


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, pixels: Tensor, depth: Tensor, faces: Tensor, height: int, width: int, cull_back: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        pixels, depth = pixels.detach().double().contiguous(), depth.detach().double().contiguous()
        face, barycentric, distance = _kernels(pixels).rasterize(pixels, depth, faces, height, width, cull_back)
        ctx.save_for_backward(pixels, depth, faces, face)
        ctx.mark_non_differentiable(face)
        return face, barycentric, distance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, _: Tensor, to_barycentric: Tensor, to_depth: Tensor):  # noqa: ANN205
        grads = (to_barycentric.contiguous(), to_depth.contiguous())
        return *_kernels(to_depth).rasterize_backward(*ctx.saved_tensors, *grads), None, None, None, None


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, barycentric: Tensor, faces: Tensor, face: Tensor, samples: int
    ) -> Tensor:
        attributes, barycentric = attributes.detach().contiguous(), barycentric.detach().contiguous()
        ctx.save_for_backward(attributes, barycentric, faces, face)
        ctx.samples = samples
        return _kernels(attributes).interpolate(attributes, barycentric, faces, face, samples)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor):  # noqa: ANN205
        grads = _kernels(grad).interpolate_backward(
            *ctx.saved_tensors, ctx.samples, grad.contiguous(), *ctx.needs_input_grad[:2]
        )
        return *grads, None, None, None


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, pixels: Tensor, depth: Tensor, faces: Tensor, face: Tensor, distance: Tensor
    ) -> Tensor:
        image, pixels = image.detach().contiguous(), pixels.detach().double().contiguous()
        kernels = _kernels(image, "_antialias")
        pairs, shares = kernels.find_pairs(pixels, depth.detach(), faces, face, distance.detach())
        ctx.save_for_backward(image, pixels, faces, pairs, shares)
        return kernels.blend(image, pairs, shares)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor):  # noqa: ANN205
        to_image, to_pixels = _kernels(grad, "_antialias").blend_backward(*ctx.saved_tensors, grad.contiguous())
        return to_image, to_pixels, None, None, None, None


class _SampleTexture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, texture: Tensor, uv: Tensor, level: Tensor | None) -> Tensor:
        level = None if level is None else level.detach().contiguous()
        inputs = (texture.detach().contiguous(), uv.detach().contiguous(), level)
        out, ctx.plan = _kernels(texture, "_texture").sample(*inputs)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor):  # noqa: ANN205
        kernels = _kernels(grad, "_texture")
        return *kernels.sample_backward(ctx.plan, grad.contiguous(), *ctx.needs_input_grad[:2]), None
