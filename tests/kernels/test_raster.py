"""The rasterizer against its reference, against rays and areas, and its promises: nothing leaks, no thread matters."""

from __future__ import annotations

import math
from collections.abc import Callable

import numba
import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dreamforge import cameras
from dreamforge.contracts import Mesh
from dreamforge.kernels import raster, raster_reference
from dreamforge.kernels.raster import Fragments, antialias, interpolate, rasterize, sample_texture, texture_level
from dreamforge.rendering.raster import render_mesh

Inputs = tuple[Tensor, Tensor, Tensor, int, int]


def torus() -> Mesh:
    shape = trimesh.creation.torus(0.55, 0.25, 48, 24)
    vertices = shape.vertices.astype(np.float32)
    colors = (0.5 + 0.5 * vertices).astype(np.float32)
    return Mesh(vertices, shape.faces.astype(np.int32), shape.vertex_normals.astype(np.float32), colors)


def ball(radius: float = 0.8) -> tuple[Tensor, Tensor]:
    shape = trimesh.creation.icosphere(4, radius)
    return torch.tensor(shape.vertices, dtype=torch.float32), torch.tensor(shape.faces)


def seen(vertices: Tensor, faces: Tensor, views: int, height: int, width: int) -> Inputs:
    return *cameras.sphere(views, height).resized(height, width).project(vertices), faces, height, width


def soup() -> Inputs:
    """Random triangles, most of them cut by the picture's border, many behind the camera or through its plane."""
    generator = torch.Generator().manual_seed(1)
    vertices = 3 * torch.randn(60, 3, generator=generator)
    return seen(vertices, torch.randint(60, (90, 3), generator=generator), 3, 37, 53)


def crowd() -> Inputs:
    """Copies of a face, faces of no area, faces on one plane, and one that covers everything from afar."""
    pixels = torch.tensor([[2.0, 2], [20, 3], [8, 25], [30, 30], [5, 5], [10, 10], [15, 15], [-1e6, -1e6], [2e6, 0], [0, 2e6]])
    faces = torch.tensor([[0, 1, 2], [0, 1, 2], [2, 0, 1], [4, 5, 6], [3, 3, 1], [0, 3, 1], [1, 2, 3], [7, 8, 9]])
    return pixels[None], torch.tensor([[2.0] * 7 + [5.0] * 3]), faces, 29, 31


def nothing() -> Inputs:
    return torch.zeros(2, 3, 2), torch.ones(2, 3), torch.zeros(0, 3, dtype=torch.int64), 5, 7


SCENES: dict[str, Callable[[], Inputs]] = {
    "ball": lambda: seen(*ball(), 3, 64, 64),
    "torus": lambda: seen(torch.from_numpy(torus().vertices), torch.from_numpy(torus().faces), 2, 33, 90),
    "soup": soup,
    "crowd": crowd,
    "nothing": nothing,
}


