"""3D Gaussians: a cloud of coloured ellipsoids that grows where the picture wants more of them."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.special import logit
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.components import Count, Fraction, NonNegative, Range
from dreamforge.contracts import Mesh, Splats, Views
from dreamforge.kernels.harmonics import Y0, view_colors
from dreamforge.kernels.splat import SplatStatistics, facing_normals, rotation_matrices, splat

PARAMETERS = ("means", "log_scales", "quaternions", "opacity_logits", "color_logits")
STATISTICS = ("gradient", "seen", "radius")
START_OPACITY = 0.2
SHRINK = 1.4  # of both halves when a Gaussian is divided
LARGEST = 0.3  # standard deviation, world units, beyond which a Gaussian is pruned
LEAST_SCALE, FAINTEST, DARKEST = 1e-12, 1e-5, 0.01  # of given splats: logarithms and logits have to be finite
FARTHEST = 1.2  # distance from the origin beyond which a Gaussian is pruned


class Gaussians(nn.Module):
    """N Gaussians with one sRGB colour each, or with colours that depend on the view.

    Parameters: means `[N,3]`; log_scales `[N,3]`; quaternions `[N,4]` (wxyz, not normalised); opacity_logits `[N]`;
    color_logits `[N,3]`; and where `sh_degree` is above 0 sh `[N,(sh_degree+1)^2-1,3]`, spherical harmonics that are
    added to the colour. The properties `scales`, `opacities`, `colors` and `harmonics` are what they stand for.

    Every `densify_every` steps between the fractions `densify_from` and `densify_until` of a stage, Gaussians fainter
    than `prune_opacity` go, and the share `growth` whose position on the picture feels the strongest pull divide in
    two, up to `max_count`. A share, because how large a gradient is depends on the prior and the objective.

    Division and pruning make new parameters, as does loading a state of another size: an optimizer that is not
    given to `after_step` has to be built afterwards.
    """

    gradient: Tensor
    seen: Tensor
    radius: Tensor

    def __init__(
        self,
        *,
        seed: int,
        device: torch.device = torch.device("cpu"),
        count: Count = 3000,
        max_count: Count = 8000,
        ball: NonNegative = 0.6,
        position_lr: NonNegative = 0.003,
        scale_lr: NonNegative = 0.03,
        rotation_lr: NonNegative = 0.02,
        opacity_lr: NonNegative = 0.1,
        color_lr: NonNegative = 0.05,
        sh_degree: Annotated[int, Range(0, 3)] = 0,
        sh_lr: NonNegative = 0.003,
        densify_every: Count = 25,
        densify_from: Fraction = 0.1,
        densify_until: Fraction = 0.7,
        growth: NonNegative = 0.2,
        prune_opacity: Fraction = 0.02,
    ) -> None:
        super().__init__()
        self.max_count, self.growth, self.prune_opacity = max_count, growth, prune_opacity
        self.densify_every, self.densify_from, self.densify_until = densify_every, densify_from, densify_until
        self.learning_rates = dict(
            zip(PARAMETERS, (position_lr, scale_lr, rotation_lr, opacity_lr, color_lr), strict=True)
        )
        if sh_degree:
            self.learning_rates["sh"] = sh_lr
        generator = torch.Generator().manual_seed(seed)
        direction = nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
        means = ball * direction * torch.rand(count, 1, generator=generator) ** (1 / 3)
        distances, _ = cKDTree(means.numpy()).query(means.numpy(), k=min(4, count))
        spacing = torch.from_numpy(distances).float().reshape(count, -1)[:, 1:].mean(1).nan_to_num(ball)
        values = {
            "means": means,
            "log_scales": spacing.clamp_min(1e-4).log()[:, None].repeat(1, 3),
            "quaternions": torch.randn(count, 4, generator=generator),
            "opacity_logits": torch.full((count,), START_OPACITY).logit(),
            "color_logits": 0.1 * torch.randn(count, 3, generator=generator),
            "sh": torch.zeros(count, (sh_degree + 1) ** 2 - 1, 3),
        }
        for name in self.learning_rates:
            setattr(self, name, nn.Parameter(values[name].to(device)))
        self._forget()

    def _forget(self) -> None:
        """Start the densification statistics afresh."""
        for name in STATISTICS:
            self.register_buffer(name, torch.zeros(len(self.means), device=self.means.device))

    def adopt(self, splats: Splats) -> None:
        """Become given splats, their constant colours within what a colour can be; harmonics beyond `sh_degree` go."""
        colors = 0.5 + Y0 * splats.sh[:, 0]
        values = {
            "means": splats.means, "log_scales": np.log(splats.scales.clip(min=LEAST_SCALE)),
            "quaternions": splats.quaternions, "opacity_logits": _logits(splats.opacities, FAINTEST),
            "color_logits": _logits(colors, DARKEST), "sh": splats.sh[:, 1:],
        }  # fmt: skip
        for name in self.learning_rates:
            setattr(self, name, nn.Parameter(torch.from_numpy(values[name]).float().contiguous().to(self.means.device)))
        self._forget()

    @property
    def scales(self) -> Tensor:
        """`[N,3]` standard deviations, world units."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Tensor:
        """`[N]` in (0,1)."""
        return self.opacity_logits.sigmoid()

    @property
    def colors(self) -> Tensor:
        """`[N,3]` sRGB in [0,1], without what depends on the view."""
        return self.color_logits.sigmoid()

    @property
    def harmonics(self) -> Tensor:
        """`[N,K,3]` coefficients in the convention of 3DGS and `dreamforge.kernels.harmonics`, `colors` the first."""
        first = ((self.colors - 0.5) / Y0)[:, None]
        return torch.cat([first, self.sh], 1) if "sh" in self.learning_rates else first

    def render(self, cameras: Cameras, background: Tensor, normals: bool = False) -> Views:
        """Views on plain backgrounds `[B,3]`, with normals if asked for, at twice the cost.

        See `dreamforge.contracts.Scene`.
        """
        cameras, background = cameras.to(self.means.device), background.to(self.means.device)
        statistics = SplatStatistics(self.gradient, self.seen, self.radius) if self.training else None
        colors, seen_from = self.colors, cameras.position
        if "sh" in self.learning_rates:
            colors = view_colors(self.harmonics, self.means, seen_from)
        shape = (self.means, self.scales, self.quaternions, self.opacities)
        rgb, alpha, depth = splat(*shape, colors, cameras, background, statistics)
        normal = None
        if normals:
            axes = facing_normals(self.means, self.scales, self.quaternions, seen_from)
            normal, _, _ = splat(*shape, axes, cameras, torch.zeros_like(background))
        return Views(rgb, alpha, depth / alpha.clamp_min(1e-6), normal)

    def param_groups(self) -> list[dict[str, Any]]:
        """One group a parameter, under its name; see `dreamforge.contracts.Scene`."""
        return [{"name": name, "params": getattr(self, name), "lr": lr} for name, lr in self.learning_rates.items()]

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        """Against fog: "sparsity", mean sqrt(alpha^2 + 0.01); "opaque" and "opacity", mean binary entropy of the
        views' alpha and of the Gaussians' opacities. Against blobs: "scale", mean square of the longest axis. Against
        needles: "needle", mean of what the longest axis exceeds three times the middle one by, as a ratio."""
        alpha, opacities = (x.clamp(1e-3, 1 - 1e-3) for x in (views.alpha, self.opacities))
        _, middle, longest = self.scales.sort(dim=-1).values.unbind(-1)
        return {
            "sparsity": (views.alpha**2 + 0.01).sqrt().mean(),
            "opaque": nn.functional.binary_cross_entropy(alpha, alpha),
            "opacity": nn.functional.binary_cross_entropy(opacities, opacities),
            "scale": longest.square().mean(),
            "needle": (longest / middle - 3).relu().mean(),
        }

    @torch.no_grad()
    def after_step(self, step: int, steps: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Densify and prune when it is time; see `dreamforge.contracts.Scene`."""
        begin, end = self.densify_from * steps, self.densify_until * steps
        if not begin <= step + 1 <= end or (step + 1) % self.densify_every:
            return
        keep = (
            (self.opacities > self.prune_opacity)
            & (self.scales.amax(-1) < LARGEST)
            & (self.means.norm(dim=-1) < FARTHEST)
        )
        pull = torch.where(keep, self.gradient / self.seen.clamp_min(1), -1.0)
        alive = int(keep.sum())
        chosen = torch.argsort(pull, descending=True, stable=True)
        chosen = chosen[: max(0, min(round(self.growth * alive), self.max_count - alive))]
        keep[chosen] = False
        if alive:  # a scene that has faded away is for the engine to report
            self._rebuild(keep.nonzero()[:, 0], self._halves(chosen, generator), optimizer)
        self._forget()

    def _halves(self, chosen: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Two Gaussians for each chosen one, at a place drawn from it and at the place opposite."""
        values = {name: getattr(self, name)[chosen] for name in self.learning_rates}
        draw = torch.randn(len(chosen), 3, generator=generator).to(self.means.device)
        offset = torch.einsum("nij,nj->ni", rotation_matrices(values["quaternions"]), draw * values["log_scales"].exp())
        halves = {name: torch.cat([value, value]) for name, value in values.items()}
        halves["means"] += 0.7 * torch.cat([offset, -offset])
        halves["log_scales"] -= torch.tensor(SHRINK).log()
        return halves

    def _rebuild(self, keep: Tensor, added: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Make the parameters those at `keep` and then those added, and the optimizer's moments with them."""
        for group in optimizer.param_groups:
            name, old = group["name"].rpartition(".")[2], group["params"][0]
            if old is not getattr(self, name, None):
                continue  # another particle's
            new = added[name]
            parameter = nn.Parameter(torch.cat([old.detach()[keep], new]))
            state = optimizer.state.pop(old, {})
            for key, value in state.items():
                if value.shape == old.shape:  # the moments, not the count of steps
                    state[key] = torch.cat([value[keep], torch.zeros_like(new)])
            optimizer.state[parameter] = state
            group["params"] = [parameter]
            setattr(self, name, parameter)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        """Make room for a state with another number of Gaussians, then load as usual."""
        for name in (*self.learning_rates, *STATISTICS):
            own, saved = getattr(self, name), state_dict.get(prefix + name)
            if saved is not None and saved.shape != own.shape and saved.shape[1:] == own.shape[1:]:
                room = torch.empty_like(saved, device=own.device)
                setattr(self, name, nn.Parameter(room) if name in self.learning_rates else room)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    @torch.no_grad()
    def to_splats(self) -> Splats:
        """The Gaussians in plain units, as splat files hold them."""
        quaternions = nn.functional.normalize(self.quaternions, dim=-1)
        values = (self.means, self.scales, quaternions, self.opacities, self.harmonics)
        return Splats(*(value.detach().float().cpu().numpy() for value in values))

    @torch.no_grad()
    def to_mesh(self, resolution: int) -> Mesh:
        """The surface that the views agree on; see `dreamforge.contracts.Scene`."""
        from dreamforge.export.surface import mesh_from_views

        return mesh_from_views(self.render, resolution)


def _logits(shares: np.ndarray, least: float) -> np.ndarray:
    return logit(shares.astype(np.float64).clip(least, 1 - least))
