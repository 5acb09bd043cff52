"""A radiance field: a hash grid read out as density and colour, marched through an occupancy grid."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.contracts import Mesh, Views
from dreamforge.kernels.hashgrid import hash_encode
from dreamforge.rendering.volume import render_volume
from dreamforge.rng import generator

QUERY = 1 << 18  # points at a time outside rendering
UPDATE_EVERY = 8  # steps between looks at which cells are occupied
DECAY = 0.8  # of what was seen in a cell earlier, per look
VISIBLE = 0.01  # the opacity of one step of a ray below which a cell is passed over
STILL_VISIBLE = 0.003  # the same where a still picture is made, of the densities that are there and no neighbours'


class Field(nn.Module):
    """Density and view-independent sRGB colour inside the unit sphere.

    A point's features, added up over the levels of the grid, ARE the logits of its density and colour: a linear
    decoder. Fitted to pictures for 190 steps it came to 30.7 dB where a decoder with a hidden layer of 32 (one try,
    not tuned) was at 22.8 dB, and it spares the step its largest matrix products.

    seed: of the jitter. levels, coarsest, finest: of the grid, in cells a side. table_bits: log2 of a level's entries.
    samples: along the diameter in training (twice as many in evaluation). cells: a side of the occupancy grid.
    blob_scale, blob_std: the start, Magic3D's density blob, scale (1 - |x| / std), added to the logit for good.
    density_scale: density per unit length of a softplus of one; high values make hard surfaces early.
    learning_rate: of the table.
    """

    def __init__(
        self,
        *,
        seed: int,
        device: torch.device = torch.device("cpu"),
        levels: int = 6,
        coarsest: int = 8,
        finest: int = 96,
        table_bits: int = 16,
        samples: int = 64,
        cells: int = 64,
        blob_scale: float = 10.0,
        blob_std: float = 0.5,
        density_scale: float = 50.0,
        learning_rate: float = 0.06,
    ) -> None:
        super().__init__()
        growth = (finest / coarsest) ** (1 / max(1, levels - 1))
        self.resolutions = [round(coarsest * growth**level) for level in range(levels)]
        self.seed, self.samples, self.density_scale = seed, samples, density_scale
        self.blob_scale, self.blob_std, self.learning_rate = blob_scale, blob_std, learning_rate
        self.table = nn.Parameter(torch.zeros(levels, 1 << table_bits, 4, device=device))
        self.register_buffer("seen", torch.zeros(cells, cells, cells, device=device))
        self.register_buffer("occupied", torch.zeros(cells, cells, cells, dtype=torch.bool, device=device))
        self.register_buffer("floor", torch.zeros(cells, cells, cells, device=device))
        self.register_buffer("renders", torch.zeros((), dtype=torch.int64))
        corners = torch.cartesian_prod(*[torch.arange(cells, device=device)] * 3)
        reached = (corners + 0.5 - cells / 2).norm(dim=-1) < (cells + 3**0.5) / 2
        self.register_buffer("corners", corners[reached], persistent=False)  # of the cells that the unit sphere reaches
        self._still: tuple[Tensor, Tensor] | None = None
        self._look(torch.full_like(self.corners, 0.5, dtype=torch.float32))

    def query(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Densities `[M]` per unit length and colours `[M,3]` of points `[M,3]`."""
        logits = hash_encode(0.5 * points + 0.5, self.table, self.resolutions, summed=True)
        blob = self.blob_scale * (1 - points.norm(dim=-1) / self.blob_std)
        # of all columns: on a slice, the sigmoid would not vectorise
        return self.density_scale * nn.functional.softplus(logits[:, 0] + blob), logits.sigmoid()[:, 1:]

    def query_with_normals(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Densities `[M]`, and colours and unit normals `[M,6]`: the density falls fastest along the normal.

        By central differences over a few of the finest cells: the exact gradient of trilinear cells jumps at their
        faces, and the density inside a surface is rough where nothing shows it.
        """
        reach = 3.0 / self.resolutions[-1]
        offsets = reach * torch.eye(3, device=points.device)
        falls = [self.query(points - offset)[0] - self.query(points + offset)[0] for offset in offsets]
        sigmas, colors = self.query(points)
        return sigmas, torch.cat([colors, nn.functional.normalize(torch.stack(falls, dim=-1), dim=-1)], dim=-1)

    def render(self, cameras: Cameras, background: Tensor, normals: bool = False) -> Views:
        """Views on plain backgrounds `[B,3]`, with normals if asked for, at seven times the look-ups.

        In training, samples are jittered by the number of renders so far. In evaluation they lie still and twice as
        close, in fewer cells. See `dreamforge.contracts.Scene`.
        """
        cameras, background = cameras.to(self.table.device), background.to(self.table.device)
        step, jitter = 1 / self.samples, None
        if self.training:
            random = generator(self.seed, "field jitter", int(self.renders))
            self.renders += 1
            jitter = torch.rand(len(cameras) * cameras.height * cameras.width, generator=random)
            jitter = jitter.to(background, non_blocking=True)
            step = 2 / self.samples
        query = self.query_with_normals if normals else self.query
        return render_volume(cameras, background, query, *self._grids(), step, jitter)

    def _grids(self) -> tuple[Tensor, Tensor]:
        """`occupied` and `floor`; for still pictures from eight places in each cell, since nothing is to grow there.

        An export of a ragged field took 0.7 times as long with these, and its pictures were the same to 59 dB.
        """
        if self.training:
            return self.occupied, self.floor
        if self._still is None:
            highest, lowest = torch.zeros_like(self.seen), torch.zeros_like(self.seen)
            places = torch.cartesian_prod(*[torch.tensor([0.25, 0.75])] * 3).to(self.corners.device)
            inside = torch.stack([self._densities((self.corners + place) * (2 / len(highest)) - 1) for place in places])
            highest[self.corners.unbind(1)], lowest[self.corners.unbind(1)] = inside.amax(0), inside.amin(0)
            self._still = highest * (2 / self.samples) > STILL_VISIBLE, lowest
        return self._still

    def train(self, mode: bool = True) -> Field:
        """As of every module; what still pictures knew is forgotten."""
        self._still = None
        return super().train(mode)

    def _load_from_state_dict(self, *arguments: Any, **options: Any) -> None:
        self._still = None
        super()._load_from_state_dict(*arguments, **options)

    def param_groups(self) -> list[dict[str, Any]]:
        """One group, the table; see `dreamforge.contracts.Scene`."""
        return [{"name": "table", "params": self.table, "lr": self.learning_rate}]

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        """"sparsity", mean sqrt(alpha^2 + 0.01), against fog; "opaque", mean binary entropy of alpha, against veils;
        "distortion", how far apart along rays opacity lies (Mip-NeRF 360), against floaters; "z_variance",
        mean variance of depth where alpha is above a half (HiFA), for thin surfaces."""
        alpha = views.alpha.clamp(1e-3, 1 - 1e-3)
        distortion = alpha.new_zeros(()) if views.distortion is None else views.distortion.mean()
        solid = (views.alpha > 0.5).to(alpha)
        return {
            "distortion": distortion,
            "z_variance": alpha.new_zeros(())
            if views.variance is None
            else (views.variance * solid).sum() / solid.sum().clamp(min=1),
            "sparsity": (views.alpha**2 + 0.01).sqrt().mean(),
            "opaque": nn.functional.binary_cross_entropy(alpha, alpha),
        }

    def after_step(self, step: int, steps: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Every few steps, look again at which cells are occupied."""
        if step % UPDATE_EVERY == 0:
            self._look(torch.rand(len(self.corners), 3, generator=generator).to(self.seen, non_blocking=True))

    @torch.no_grad()
    def _look(self, place: Tensor) -> None:
        """Sample the density at a place in each of the `corners`' cells, `[N,3]` in [0,1), and mark the cells that matter.

        Neighbours of what is seen are kept too: there the surface can grow.
        """
        cells = self.seen.shape[0]
        sigmas = torch.zeros_like(self.seen)
        sigmas[self.corners.unbind(1)] = self._densities((self.corners + place) * (2 / cells) - 1)
        torch.maximum(DECAY * self.seen, sigmas, out=self.seen)
        self.floor.copy_(-_highest_nearby(-sigmas))
        torch.gt(_highest_nearby(self.seen) * (2 / self.samples), VISIBLE, out=self.occupied)

    @torch.no_grad()
    def _densities(self, points: Tensor) -> Tensor:
        return torch.cat([self.query(part)[0] for part in points.split(QUERY)])

    @torch.no_grad()
    def to_mesh(self, resolution: int) -> Mesh:
        """The surface that the views agree on; see `dreamforge.contracts.Scene`."""
        from dreamforge.export.surface import mesh_from_views

        return mesh_from_views(self.render, resolution)


def _highest_nearby(grid: Tensor) -> Tensor:
    """The highest of each cell of `[G,G,G]` and its neighbours, axis by axis: max_pool3d takes fifty times as long."""
    for _ in range(3):
        highest = grid.clone()
        torch.maximum(highest[1:], grid[:-1], out=highest[1:])
        torch.maximum(highest[:-1], grid[1:], out=highest[:-1])
        grid = highest.movedim(0, -1)
    return grid
