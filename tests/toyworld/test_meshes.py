import numpy as np
import pytest
import torch

from dreamforge.cameras import Cameras, orbit
from dreamforge.contracts import Mesh
from dreamforge.kernels.jit import inline
from dreamforge.toyworld import instance, parse, render, to_mesh, vocabulary

VIEWS = ([0, 60, 120, 200, 290], [10, -20, 45, 15, 60])


@inline
def _fill(pixels, depths, faces, colors, out, buffer):
    """Triangles into one picture out `[4,H,W]` at pixel centres, against a depth buffer."""
    height, width = buffer.shape
    for face in faces:
        a, b, c = face[0], face[1], face[2]
        (ax, ay), (bx, by), (cx, cy) = pixels[a], pixels[b], pixels[c]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        for y in range(max(int(min(ay, by, cy) - 0.5), 0), min(int(max(ay, by, cy) + 0.5), height - 1) + 1):
            for x in range(max(int(min(ax, bx, cx) - 0.5), 0), min(int(max(ax, bx, cx) + 0.5), width - 1) + 1):
                px, py = x + 0.5, y + 0.5
                u = ((px - ax) * (cy - ay) - (py - ay) * (cx - ax)) / area
                v = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) / area
                depth = (1 - u - v) * depths[a] + u * depths[b] + v * depths[c]
                if u >= 0.0 and v >= 0.0 and u + v <= 1.0 and depth < buffer[y, x]:
                    buffer[y, x] = depth
                    out[3, y, x] = 1.0
                    for k in range(3):
                        out[k, y, x] = (1 - u - v) * colors[a, k] + u * colors[b, k] + v * colors[c, k]


def rasterized(mesh: Mesh, cameras: Cameras) -> np.ndarray:
    """Unlit picture `[B,4,H,W]` of a mesh."""
    pixels, depths = cameras.project(torch.from_numpy(mesh.vertices))
    out = np.zeros((len(cameras), 4, cameras.height, cameras.width), np.float32)
    for b, picture in enumerate(out):
        buffer = np.full(picture.shape[1:], np.inf, np.float32)
        _fill(pixels[b].numpy(), depths[b].numpy(), mesh.faces, mesh.colors, picture, buffer)
    return out


@pytest.mark.parametrize("prompt", ["a corgi in a top hat", "a boat", "a mug", "a robot wearing a scarf", "a castle"])
def test_the_mesh_looks_like_the_picture(prompt: str) -> None:
    thing, cameras = instance(parse(prompt), 0), orbit(*VIEWS, size=80)
    drawn = rasterized(to_mesh(thing, detail=40), cameras)
    cast = render([thing], cameras, supersample=1)[:, 0].numpy()
    solid, other = drawn[:, 3] > 0.5, cast[:, 3] > 0.5
    assert (solid & other).sum() / (solid | other).sum() >= 0.97
    both = solid & other
    error = np.abs(drawn[:, :3] - cast[:, :3]).mean(axis=1)[both]
    assert np.median(error) < 0.02 and error.mean() < 0.035


@pytest.mark.parametrize("noun", vocabulary()["noun"])
def test_meshes_face_outward(noun: str) -> None:
    mesh = to_mesh(instance(parse(noun), 1), detail=12)
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(float) for i in range(3))
    assert np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6 > 0.05
    assert mesh.normals is not None and np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
    assert np.all(np.isfinite(mesh.vertices)) and mesh.faces.max() < len(mesh.vertices)


def test_plain_colors_are_the_palette() -> None:
    mesh = to_mesh(instance(parse("a red apple"), 0), shaded=False)
    assert mesh.colors is not None
    assert np.any(np.all(np.abs(mesh.colors - [0.88, 0.17, 0.16]) < 0.01, axis=1))