def everything(inputs: Inputs, dtype: torch.dtype, cull_back: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All operations on one scene and the gradients of a random combination of what they answer."""
    pixels, depth, faces, height, width = inputs
    generator = torch.Generator().manual_seed(2)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    leaves = {"pixels": pixels.to(dtype).clone().requires_grad_(), "depth": depth.to(dtype).clone().requires_grad_()}
    leaves |= {"shared": random(pixels.shape[1], 4), "own": random(*pixels.shape[:2], 2), "texture": random(3, 32, 48)}
    fragments = rasterize(leaves["pixels"], leaves["depth"], faces, height, width, cull_back)
    image = interpolate(leaves["shared"], faces, fragments)
    corners = leaves["shared"].detach()[faces][..., :2]
    level = texture_level(corners, leaves["pixels"], leaves["depth"], faces, fragments, (32, 48))
    uv = 1.1 * image[:, :2] - 0.05  # beyond the rim here and there
    out = {
        **fragments._asdict(), "image": image, "own": interpolate(leaves["own"], faces, fragments), "level": level,
        "antialiased": antialias(image, fragments, leaves["pixels"], leaves["depth"], faces),
        "bilinear": sample_texture(leaves["texture"], uv), "trilinear": sample_texture(leaves["texture"], uv, level),
    }  # fmt: skip
    if height % 2 == width % 2 == 0:
        out["means"] = interpolate(leaves["shared"], faces, fragments, samples=2)
    loss = sum((random(*x.shape).detach() * x).sum() for x in out.values() if x.requires_grad)
    grads = torch.autograd.grad(loss, list(leaves.values()))
    return {k: v.detach() for k, v in out.items()}, dict(zip(leaves, grads, strict=True))


@pytest.mark.parametrize("cull_back", [False, True])
@pytest.mark.parametrize("scene", SCENES)
def test_kernels_match_the_reference(scene: str, cull_back: bool) -> None:
    """The same faces exactly; values and gradients to 1e-4 of their size."""
    inputs = SCENES[scene]()
    fast, slow = (everything(inputs, dtype, cull_back) for dtype in (torch.float32, torch.float64))
    assert (fast[0]["face"] == slow[0]["face"]).all()
    assert scene == "nothing" or fast[0]["face"].amax() > 0
    for got, expected in zip(fast, slow, strict=True):
        for name, value in expected.items():
            error = (got[name].double() - value).norm() / value.double().norm().clamp(min=1e-6)
            assert error < 1e-4, (name, error)


def test_references_have_exact_gradients() -> None:
    generator = torch.Generator().manual_seed(4)
    vertices = torch.tensor([[0.0, 0, 1], [0.9, 0, -0.4], [-0.5, 0.8, -0.3], [-0.4, -0.8, -0.3]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    view = cameras.orbit([37.0], 21.0, size=7)
    pixels, depth = (x.double().requires_grad_() for x in view.project(vertices))
    attributes = torch.rand(4, 2, generator=generator, dtype=torch.float64).requires_grad_()
    texture = torch.rand(2, 4, 4, generator=generator, dtype=torch.float64).requires_grad_()

    def picture(pixels: Tensor, depth: Tensor, attributes: Tensor, texture: Tensor) -> tuple[Tensor, ...]:
        fragments = rasterize(pixels, depth, faces, 7, 7)
        image = interpolate(attributes, faces, fragments)
        colors = sample_texture(texture, image, torch.full((1, 7, 7), 0.3))
        return fragments.depth, antialias(torch.cat([image, colors], dim=1), fragments, pixels, depth, faces)

    assert torch.autograd.gradcheck(picture, (pixels, depth, attributes, texture), eps=1e-7, atol=1e-6)


def test_barycentrics_are_perspective_correct() -> None:
    """Positions carried over to a pixel must lie on that pixel's ray, at the stated depth."""
    mesh, views = torus(), cameras.orbit([0.0, 130.0], [-20.0, 50.0], distance=1.8, fov=70.0, size=64)
    vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
    fragments = rasterize(*views.project(vertices), faces, 64, 64)
    position = interpolate(vertices, faces, fragments).permute(0, 2, 3, 1)
    origin, direction = views.rays()
    hit = fragments.face >= 0
    offset = position - origin
    across = offset - (offset * direction).sum(-1, keepdim=True) * direction
    assert across[hit].norm(dim=-1).max() < 1e-5
    along = (offset * -views.c2w[:, None, None, :3, 2]).sum(-1)
    torch.testing.assert_close(along[hit], fragments.depth[hit], atol=1e-5, rtol=0)


def test_a_closed_mesh_has_no_pinholes() -> None:
    """A sphere's silhouette is one filled disc."""
    fragments = rasterize(*seen(*ball(), 4, 160, 160), cull_back=True)
    hit = (fragments.face >= 0).int()
    inside = hit.cummax(2).values & hit.flip(2).cummax(2).values.flip(2)
    assert (inside == hit).all()


def test_threads_do_not_matter() -> None:
    results, threads = [], numba.get_num_threads()
    try:
        for count in (threads, 1):
            numba.set_num_threads(count)
            results.append(everything(SCENES["ball"](), torch.float32))
    finally:
        numba.set_num_threads(threads)
    for several, one in zip(*results, strict=True):
        assert all((several[name] == one[name]).all() for name in one)


def test_on_equal_depth_the_lower_number_wins() -> None:
    pixels, depth, _, height, width = crowd()
    for dtype in (torch.float32, torch.float64):
        face = rasterize(pixels.to(dtype), depth.to(dtype), torch.tensor([[1, 2, 3], [0, 1, 2], [0, 1, 2]]), height, width).face
        assert (face == 1).sum() > 100 and 2 not in face


def test_culling_and_the_near_plane() -> None:
    triangle = torch.tensor([[[10.0, 50.0], [50.0, 50.0], [30.0, 10.0]]])  # counter-clockwise to the eye (y is down)
    depth, front, back = torch.full((1, 3), 2.0), torch.tensor([[0, 1, 2]]), torch.tensor([[0, 2, 1]])
    assert (rasterize(triangle, depth, front, 64, 64, True).face == 0).sum() > 700
    assert (rasterize(triangle, depth, back, 64, 64, True).face == 0).sum() == 0
    assert (rasterize(triangle, depth, back, 64, 64).face == 0).sum() > 700
    behind = torch.tensor([[2.0, 2.0, -1.0]])
    assert (rasterize(triangle, behind, front, 64, 64).face == 0).sum() == 0


def test_nonsense_is_rejected() -> None:
    pixels, depth, faces, *size = SCENES["ball"]()
    for bad in (torch.nan, torch.inf):
        wrong = pixels.clone()
        wrong[1, 7, 0] = bad
        with pytest.raises(ValueError, match="finite"):
            rasterize(wrong, depth, faces, *size)
        behind = depth.clone()
        behind[1, 7] = -1.0
        rasterize(wrong, behind, faces, *size)  # what cannot be seen may lie anywhere
    with pytest.raises(ValueError, match="less than"):
        rasterize(pixels, depth, faces + 1, *size)
    with pytest.raises(ValueError, match="less than"):
        interpolate(torch.zeros(5, 1), faces, rasterize(pixels, depth, faces, *size))


def disc(radius: Tensor, size: int = 64) -> Tensor:
    """The antialiased silhouette of a ball of 5120 faces, many narrower than a pixel."""
    vertices, faces = ball(1.0)
    views = cameras.orbit([10.0], 20.0, distance=60.0, fov=2.0, size=size)  # hardly any perspective
    pixels, depth = views.project(radius * vertices)
    fragments = rasterize(pixels, depth, faces, size, size)
    return antialias((fragments.face >= 0)[:, None].float(), fragments, pixels, depth, faces)


def test_antialiasing_measures_areas() -> None:
    """Of a disc, to a thousandth, where counting pixels is off by more; and the area's gradient is its rim."""
    scale = 64 / (2 * 60 * math.tan(math.radians(1.0)))  # pixels to a world unit
    for radius in (0.61, 0.625, 0.64):
        r = torch.tensor(radius, requires_grad=True)
        area = disc(r).sum()
        area.backward()
        assert abs(area.item() / (math.pi * (radius * scale) ** 2) - 1) < 2e-3
        assert abs(r.grad.item() / (2 * math.pi * radius * scale**2) - 1) < 2e-2


def test_antialiasing_blends_by_coverage_and_pulls_edges() -> None:
    """A white square before grey: the column it half covers is half white, and its edge feels the contrast."""
    right = torch.tensor(5.25, requires_grad=True)
    x = torch.stack([torch.tensor(2.0), right, right, torch.tensor(2.0)])
    pixels = torch.stack([x, torch.tensor([2.0, 2.0, 6.0, 6.0])], dim=-1)[None]
    depth, faces = torch.ones(1, 4), torch.tensor([[0, 1, 2], [0, 2, 3]])
    fragments = rasterize(pixels, depth, faces, 8, 8)
    image = torch.where(fragments.face >= 0, 1.0, 0.5)[:, None]
    smooth = antialias(image, fragments, pixels, depth, faces)
    expected = torch.full((8, 8), 0.5)
    expected[2:6, 2:5] = 1.0
    expected[2:6, 5] = 0.5 + 0.5 * 0.25
    torch.testing.assert_close(smooth[0, 0], expected)
    smooth.sum().backward()
    assert right.grad.item() == pytest.approx(4 * 0.5)


def test_texture_levels_count_texels() -> None:
    """A square that shows 32 texels on 8 pixels reads level 2, two pixels apart at its rim in the picture of level 2."""
    pixels = torch.tensor([[[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]]])
    uv, faces = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0, 1, 2], [0, 2, 3]])
    texture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    fragments = rasterize(pixels, torch.ones(1, 4), faces, 8, 8)
    level = texture_level(uv[faces], pixels, torch.ones(1, 4), faces, fragments, (32, 32))
    torch.testing.assert_close(level, torch.full((1, 8, 8), 2.0))
    shown = sample_texture(texture, interpolate(uv, faces, fragments), level)
    torch.testing.assert_close(shown[0], torch.nn.functional.avg_pool2d(texture, 4), atol=1e-5, rtol=0)


