"""The forward process of a prior and the exact conversions between what networks predict.

z_t = alpha_t z + sigma_t eps. Variance-preserving models have alpha² + sigma² = 1; flow matching has
alpha = 1 - u, sigma = u. Objectives only ever see eps.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "flow", "sample"]


class NoiseProcess:
    """Tables alpha_t and sigma_t over T timesteps, and the network's prediction type.

    alphas, sigmas: `[T]`. Timesteps t are integer tensors `[B]` in 0..T-1.
    """

    def __init__(self, alphas: Tensor, sigmas: Tensor, prediction: Prediction = "epsilon") -> None:
        self.alphas, self.sigmas, self.prediction = alphas, sigmas, prediction

    @classmethod
    def variance_preserving(cls, alphas_cumprod: Tensor, prediction: Prediction = "epsilon") -> NoiseProcess:
        """From a DDPM schedule's cumulative product of 1 - beta, `[T]`."""
        return cls(alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt(), prediction)

    @classmethod
    def stable_diffusion(cls, steps: int = 1000, dtype: torch.dtype = torch.float32) -> NoiseProcess:
        """Stable Diffusion's "scaled linear" schedule: sqrt(beta) linear from sqrt(0.00085) to sqrt(0.012)."""
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, steps, dtype=torch.float64) ** 2
        return cls.variance_preserving((1 - betas).cumprod(0).to(dtype))

    @classmethod
    def flow_matching(cls, steps: int = 1000, dtype: torch.dtype = torch.float32) -> NoiseProcess:
        """Rectified flow: u = (t + 1) / T, alpha = 1 - u, sigma = u, velocity eps - z."""
        u = torch.arange(1, steps + 1, dtype=dtype) / (steps + 1)
        return cls(1 - u, u, "flow")

    @property
    def steps(self) -> int:
        """T, the number of timesteps."""
        return len(self.alphas)

    def timestep(self, fraction: Tensor) -> Tensor:
        """Integer timesteps for fractions of T in [0,1]."""
        return (fraction * self.steps).long().clamp(0, self.steps - 1)

    def alpha_sigma(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_t and sigma_t of `t` `[B]`, shaped `[B,1,...]` to multiply `like` `[B,...]`."""
        shape = (-1,) + (1,) * (like.dim() - 1)
        if self.alphas.device != like.device:  # once: from then on nothing is copied in a step
            self.alphas, self.sigmas = self.alphas.to(like.device), self.sigmas.to(like.device)
        index = t.to(like.device)
        return tuple(table[index].to(like).view(shape) for table in (self.alphas, self.sigmas))

    def add(self, z: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """z_t = alpha_t z + sigma_t eps."""
        alpha, sigma = self.alpha_sigma(t, z)
        return alpha * z + sigma * eps

    def clean(self, z_t: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """The one-step estimate of z: (z_t - sigma_t eps) / alpha_t."""
        alpha, sigma = self.alpha_sigma(t, z_t)
        return (z_t - sigma * eps) / alpha

    def epsilon(self, output: Tensor, z_t: Tensor, t: Tensor) -> Tensor:
        """What the network predicted, as eps."""
        alpha, sigma = self.alpha_sigma(t, z_t)
        match self.prediction:
            case "epsilon":
                return output
            case "v_prediction":  # v = alpha eps - sigma z
                return alpha * output + sigma * z_t
            case "flow":  # v = eps - z
                return z_t + alpha * output
            case "sample":
                return (z_t - alpha * output) / sigma
        raise ValueError(f"unknown prediction type {self.prediction!r}")

    def error(self, error: Tensor, t: Tensor) -> Tensor:
        """An error of a noise prediction as the error of the network's output that it comes from: the inverse of the
        slope of `epsilon`."""
        alpha, sigma = self.alpha_sigma(t, error)
        slope = {"epsilon": 1.0, "v_prediction": alpha, "flow": alpha, "sample": -alpha / sigma}[self.prediction]
        return error / slope

    def weight(self, name: Literal["sigma2", "uniform"], t: Tensor, like: Tensor) -> Tensor:
        """The weighting w(t): "sigma2" (1 - alpha-bar, DreamFusion) or "uniform" (1)."""
        _, sigma = self.alpha_sigma(t, like)
        return sigma**2 if name == "sigma2" else torch.ones_like(sigma)
