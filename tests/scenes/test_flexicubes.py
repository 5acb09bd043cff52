"""FlexiCubes: closed whatever the signs, outward, differentiable, and nearer to the truth than marching tetrahedra."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dreamforge.rendering.surface import Neighbours
from dreamforge.scenes.flexicubes import dual_surface, patches
from dreamforge.scenes.tet import Tets, lattice


def shape_of(vertices: Tensor, faces: Tensor) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices.detach().numpy(), faces.numpy(), process=False)


def test_signs_part_a_cube_into_the_known_pieces() -> None:
    """One corner is one piece; two at the ends of a diagonal are two pieces, or read the other way one."""
    counts, piece, pinched = patches()
    assert counts[0] == counts[255] == 0 and counts[1] == 1 and (piece[1] >= 0).sum() == 3
    assert counts[0b00001001] == 2 and counts[256 + 0b00001001] == 1  # corners (0,0,0) and (0,1,1), of one face
    assert counts[0b10000001] == 2  # corners (0,0,0) and (1,1,1)
    assert counts[:256].max() == 4  # every second corner
    assert (pinched[:256] >= 0).any()


@pytest.mark.parametrize("seed", range(4))
def test_the_surface_is_closed_whatever_the_signs(seed: int) -> None:
    points, random = lattice(8), torch.Generator().manual_seed(seed)
    distances = torch.randn(len(points), generator=random)
    distances = torch.where((points.abs() > 0.99).any(1), distances.abs(), distances)
    weights = torch.randn(8**3, 20, generator=random)
    shape = shape_of(*dual_surface(points, distances, 8, weights))
    assert shape.is_watertight and shape.is_winding_consistent and shape.volume > 0


def test_gradients_are_those_of_finite_differences() -> None:
    random = torch.Generator().manual_seed(0)
    points = lattice(3).double() + 0.05 * torch.randn(64, 3, generator=random)
    distances = points.norm(dim=1) - 0.7 + 0.05 * torch.randn(64, generator=random)
    weights = 0.3 * torch.randn(27, 20, generator=random).double()
    inputs = [x.double().requires_grad_() for x in (points, distances, weights)]
    assert torch.autograd.gradcheck(lambda p, d, w: dual_surface(p, d, 3, w)[0], inputs)


def test_room_to_spare_changes_neither_surface_nor_penalties_nor_gradients() -> None:
    """As on a GPU, where the host makes room without knowing how much is needed; too little leaves holes, no more."""
    random = torch.Generator().manual_seed(1)
    points, distances = lattice(8), torch.randn(9**3, generator=random)
    weights = torch.randn(8**3, 20, generator=random)
    found = []
    for room in (int, lambda count: int(1.5 * count)):
        inputs = [x.clone().requires_grad_() for x in (points, distances, weights)]
        vertices, faces = dual_surface(*inputs[:2], 8, inputs[2], (room,) * 4)
        near = Neighbours(faces, len(vertices))
        penalties = near.laplacian(vertices), near.normal_consistency(vertices)
        sum(penalties).backward()
        found.append((vertices.detach(), faces, *(value.detach() for value in penalties), *(x.grad for x in inputs)))
    (vertices, faces, *figures), (more, spare, *others) = found
    assert torch.equal(more[: len(vertices)], vertices) and not more[len(vertices) :].any()
    assert torch.equal(spare[spare.any(1)], faces) and len(spare) > len(faces)
    for value, other in zip(figures, others, strict=True):
        torch.testing.assert_close(other, value)
    vertices, faces = dual_surface(points, distances, 8, weights, (lambda count: int(0.7 * count),) * 4)
    assert vertices.isfinite().all() and 0 < faces.any(1).sum() < found[0][1].any(1).sum() and faces.amax() < len(vertices)


def ball(points: Tensor) -> Tensor:
    return points.norm(dim=1) - 0.6


def box(points: Tensor) -> Tensor:
    """Turned, so that no face of it lies along the lattice."""
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.5, 0.3], [0.5, 0.0, -0.2], [-0.3, 0.2, 0.0]]))
    out = (points @ turn.T).abs() - torch.tensor([0.55, 0.4, 0.45])
    return out.clamp(min=0).norm(dim=1) + out.amax(1).clamp(max=0)


def fitted(extraction: str, truth: Callable[[Tensor], Tensor], cells: int = 12, steps: int = 120) -> Tets:
    """A lattice whose surface was drawn to a known one, at points spread over its faces."""
    scene = Tets(cells=cells, extraction=extraction)
    scene.distances.data.copy_(truth(lattice(cells)))
    shares = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1], [2, 2, 2]]).float()
    shares = shares / shares.sum(1, keepdim=True)
    rates = {"distances": 0.01, "offsets": 0.01, "weights": 0.1}
    optimizer = torch.optim.Adam([
        {"params": [values], "lr": rates[name], "first": rates[name]}
        for name, values in scene.named_parameters() if name in rates
    ])  # fmt: skip
    for step in range(steps):
        vertices, faces = scene.surface()
        corner = vertices[faces]
        area = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]).norm(dim=1).detach()
        off = truth((shares @ corner).flatten(0, 1)).view(len(faces), -1).square().mean(1)
        for group in optimizer.param_groups:
            group["lr"] = group["first"] * (1 - step / steps)
        optimizer.zero_grad()
        ((off * area).sum() / area.sum() * 1e3).backward()
        optimizer.step()
    return scene


def hausdorff(scene: Tets, truth: Callable[[Tensor], Tensor]) -> float:
    """How far the farthest point of the surface is from the known one."""
    points, _ = trimesh.sample.sample_surface(shape_of(*scene.surface()), 20_000, seed=0)
    return float(truth(torch.from_numpy(np.asarray(points)).float()).abs().max())


def closer(truth: Callable[[Tensor], Tensor], cells: int) -> tuple[Tets, Tets]:
    """Both extractions fitted to a shape, ours with `cells` a side and theirs with 12; ours is to be nearer, and closed."""
    ours, theirs = fitted("flexicubes", truth, cells), fitted("tetrahedra", truth, 12)
    apart = [hausdorff(scene, truth) for scene in (ours, theirs)]
    faces = [len(scene.surface()[1]) for scene in (ours, theirs)]
    print(f"{truth.__name__}: Hausdorff {apart[0]:.4f} of {faces[0]} faces, tetrahedra {apart[1]:.4f} of {faces[1]}")
    assert apart[0] < 0.85 * apart[1]
    assert shape_of(*ours.surface()).is_watertight
    return ours, theirs


def test_a_box_is_met_more_closely_than_by_marching_tetrahedra() -> None:
    """Edges and all, at the same number of cells and with less than half the faces."""
    ours, theirs = closer(box, 12)
    assert 2 * len(ours.surface()[1]) < len(theirs.surface()[1])


def test_a_ball_is_met_more_closely_than_by_marching_tetrahedra() -> None:
    """With as many faces; at the same number of cells theirs are three times as many, and a little nearer."""
    ours, theirs = closer(ball, 20)
    assert len(ours.surface()[1]) <= len(theirs.surface()[1])
    assert shape_of(*ours.surface()).volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.01)
