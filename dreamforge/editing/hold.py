"""What an edit may not change stays exactly as it was, and what may only move a little moves no further."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamforge.contracts import Scene
from dreamforge.editing.original import Original, begin
from dreamforge.export.frame import REACH
from dreamforge.scenes.gaussians import Gaussians

SIZE = 2 * REACH  # of an asset in our frame: what a budget is a share of


@dataclass
class Hold:
    """Called after every step, it puts a scene's parameters back to where they may be.

    home: by parameter, where it began. free: what of it may change, broadcast to it; absent for all. low, high: bounds.
    radius: how far each row may be from home.
    """

    scene: Scene
    home: dict[str, Tensor]
    free: dict[str, Tensor]
    bounds: dict[str, tuple[Tensor, Tensor]]
    radius: dict[str, float]

    @torch.no_grad()
    def __call__(self) -> None:
        """Project the parameters."""
        for name, home in self.home.items():
            value = getattr(self.scene, name)
            if name in self.radius:
                moved = value - home
                length = moved.norm(dim=-1, keepdim=True)
                value.copy_(torch.where(length > self.radius[name], home + moved * (self.radius[name] / length), value))
            if name in self.bounds:
                value.clamp_(*self.bounds[name])
            if name in self.free:
                value.copy_(torch.where(self.free[name], value, home))


def hold_of(original: Original | None, budget: float | None, scene: Scene) -> Hold | None:
    """What an edit holds of its scene; None where everything is free."""
    if original is None or (original.free is None and budget is None):
        return None
    fresh = copy.deepcopy(scene)
    begin(fresh, original)
    parts = _splats if isinstance(scene, Gaussians) else _mesh
    hold = parts(scene, {name: value.detach() for name, value in fresh.named_parameters()}, original, budget)
    hold.home = {name: hold.home[name] for name in {*hold.free, *hold.bounds, *hold.radius}}
    return hold


def _mesh(scene: Scene, home: dict[str, Tensor], original: Original, budget: float | None) -> Hold:
    free, device = {}, scene.vertices.device
    if original.free is not None:
        source = scene.sources()
        vertices = torch.ones(len(scene.vertices), 1, dtype=torch.bool, device=device)
        vertices[source] = torch.from_numpy(original.free_vertices).to(device)[:, None]
        free = {"texture": torch.from_numpy(original.free).to(device), "offsets": vertices}
    if budget == 0:
        free["offsets"] = torch.zeros(1, dtype=torch.bool, device=device)
    return Hold(scene, home, free, {}, {"offsets": budget * SIZE} if budget else {})


def _splats(scene: Scene, home: dict[str, Tensor], original: Original, budget: float | None) -> Hold:
    """Centres move by the budget; standard deviations by a third of it, so that what is seen of them does too."""
    free, device = {}, scene.means.device
    if original.free is not None:
        rows = torch.from_numpy(original.free).to(device)
        free = {name: rows.view(-1, *(1,) * (value.dim() - 1)) for name, value in home.items()}
    if budget == 0:
        shape = ("means", "log_scales", "quaternions", "opacity_logits")
        free |= dict.fromkeys(shape, torch.zeros(1, dtype=torch.bool, device=device))
    if not budget:
        return Hold(scene, home, free, {}, {})
    scales = home["log_scales"].exp()
    low, high = (scales - budget * SIZE / 3).clamp(min=1e-3 * scales), scales + budget * SIZE / 3
    return Hold(scene, home, free, {"log_scales": (low.log(), high.log())}, {"means": budget * SIZE})