def test_the_smallest_textures() -> None:
    uv = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    for height, width in ((1, 1), (1, 5), (2, 1)):
        texture = torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))
        got, expected = (sample_texture(texture.to(d), uv.to(d), torch.ones(1, 3, 3)) for d in (torch.float32, torch.float64))
        torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=0)


def test_render_composites_and_faces_the_right_way() -> None:
    """The +X half is red: seen from the front it is on the right; alpha, background and depth are consistent."""
    mesh = torus()
    mesh.colors = np.where(mesh.vertices[:, :1] > 0, [[1.0, 0, 0]], [[0, 0, 1.0]]).astype(np.float32)
    background = torch.tensor([[0.0, 1.0, 0.0]])
    views = render_mesh(mesh, cameras.orbit([0.0], 30.0, size=64), background)
    assert views.rgb.shape == (1, 3, 64, 64) and views.alpha.shape == views.depth.shape == (1, 1, 64, 64)
    assert (views.rgb[0, 0, :, :27] < 0.02).all() and views.rgb[0, 0, :, 37:].max() > 0.98
    torch.testing.assert_close(views.rgb[0, 1], 1 - views.alpha[0, 0], atol=1e-5, rtol=0)
    opaque = views.alpha[0, 0] > 0.99
    assert views.depth[0, 0][opaque].min() > 2.1 and views.depth[0, 0][opaque].max() < 3.9
    assert views.normal is not None and (views.normal.norm(dim=1) <= views.alpha[:, 0] + 1e-4).all()


