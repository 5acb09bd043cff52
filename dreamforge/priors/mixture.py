"""The exact denoiser of a mixture of isotropic Gaussians, and the priors that are one over pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dreamforge.contracts import Condition
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.pixels import PixelSpace
from dreamforge.rendering.background import composite


def mixture_epsilon(
    z_t: Tensor,
    alpha: Tensor,
    sigma: Tensor,
    means: Tensor,
    std: Tensor | float,
    log_weights: Tensor | float,
    joint: bool = False,
) -> Tensor:
    """The exact noise prediction of a mixture of isotropic Gaussians.

    eps = sigma sum_k r_k (z_t - alpha m_k) / (alpha² rho_k² + sigma²), with r_k the posterior probability of
    component k given z_t. z_t: `[B,...]`. alpha, sigma: `[B,1,...]`. means: `[B,K,...]`. std: `[K]` or one.
    log_weights: `[B,K]` or one. joint: the batch is one sample (views of one object), so its items share the component.
    """
    batch, count = means.shape[:2]
    residual = (z_t[:, None] - alpha[:, None] * means).flatten(2)  # [B,K,D]
    variance = alpha.view(batch, 1) ** 2 * std**2 + sigma.view(batch, 1) ** 2  # [B,K]
    dimension = residual.shape[-1]
    likelihood = -0.5 * residual.square().sum(-1) / variance - 0.5 * dimension * variance.log()
    if joint:
        likelihood = likelihood.sum(0, keepdim=True).expand(batch, count)
    share = torch.softmax(likelihood + log_weights, dim=1) / variance
    return sigma * torch.einsum("bk,bkd->bd", share, residual).view_as(z_t)


def mixture_log_likelihood(z: Tensor, means: Tensor, std: Tensor | float, log_weights: Tensor | float) -> Tensor:
    """log p(z), `[B]`, under a mixture of isotropic Gaussians. Arguments as in `mixture_epsilon`; differentiable."""
    distance = (z[:, None] - means).flatten(2).square().sum(-1)  # [B,K]
    variance = torch.as_tensor(std).to(distance) ** 2
    share = torch.as_tensor(log_weights).to(distance).expand_as(distance).log_softmax(1)
    size = z[0].numel()
    return (share - 0.5 * distance / variance - 0.5 * size * (2 * math.pi * variance).log()).logsumexp(1)


def observation_log_weights(observed: Tensor, expected: Tensor, std: float) -> Tensor:
    """log p(observed | component k) up to a constant: what is expected of each, and noise of `std` on each number.

    observed: an image prompt `[...,1,D]` or `[D]`. expected: `[K,D]`. Returns `[...,K]`.
    """
    return -0.5 * (observed - expected).square().sum(-1) / std**2


class Bank(NamedTuple):
    """What a mixture of pictures is told: their middles `[B,K,3,H,W]` in [-1,1], and log weights `[B,K]` or one."""

    pictures: Tensor
    log_weights: Tensor | float = 0.0

    @classmethod
    def of(cls, rgba: Tensor, background: Tensor, log_weights: Tensor | float = 0.0) -> Bank:
        """From premultiplied pictures `[B,K,4,H,W]` made on the CPU, put on backgrounds `[B,3]`, where those are."""
        rgba = rgba.to(background.device, non_blocking=True)
        if isinstance(log_weights, Tensor):
            log_weights = log_weights.to(background.device, non_blocking=True)
        return cls(2 * composite(rgba, background[:, None]) - 1, log_weights)


class PictureMixture(PixelSpace):
    """A prior whose conditions are banks of pictures, each the middle of a Gaussian.

    bandwidth: their standard deviation. joint: the views of a batch show one object, so they share the picture's index.
    """

    device = torch.device("cpu")
    noise: NoiseProcess
    bandwidth: float
    joint = False

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The exact noise under each condition; see `dreamforge.contracts.Prior`."""
        alpha, sigma = self.noise.alpha_sigma(t, z_t)
        return [
            mixture_epsilon(z_t, alpha, sigma, bank.pictures, self.bandwidth, bank.log_weights, self.joint)
            for bank in [condition.data for condition in conditions]
        ]

    def log_likelihood(self, z: Tensor, condition: Condition, std: float = 0.0) -> Tensor:
        """log p(z) `[B]` of each picture by itself, seen through noise of standard deviation `std`."""
        bank = condition.data
        return mixture_log_likelihood(z, bank.pictures, (self.bandwidth**2 + std**2) ** 0.5, bank.log_weights)
