"""Muon (Jordan et al. 2024) for the weights inside a network: torch's own, for convolutions too."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

SMALLEST = 16
"""Features on either side of a weight below which it has no directions to even out."""


class Muon(torch.optim.Muon):
    """A convolution is learned as the matrix `[out,in*h*w]`, which shares its memory.

    Rates are those of AdamW: updates are scaled to what it would change a weight by (arXiv 2502.16982).
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float) -> None:
        self.matrices = {weight: nn.Parameter(_matrix(weight.data)) for weight in weights}
        super().__init__(self.matrices.values(), lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")

    def step(self) -> None:
        """One update from the weights' gradients."""
        for weight, matrix in self.matrices.items():
            matrix.grad = _matrix(torch.empty_like(weight).copy_(weight.grad))
        super().step()


def suits(name: str, weight: Tensor) -> bool:
    """Whether a weight maps features to features: neither a table of embeddings nor a head of a few numbers."""
    return weight.ndim in (2, 4) and min(weight.shape[:2]) >= SMALLEST and "embed" not in name


def _matrix(weight: Tensor) -> Tensor:
    """A view in the order the numbers lie in memory."""
    channels_last = weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    return (weight.permute(0, 2, 3, 1) if channels_last else weight).view(len(weight), -1)
