"""A mixture of Gaussians with its closed-form score: the prior on which every objective is proved."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.components import NonNegative
from dreamforge.contracts import Condition
from dreamforge.errors import UserError, did_you_mean
from dreamforge.priors.mixture import mixture_epsilon, mixture_log_likelihood, observation_log_weights
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.pixels import PixelSpace


class Analytic(PixelSpace):
    """A mixture of K isotropic Gaussians N(m_k, rho_k² I) whose prompts choose the components' weights.

    means: K points of C numbers each; a latent is `[B,C]` or `[B,C,H,W]` (a mean is then a plain colour in [-1,1]).
    stds: K standard deviations. prompts: text -> K weights; the empty prompt weighs all alike. An image prompt
    `[C,H,W]` is taken as an observation of the mean, in its average over the pixels, with noise of standard deviation
    `image_std` on each number.
    """

    device = torch.device("cpu")
    provides = frozenset({"guidance", "gradient", "image"})

    def __init__(
        self,
        *,
        means: list[list[float]] = ((0.0, 0.0, 0.0),),  # type: ignore[assignment]
        stds: list[float] = (0.5,),  # type: ignore[assignment]
        prompts: dict[str, list[float]] | None = None,
        image_std: NonNegative = 0.5,
        noise: NoiseProcess | None = None,
    ) -> None:
        if len(means) != len(stds):
            raise UserError(f"prior.stds: {len(stds)} numbers for {len(means)} means; give one each")
        self.noise = noise or NoiseProcess.stable_diffusion()
        dtype = self.noise.alphas.dtype
        self.means, self.stds = torch.tensor(means, dtype=dtype), torch.tensor(stds, dtype=dtype)
        self.image_std = image_std
        self.prompts = {"": [1.0] * len(stds), **(prompts or {})}

    def check(self, prompt: str) -> None:
        """Only the prompts it was given, unless it was given none."""
        if len(self.prompts) > 1 and prompt not in self.prompts:
            raise UserError(f"the analytic prior does not know {prompt!r}{did_you_mean(prompt, self.prompts)}")

    def condition(
        self,
        prompts: Sequence[str],
        cameras: Cameras | None = None,
        background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Condition:
        """What to tell the model; see `dreamforge.contracts.Prior`."""
        rows = [self.prompts.get(prompt, self.prompts[""]) for prompt in prompts]
        log_weights = torch.tensor(rows, dtype=self.means.dtype).log()
        if image is not None:
            colors = (2 * image.to(self.means) - 1).mean((-2, -1)).view(-1, 1, self.means.shape[1])
            log_weights = log_weights + observation_log_weights(colors, self.means, self.image_std)
        return Condition(log_weights)

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The noise under each condition; see `dreamforge.contracts.Prior`."""
        alpha, sigma = self.noise.alpha_sigma(t, z_t)
        means = self._means_like(z_t)
        return [
            mixture_epsilon(z_t, alpha, sigma, means, self.stds.to(z_t), condition.data.to(z_t))
            for condition in conditions
        ]

    def log_likelihood(self, z: Tensor, condition: Condition, std: float = 0.0) -> Tensor:
        """log p(z) `[B]`, of z seen through noise of standard deviation `std`."""
        spread = (self.stds.to(z) ** 2 + std**2).sqrt()
        return mixture_log_likelihood(z, self._means_like(z), spread, condition.data.to(z))

    def _means_like(self, z: Tensor) -> Tensor:
        """The means `[B,K,...]`, each a plain picture where z is one."""
        means = self.means.to(z).view(1, *self.means.shape, *(1,) * (z.dim() - 2))
        return means.expand(len(z), *self.means.shape, *z.shape[2:])
