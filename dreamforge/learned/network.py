"""A small network as learned score, for priors that have none of their own to adapt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.components import Count, Fraction, Range
from dreamforge.contracts import Condition, Prior
from dreamforge.learned.trained import TrainedScore, camera_numbers
from dreamforge.priors.noise import NoiseProcess
from dreamforge.schedules import Scheduled

SIDE = 16  # of the grid of patches that the network sees
FREQUENCIES = torch.arange(1, 5)


class Network(TrainedScore):
    """eps = f (z_t / alpha_t - m), f = sigma_bar / (rho² + sigma_bar²): the score of a Gaussian of learned width rho
    about what a small network m(z_t, t, camera, background) says.

    shape: of a latent, without the batch. width: channels. blocks: residual ones, on 16 x 16 patches; with none m is
    linear in z_t. loss: of the error in eps, or in v, which counts high noise more. The prompt is not read.
    """

    def __init__(
        self,
        *,
        prior: Prior,
        shape: Sequence[int],
        seed: int,
        width: Count = 48,
        blocks: Annotated[int, Range(0)] = 4,
        loss: Literal["epsilon", "v"] = "epsilon",
        learning_rate: Scheduled = 3e-3,
        updates: Count = 1,
        camera_dropout: Fraction = 0.1,
    ) -> None:
        super().__init__()
        process = prior.noise
        kind = process.prediction if process.prediction == "flow" else "v_prediction"
        self.noise = NoiseProcess(process.alphas, process.sigmas, "epsilon" if loss == "epsilon" else kind)
        self.patch = max(1, shape[-1] // SIDE) if len(shape) > 1 else 1
        channels, reach = shape[0] * self.patch**2, min(1, len(shape) - 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.describe = nn.Sequential(nn.Linear(20 + 2 * len(FREQUENCIES), width), nn.SiLU())
            self.stem = nn.Conv2d(channels, width, 2 * reach + 1, padding=reach)
            self.blocks = nn.ModuleList(_Block(width, reach * 2 ** (k % 3)) for k in range(blocks))
            self.head = nn.Conv2d(width, channels, 2 * reach + 1, padding=reach)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.log_width = nn.Parameter(torch.tensor(math.log(0.5)))
        self.to(device=prior.device, dtype=process.alphas.dtype)
        self.train_with(learning_rate, updates, camera_dropout)

    def condition(self, prompt: str, cameras: Cameras | None, background: Tensor) -> Condition:
        """Camera, background and whether there is a camera, `[B,20]`."""
        known = torch.full((len(background), 1), float(cameras is not None))
        numbers = camera_numbers(cameras, len(background))
        return Condition(torch.cat([x.to(background) for x in (numbers, known, background)], 1))

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The noise in z_t `[B,C]` or `[B,C,H,W]`; see `dreamforge.contracts.Phi`."""
        alpha, sigma = self.noise.alpha_sigma(t, z_t)
        bar, count = sigma / alpha, len(conditions)
        level = (0.5 * bar.log()).view(-1, 1)
        waves = torch.cat([f(level * FREQUENCIES.to(level)) for f in (torch.sin, torch.cos)], 1)
        known = torch.cat([torch.cat([condition.data.to(z_t), waves], 1) for condition in conditions])
        inputs = z_t / (alpha**2 + sigma**2).sqrt()
        means = self._mean(inputs.repeat(count, *[1] * (z_t.dim() - 1)), known).chunk(count)
        slope = bar / (bar**2 + (2 * self.log_width).exp())
        return [slope * (z_t / alpha - mean) for mean in means]

    def _mean(self, inputs: Tensor, known: Tensor) -> Tensor:
        grid = inputs if inputs.dim() == 4 else inputs[..., None, None]
        described = self.describe(known)
        x = self.stem(nn.functional.pixel_unshuffle(grid, self.patch))
        for block in self.blocks:
            x = block(x, described)
        return nn.functional.pixel_shuffle(self.head(x), self.patch).view_as(inputs)


class _Block(nn.Module):
    """x + conv(silu(film(norm(x)))), with the scale and shift that the description of a picture asks for."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8 if width % 8 == 0 else 1, width)
        self.film = nn.Linear(width, 2 * width)
        self.conv = nn.Conv2d(width, width, 3 if reach else 1, padding=reach, dilation=max(1, reach))

    def forward(self, x: Tensor, described: Tensor) -> Tensor:
        scale, shift = self.film(described)[..., None, None].chunk(2, 1)
        return x + self.conv(nn.functional.silu(self.norm(x) * (1 + scale) + shift))
