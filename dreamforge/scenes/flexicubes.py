"""FlexiCubes (Shen et al. 2023, arXiv 2308.05371): dual contouring whose vertices are free to move in their cubes.

Each cube has 20 weights: alpha at its 8 corners slides where its edges are crossed, beta at its 12 edges says how much
each crossing counts for the vertex between them; both are 1 + tanh. Quads are split along the diagonal that passes
nearer to where the surface crosses the edge between its cubes, where the paper learns a weight for that as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product

import torch
from torch import Tensor

CORNERS = list(product((0, 1), repeat=3))
"""Of a cube, as steps along x, y and z; corner k is bit k of a case."""
EDGES = [(a, b) for axis in range(3) for a, b in product(range(8), repeat=2) if b - a == 4 >> axis and not a & (4 >> axis)]
"""Of a cube, from the lower corner to the higher: four along each axis."""
LAST = torch.iinfo(torch.int64).max
Room = Callable[[Tensor], int]
"""How many entries to make room for, where as many are needed as a tensor says."""
RING = [(0, 3), (1, 2)]
"""Where a cube lies around one of its edges, counter-clockwise about the edge's axis, by its steps along the next two axes."""


@cache
def patches() -> tuple[Tensor, Tensor, Tensor]:
    """For each of the 256 cases, and again for those whose doubtful faces are to be read the other way, 512 in all:

    counts `[512]`, the pieces of surface in the cube; piece `[512,12]`, which of them crosses each edge, or -1; pinched
    `[512]`, the face (2 axis + side) both of whose crossings are of one piece, or -1. A face is doubtful where its
    inside corners are opposite: then each of them is cut off by itself, or read the other way each outside one.
    """
    counts, piece, pinched = torch.zeros(512).long(), torch.full((512, 12), -1), torch.full((512,), -1)
    for case, other in product(range(256), (0, 1)):
        inside = [bool(case >> k & 1) for k in range(8)]
        group = {e: e for e, (a, b) in enumerate(EDGES) if inside[a] != inside[b]}
        doubtful = []
        for axis, side in product(range(3), (0, 1)):
            edges = [e for e in group if all(CORNERS[c][axis] == side for c in EDGES[e])]
            around = [c for c in range(8) if CORNERS[c][axis] == side and inside[c] != bool(other)]
            pairs = [[e for e in edges if c in EDGES[e]] for c in around] if len(edges) == 4 else [edges] if edges else []
            doubtful += [(2 * axis + side, pairs)] if len(edges) == 4 else []
            for a, b in pairs:
                group = {e: group[a] if g == group[b] else g for e, g in group.items()}
        row = case + 256 * other
        names = sorted(set(group.values()))
        counts[row] = len(names)
        for e, g in group.items():
            piece[row, e] = names.index(g)
        for face, ((a, _), (b, _)) in doubtful:
            if group[a] == group[b]:
                pinched[row] = face
    return counts, piece, pinched


