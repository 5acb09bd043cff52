"""The z-buffer against its reference, against rays, and its promises: nothing leaks, nothing depends on threads."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch
import trimesh

from dreamforge import cameras
from dreamforge.contracts import Mesh
from dreamforge.kernels import raster
from dreamforge.kernels.raster import interpolate, interpolate_reference, rasterize, rasterize_reference
from dreamforge.rendering.raster import render_mesh


def torus() -> Mesh:
    shape = trimesh.creation.torus(0.55, 0.25, 48, 24)
    vertices = shape.vertices.astype(np.float32)
    colors = (0.5 + 0.5 * vertices).astype(np.float32)
    return Mesh(vertices, shape.faces.astype(np.int32), shape.vertex_normals.astype(np.float32), colors)


def projected(mesh: Mesh, views: cameras.Cameras) -> tuple[np.ndarray, np.ndarray]:
    pixels, depth = views.project(torch.from_numpy(mesh.vertices))
    return pixels.double().numpy(), depth.double().numpy()


@pytest.mark.parametrize("cull_back", [False, True])
def test_kernel_matches_reference(cull_back: bool) -> None:
    mesh, views = torus(), cameras.sphere(5, 72)
    pixels, depth = projected(mesh, views)
    got = rasterize(pixels, depth, mesh.faces, 72, 72, cull_back)
    face, barycentric, distance = rasterize_reference(pixels, depth, mesh.faces, 72, 72, cull_back)
    same = got.face == face
    assert same.mean() > 0.9995  # a pixel centre on an edge may fall either way
    np.testing.assert_allclose(got.barycentric[same], barycentric[same], atol=1e-5)
    np.testing.assert_allclose(got.depth[same], distance[same], atol=1e-5)
    for samples in (1, 3):
        carried = interpolate(mesh.colors, mesh.faces, got, samples)
        expected = interpolate_reference(mesh.colors, mesh.faces, got.face, got.barycentric, samples)
        np.testing.assert_allclose(carried, expected, atol=1e-6)


def test_barycentrics_are_perspective_correct() -> None:
    """Positions carried over to a pixel must lie on that pixel's ray, at the stated depth."""
    mesh, views = torus(), cameras.orbit([0.0, 130.0], [-20.0, 50.0], distance=1.8, fov=70.0, size=64)
    fragments = rasterize(*projected(mesh, views), mesh.faces, 64, 64)
    position = torch.from_numpy(interpolate(mesh.vertices, mesh.faces, fragments)).permute(0, 2, 3, 1)
    origin, direction = views.rays()
    hit = torch.from_numpy(fragments.face >= 0)
    offset = position - origin
    across = offset - (offset * direction).sum(-1, keepdim=True) * direction
    assert across[hit].norm(dim=-1).max() < 1e-5
    along = (offset * -views.c2w[:, None, None, :3, 2]).sum(-1)
    torch.testing.assert_close(along[hit], torch.from_numpy(fragments.depth)[hit], atol=1e-5, rtol=0)


def test_closed_mesh_has_no_pinholes_and_threads_do_not_matter() -> None:
    """A sphere's silhouette is one filled disc; one thread and several write the same bits."""
    shape = trimesh.creation.icosphere(4, 0.8)
    mesh = Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))
    views = cameras.sphere(4, 160)
    pixels, depth = projected(mesh, views)
    several = rasterize(pixels, depth, mesh.faces, 160, 160, True)
    inside = np.maximum.accumulate(several.face >= 0, axis=2)
    inside &= np.maximum.accumulate((several.face >= 0)[:, :, ::-1], axis=2)[:, :, ::-1]
    assert (inside == (several.face >= 0)).all()
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = rasterize(pixels, depth, mesh.faces, 160, 160, True)
    finally:
        numba.set_num_threads(threads)
    assert all((a == b).all() for a, b in zip(one, several, strict=True))


def test_culling_and_the_near_plane() -> None:
    triangle = np.array([[[10.0, 50.0], [50.0, 50.0], [30.0, 10.0]]])  # counter-clockwise to the eye (y is down)
    depth, front, back = np.full((1, 3), 2.0), np.array([[0, 1, 2]]), np.array([[0, 2, 1]])
    assert (rasterize(triangle, depth, front, 64, 64, True).face == 0).sum() > 700
    assert (rasterize(triangle, depth, back, 64, 64, True).face == 0).sum() == 0
    assert (rasterize(triangle, depth, back, 64, 64).face == 0).sum() > 700
    behind = np.array([[2.0, 2.0, -1.0]])
    assert (rasterize(triangle, behind, front, 64, 64).face == 0).sum() == 0


def test_render_composites_and_faces_the_right_way() -> None:
    """The +X half is red: seen from the front it is on the right; alpha, background and depth are consistent."""
    mesh = torus()
    mesh.colors = np.where(mesh.vertices[:, :1] > 0, [[1.0, 0, 0]], [[0, 0, 1.0]]).astype(np.float32)
    background = torch.tensor([[0.0, 1.0, 0.0]])
    views = render_mesh(mesh, cameras.orbit([0.0], 30.0, size=64), background)
    assert views.rgb.shape == (1, 3, 64, 64) and views.alpha.shape == views.depth.shape == (1, 1, 64, 64)
    assert (views.rgb[0, 0, :, :27] < 0.02).all() and views.rgb[0, 0, :, 37:].max() > 0.98
    torch.testing.assert_close(views.rgb[0, 1], 1 - views.alpha[0, 0], atol=1e-5, rtol=0)
    seen = views.alpha[0, 0] > 0.99
    assert views.depth[0, 0][seen].min() > 2.1 and views.depth[0, 0][seen].max() < 3.9
    assert views.normal is not None and (views.normal.norm(dim=1) <= views.alpha[:, 0] + 1e-4).all()


def test_references_serve_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh, views = torus(), cameras.orbit([40.0], 10.0, size=48)
    fast = render_mesh(mesh, views, torch.ones(1, 3))
    monkeypatch.setattr(raster, "_fast", lambda: False)
    slow = render_mesh(mesh, views, torch.ones(1, 3))
    torch.testing.assert_close(fast.rgb, slow.rgb, atol=1e-4, rtol=0)