def test_references_serve_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh, views = torus(), cameras.orbit([40.0], 10.0, size=48)
    fast = render_mesh(mesh, views, torch.ones(1, 3))
    monkeypatch.setattr(raster, "_fast", lambda *_: False)
    slow = render_mesh(mesh, views, torch.ones(1, 3))
    torch.testing.assert_close(fast.rgb, slow.rgb, atol=1e-4, rtol=0)
    assert isinstance(rasterize(*SCENES["ball"]()), Fragments)


def test_edges_find_their_partners() -> None:
    """By hand: two faces an edge are partners, one or three are not."""
    random = torch.Generator().manual_seed(0)
    faces = torch.rand(60, 12, generator=random).argsort(dim=1)[:, :3]
    corners: dict[frozenset, list[int]] = {}
    for number, face in enumerate(faces.tolist()):
        for k in range(3):
            corners.setdefault(frozenset(face[:k] + face[k + 1 :]), []).append(3 * number + k)
    expected = torch.full((180,), -1)
    for pair in corners.values():
        if len(pair) == 2:
            expected[pair] = torch.tensor(pair[::-1])
    assert (expected >= 0).any() and any(len(c) > 2 for c in corners.values())
    assert torch.equal(raster_reference.opposite_corners(faces, 12), expected.view(-1, 3))
