"""A surface inside a lattice (DMTet, FlexiCubes): a signed distance at each lattice point, and colours in space."""

from __future__ import annotations

from functools import cache, partial
from itertools import permutations
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from dreamforge.cameras import Cameras, sphere
from dreamforge.components import Count, NonNegative, Range
from dreamforge.contracts import Mesh, Scene, Views
from dreamforge.errors import UserError
from dreamforge.kernels.capacity import Capacity
from dreamforge.rendering.surface import Neighbours, Seen, render_surface
from dreamforge.scenes.colors import HashColors
from dreamforge.scenes.flexicubes import dual_surface

ENDS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""The edges of a tetrahedron, by its corners."""
FIT_VIEWS, FIT_SIZE, FIT_STEPS, FIT_BATCH = 32, 96, 60, 4  # to take over another scene's colours


class Tets(nn.Module):
    """A surface over signed distances that are parameters: FlexiCubes, or the marching tetrahedra of DMTet (Shen et al.
    2021, arXiv 2111.04276).

    `distances` `[(cells+1)^3]`, positive outside, and `offsets` `[(cells+1)^3,3]` of lattice points over [-1,1]^3, in
    half cells through a tanh; `colors` are sRGB in space. On its own it starts as an ellipsoid. For FlexiCubes each cube
    has `weights` `[cells^3,20]` as well; see `dreamforge.scenes.flexicubes`.

    Drawn to a known object from a ball, at 24 cells, FlexiCubes came to a Chamfer distance of 0.56 % of its size with
    1,500 faces, tetrahedra to 0.88 % with 5,000, at nearly three times the cost.

    ellipsoid: its half axes.
    """

    def __init__(
        self,
        *,
        device: torch.device = torch.device("cpu"),
        cells: Annotated[int, Range(8, 256)] = 48,
        extraction: Literal["tetrahedra", "flexicubes"] = "flexicubes",
        ellipsoid: list[float] = (0.5, 0.5, 0.5),  # type: ignore[assignment]
        levels: Count = 5,
        finest: Count = 128,
        table_bits: Count = 16,
        distance_lr: NonNegative = 0.006,
        offset_lr: NonNegative = 0.01,
        weight_lr: NonNegative = 0.06,
        color_lr: NonNegative = 0.03,
    ) -> None:
        super().__init__()
        if len(ellipsoid) != 3 or min(ellipsoid) <= 0 or max(ellipsoid) > 1:
            raise UserError(f"scene.ellipsoid: {list(ellipsoid)} is not three half axes in (0, 1]")
        self.cells, self.extraction = cells, extraction
        self.learning_rates = {"distances": distance_lr, "offsets": offset_lr, "colors.table": color_lr}
        points = lattice(cells, device)
        axes = torch.tensor(list(ellipsoid), device=device)
        self.distances = nn.Parameter(((points / axes).norm(dim=1) - 1) * float(axes.min()))
        self.offsets = nn.Parameter(torch.zeros_like(points))
        self.colors = HashColors(3, levels, finest, table_bits, device)
        if extraction == "flexicubes":
            self.learning_rates["weights"] = weight_lr
            self.weights = nn.Parameter(torch.zeros(cells**3, 20, device=device))
        self._shown: tuple[Tensor, Tensor] | None = None
        self._rooms = [Capacity() for _ in range(4)]

    def surface(self) -> tuple[Tensor, Tensor]:
        """Vertices `[V,3]`, differentiable, and faces `[F,3]` of the zero level, counter-clockwise from outside."""
        device = self.distances.device
        points = lattice(self.cells, device) + self.offsets.tanh() / self.cells
        if self.extraction == "flexicubes":
            exact = device.type == "cpu" or not self.training
            rooms = [partial(room.room, exact=exact) for room in self._rooms]
            return dual_surface(points, self.distances, self.cells, self.weights, rooms)
        return marching_tetrahedra(points, self.distances, tetrahedra(self.cells).to(points.device))

    def render(self, cameras: Cameras, background: Tensor, normals: bool = False) -> Views:
        """Views on plain backgrounds `[B,3]`, always with normals; see `dreamforge.contracts.Scene`."""
        vertices, faces = self.surface()
        if self.training:
            self._shown = vertices, faces  # the penalties are on the same surface
        return render_surface(vertices, faces, cameras, background, self._paint, 1 if self.training else 2)

    def _paint(self, seen: Seen) -> Tensor:
        """Positions get no gradient from colours: the surface moves for its outline and its normals."""
        return seen.scatter(self.colors(seen.gather(seen.position)))

    def param_groups(self) -> list[dict[str, Any]]:
        """Distances, offsets and colours, those with a learning rate; see `dreamforge.contracts.Scene`."""
        return [{"name": name, "params": self.get_parameter(name), "lr": lr} for name, lr in self.learning_rates.items() if lr]

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        """"laplacian" and "normal_consistency" as of the textured mesh; "crossings", DMTet's penalty on changes of
        sign along lattice edges, against loose pieces and folds."""
        vertices, faces = self._shown or self.surface()
        near = Neighbours(faces, len(vertices))
        return {
            "laplacian": near.laplacian(vertices) if len(faces) else vertices.sum(),
            "normal_consistency": near.normal_consistency(vertices) if len(faces) else vertices.sum(),
            "crossings": self._crossings(),
        }

    def _crossings(self) -> Tensor:
        """The binary cross-entropy of each end's distance, in cells, with the other end's sign: where these differ it is
        the softplus of the distance's size."""
        side = self.cells + 1
        values = self.distances.view(side, side, side)
        outside, cost = values > 0, nn.functional.softplus(values.abs() * self.cells)
        total = values.new_zeros(())
        for axis in range(3):
            (a, b), (before, after) = ([x.narrow(axis, k, self.cells) for k in (0, 1)] for x in (cost, outside))
            total = total + ((a + b) * (before != after)).sum()
        return total / side**2

    def after_step(self, step: int, steps: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Nothing grows and nothing is pruned."""
        self._shown = None

    def adopt_scene(self, scene: Scene) -> None:
        """Take over the shape of another scene, from its views, and then its colours."""
        from dreamforge.export.surface import distance_from_views

        distance = torch.from_numpy(distance_from_views(scene.render, self.cells + 1))
        self.distances.data.copy_(distance.flatten())
        self.offsets.data.zero_()
        self._adopt_colors(scene)

    def _adopt_colors(self, scene: Scene) -> None:
        """Fit the colours to another scene's views, for a few steps."""
        from dreamforge.export.surface import GREY, render_views

        cameras = sphere(FIT_VIEWS, FIT_SIZE)
        truth = render_views(scene.render, cameras).rgb.to(self.distances)
        optimizer = torch.optim.Adam([self.colors.table], lr=0.1, betas=(0.9, 0.99))
        with torch.no_grad():
            vertices, faces = self.surface()
        for step in range(FIT_STEPS):
            some = torch.arange(FIT_BATCH) * (FIT_VIEWS // FIT_BATCH) + step % (FIT_VIEWS // FIT_BATCH)
            grey = torch.full((FIT_BATCH, 3), GREY).to(truth)
            shown = render_surface(vertices, faces, cameras[some].to(truth.device), grey, self._paint)
            optimizer.zero_grad()
            (shown.rgb - truth[some]).square().mean().backward()
            optimizer.step()
        self.colors.table.grad = None

    @torch.no_grad()
    def to_mesh(self, resolution: int) -> Mesh:
        """The surface as it is, whatever the resolution; see `dreamforge.contracts.Scene`."""
        vertices, faces = self.surface()
        if not len(faces):
            low, high = self.distances.aminmax()
            raise UserError(f"the scene is empty or full: its signed distances span {low:.3g} to {high:.3g}")
        return Mesh(vertices.cpu().numpy(), faces.int().cpu().numpy())


@cache
def lattice(cells: int, device: torch.device = torch.device("cpu")) -> Tensor:
    """`[(cells+1)^3,3]` points over [-1,1]^3, z fastest; made once, so that no step waits for a copy."""
    return torch.cartesian_prod(*[torch.linspace(-1, 1, cells + 1)] * 3).to(device)


@cache
def tetrahedra(cells: int) -> Tensor:
    """`[6 cells^3,4]` point numbers: each cube cut along its diagonal into six (Kuhn), all of positive volume."""
    strides = np.array([(cells + 1) ** 2, cells + 1, 1])
    first = torch.cartesian_prod(*[torch.arange(cells)] * 3) @ torch.from_numpy(strides)
    paths = []
    for order in permutations(range(3)):
        path = np.concatenate([[0], strides[list(order)].cumsum()])
        even = np.linalg.det(np.eye(3)[list(order)]) > 0
        paths.append(path if even else path[[0, 2, 1, 3]])
    return (first[:, None, None] + torch.from_numpy(np.stack(paths))).view(-1, 4)


@cache
def triangles() -> tuple[Tensor, Tensor]:
    """For each of the 16 ways that corners can lie inside (bit k for corner k): how many triangles part them from the
    others, and over which edges each of those runs, `[16,2,3]` numbers in `ENDS`, seen counter-clockwise from outside."""
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])  # of positive volume
    counts, table = torch.zeros(16, dtype=torch.int64), torch.zeros(16, 2, 3, dtype=torch.int64)
    for case in range(1, 15):
        inside = [bool(case >> k & 1) for k in range(4)]
        crossed = [e for e, (a, b) in enumerate(ENDS) if inside[a] != inside[b]]
        if len(crossed) == 4:  # go round: consecutive edges share a corner
            a, b, c, d = crossed
            crossed = [a, b, c, d] if set(ENDS[b]) & set(ENDS[c]) else [a, b, d, c]
        middle = [(corner[ENDS[e][0]] + corner[ENDS[e][1]]) / 2 for e in crossed]
        normal = np.cross(middle[1] - middle[0], middle[2] - middle[0])
        outward = corner[[not x for x in inside]].mean(0) - corner[inside].mean(0)
        if normal @ outward < 0:
            crossed.reverse()
        counts[case] = len(crossed) - 2
        for number in range(len(crossed) - 2):
            table[case, number] = torch.tensor([crossed[0], crossed[number + 1], crossed[number + 2]])
    return counts, table


