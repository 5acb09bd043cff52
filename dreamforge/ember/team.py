"""Several processes that train one model, as `torchrun` starts them: each on pictures of its own, gradients averaged."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """Who trains. rank 0 alone speaks, draws and writes."""

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls, cuda: bool) -> Team:
        """The team that torchrun started this process for, or this process alone."""
        if not dist.is_torchelastic_launched():
            return cls()
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        if not dist.is_initialized():
            dist.init_process_group("nccl" if cuda else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    def average_gradients(self, weights: Iterable[Tensor]) -> None:
        """The mean of all processes' gradients in place of each one's own."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(together)
        parts = together.div_(self.size).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def agreed(self, number: float, device: torch.device) -> float:
        """Rank 0's number: clocks differ, and all have to stop at the same step."""
        if self.size == 1:
            return number
        told = torch.tensor(number, dtype=torch.float64, device=device)
        dist.broadcast(told, 0)
        return float(told)