@cache
def _tables(device: torch.device) -> tuple[Tensor, ...]:
    """`patches`, and EDGES, CORNERS and each edge's place in RING, on the device: sent there once."""
    ring = [RING[CORNERS[a][(e // 4 + 1) % 3]][CORNERS[a][(e // 4 + 2) % 3]] for e, (a, _) in enumerate(EDGES)]
    return tuple(table.to(device) for table in (*patches(), *map(torch.tensor, (EDGES, CORNERS, ring))))


def cases_of(inside: Tensor, cells: int) -> Tensor:
    """`[cells^3]` rows of `patches` for a lattice `[(cells+1)^3]` of which some points are inside.

    Two cubes that meet at a face pinched in both would share two edges of the surface between the same two vertices;
    both read it the other way (Wenger 2013).
    """
    solid = inside.view([cells + 1] * 3).long()
    corner = [solid[x : x + cells, y : y + cells, z : z + cells] << k for k, (x, y, z) in enumerate(CORNERS)]
    case = torch.stack(corner).sum(0)
    pinched = _tables(case.device)[2][case]
    for axis in range(3):
        low, high = pinched.narrow(axis, 0, cells - 1), pinched.narrow(axis, 1, cells - 1)
        both = (low == 2 * axis + 1) & (high == 2 * axis)
        case.narrow(axis, 0, cells - 1).add_(256 * both)
        case.narrow(axis, 1, cells - 1).add_(256 * both)
    return case.flatten()


def dual_surface(
    points: Tensor, distances: Tensor, cells: int, weights: Tensor, rooms: Sequence[Room] = (int, int, int, int)
) -> tuple[Tensor, Tensor]:
    """The zero level of distances `[(cells+1)^3]` (positive outside) at lattice points `[(cells+1)^3,3]`, under weights
    `[cells^3,20]`: vertices `[V,3]`, differentiable in all three, and faces `[F,3]`. Open at the lattice's sides.

    rooms: for cubes, crossings, vertices and quads, by default what each needs. Where there is room for more, vertices
    at the origin and faces (0, 0, 0) fill up the rest; where there is less, the surface has holes.
    """
    counts, piece, _, edges, corners, _ = _tables(points.device)
    case = cases_of(distances <= 0, cells)
    active, real = listed(counts[case] > 0, rooms[0])
    case = torch.where(real, case[active], 0)  # which has no surface
    first = counts[case].cumsum(0) - counts[case]  # each cube's first vertex
    found, real = listed(piece[case] >= 0, rooms[1])  # a crossing of an edge, as one cube has it: [P]
    cube, edge = found // len(EDGES), found % len(EDGES)
    most = rooms[2](counts[case].sum())
    vertex = torch.where(real, first[cube] + piece[case[cube], edge], most).clamp(max=most)
    ends = edges[edge]  # [P,2]
    side = cells + 1
    x, y, z = active // cells**2, active // cells % cells, active % cells
    corner = (x * side + y) * side + z
    steps = (corners[:, 0] * side + corners[:, 1]) * side + corners[:, 2]
    a, b = (corner[cube, None] + steps[ends]).unbind(1)
    factors = 1 + weights[active].tanh()
    alpha = factors[cube[:, None], ends]
    sa, sb = (distances[a] * alpha[:, 0])[:, None], (distances[b] * alpha[:, 1])[:, None]
    crossing = (sa * points[b] - sb * points[a]) / torch.where(real[:, None], sa - sb, 1)
    beta = factors[cube, 8 + edge][:, None]
    total = points.new_zeros(most + 1, 4).index_add(0, vertex, torch.cat([beta * crossing, beta], dim=1))[:most]
    vertices = total[:, :3] / torch.where(total[:, 3:] > 0, total[:, 3:], 1)
    line = torch.where(real, (a * 3 + edge // 4) * 4 + _tables(a.device)[5][edge], LAST)
    return vertices, _quads(vertices.detach(), crossing.detach(), vertex, line, distances[a] <= 0, rooms[3])


def listed(mask: Tensor, room: Room) -> tuple[Tensor, Tensor]:
    """Where a mask is true, flat indices `[N]`, and which of these are real: the others, all 0, fill up the room."""
    flat = mask.flatten()
    count = flat.sum()
    size = room(count)
    place = torch.where(flat, flat.cumsum(0) - 1, size).clamp(max=size)
    number = torch.arange(len(flat), device=flat.device)
    index = number.new_zeros(size + 1).scatter_(0, place, number)[:size]
    return index, number.new_ones(size).cumsum(0) <= count


def _quads(
    vertices: Tensor, crossing: Tensor, vertex: Tensor, line: Tensor, rising: Tensor, room: Room
) -> Tensor:
    """Faces `[F,3]`: around each lattice edge that is crossed, a quad of the vertices of its four cubes, cut in two along
    the diagonal that passes nearer to the crossing.

    For each crossing as a cube has it `[P]`: where, its vertex, four times the number of the lattice edge and the
    cube's place around it (or LAST), and whether the edge's lower end is inside.
    """
    line, order = line.sort()
    start, real = listed((line[:-3] // 4 == line[3:] // 4) & (line[:-3] < LAST), room)
    whole = order[start[:, None] + torch.arange(4, device=order.device)]
    quad = torch.where(rising[whole[:, :1]], vertex[whole], vertex[whole].flip(1))
    quad = torch.where(real[:, None] & (quad < len(vertices)).all(1, keepdim=True), quad, 0)
    corner, middle = vertices[quad], crossing[whole].mean(1)
    apart = [(0.5 * (corner[:, k] + corner[:, k + 2]) - middle).norm(dim=1) for k in (0, 1)]
    quad = torch.where((apart[0] <= apart[1])[:, None], quad, quad.roll(1, dims=1))
    return torch.cat([quad[:, :3], torch.cat([quad[:, :1], quad[:, 2:]], dim=1)])
