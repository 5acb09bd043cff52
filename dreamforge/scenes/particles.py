"""Several scenes that are optimized side by side, for objectives that look at their distribution (VSD)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.contracts import Mesh, Scene, Views
from dreamforge.rng import generator


class Particles(nn.Module):
    """N scenes of one kind. In training each render is of one of them, drawn evenly; in evaluation always of the first.

    One optimizer holds the parameters of all; those of a scene that was not rendered have no gradient and stay.
    Memory and the steps needed grow N times, a step's time does not.
    """

    def __init__(self, scenes: Sequence[Scene], seed: int) -> None:
        super().__init__()
        self.scenes, self.seed = nn.ModuleList(scenes), seed  # type: ignore[arg-type]
        self.register_buffer("renders", torch.zeros((), dtype=torch.int64))
        self.shown = 0

    def render(self, cameras: Cameras, background: Tensor, **options: Any) -> Views:
        """See `dreamforge.contracts.Scene`."""
        self.shown = 0
        if self.training:
            random = generator(self.seed, "particle", int(self.renders))
            self.shown = int(torch.randint(len(self.scenes), (), generator=random))
            self.renders += 1
        return self.scenes[self.shown].render(cameras, background, **options)

    def param_groups(self) -> list[dict[str, Any]]:
        """Those of every scene, named "<number>.<name>"; see `dreamforge.contracts.Scene`."""
        return [
            {**group, "name": f"{number}.{group['name']}"}
            for number, scene in enumerate(self.scenes)
            for group in scene.param_groups()
        ]

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        """Those of the scene that was rendered."""
        return self.scenes[self.shown].regularizers(views)

    def after_step(self, step: int, steps: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """For every scene, so that each keeps to the stage's timetable; see `dreamforge.contracts.Scene`."""
        for scene in self.scenes:
            scene.after_step(step, steps, optimizer, generator)

    def to_mesh(self, resolution: int) -> Mesh:
        """The first scene's surface."""
        return self.scenes[0].to_mesh(resolution)


def first(scene: Scene) -> Scene:
    """The scene that is exported: the first of particles, or the scene itself."""
    return scene.scenes[0] if isinstance(scene, Particles) else scene
