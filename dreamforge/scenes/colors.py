"""Colours in space, for surfaces that have no texture, or none yet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamforge.kernels.hashgrid import hash_encode

COARSEST = 8  # cells a side
CHANNELS = 4  # of a table are a multiple of it


class HashColors(nn.Module):
    """Values in [0,1] at any point of [-1,1]^3: the features of a hash grid, added up over its levels, are their logits.

    channels: how many values. levels, finest: of the grid, in cells a side. table_bits: log2 of a level's entries.
    """

    def __init__(self, channels: int, levels: int, finest: int, table_bits: int, device: torch.device) -> None:
        super().__init__()
        self.channels = channels
        self.resolutions = [
            round(COARSEST * (finest / COARSEST) ** (level / max(1, levels - 1))) for level in range(levels)
        ]
        features = -(-channels // CHANNELS) * CHANNELS
        self.table = nn.Parameter(torch.zeros(levels, 1 << table_bits, features, device=device))

    def forward(self, points: Tensor) -> Tensor:
        """`[M,channels]` at points `[M,3]`, which get no gradient."""
        logits = hash_encode(0.5 * points.detach() + 0.5, self.table, self.resolutions, summed=True)
        return logits[:, : self.channels].sigmoid()