def marching_tetrahedra(points: Tensor, distances: Tensor, tets: Tensor) -> tuple[Tensor, Tensor]:
    """The zero level of distances `[N]` (positive outside) at points `[N,3]`, linear in tetrahedra `[T,4]` of positive
    volume: vertices `[V,3]` on their edges, differentiable in both, and faces `[F,3]`."""
    inside = distances <= 0
    bits = inside[tets] * torch.tensor([1, 2, 4, 8], device=tets.device)
    case = bits.sum(1)
    active = ((case > 0) & (case < 15)).nonzero()[:, 0]
    case, tets = case[active], tets[active]
    counts, table = (x.to(tets.device) for x in triangles())
    ends = tets[:, torch.tensor(ENDS, device=tets.device)].sort(-1).values  # [A,6,2]
    key = ends[..., 0] * len(points) + ends[..., 1]
    which = torch.cat([(counts[case] > number).nonzero()[:, 0] for number in (0, 1)])
    number = torch.cat([torch.full((int((counts[case] > k).sum()),), k, device=tets.device) for k in (0, 1)])
    edges = key[which[:, None], table[case[which], number]]  # [F,3]
    crossed, faces = edges.unique(return_inverse=True)
    a, b = crossed // len(points), crossed % len(points)
    share = (distances[a] / (distances[a] - distances[b]))[:, None]
    return points[a] + share * (points[b] - points[a]), faces
