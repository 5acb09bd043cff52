"""Low-rank adapters on the prior's own network as learned score, as VSD has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.components import Count, Fraction
from dreamforge.contracts import Condition, Prior
from dreamforge.errors import UserError
from dreamforge.learned.trained import TrainedScore, camera_numbers
from dreamforge.schedules import Scheduled

PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")


class LoRA(TrainedScore):
    """Adapters of `rank` on the attention projections and a camera embedding added to that of time.

    Both are zero at first, so phi starts as the network it stands on: the prior's own, to which they are attached only
    while phi is asked ("single-model", nothing is copied), or another checkpoint `model` over the same latents and
    noise, such as a v-prediction one beside an epsilon-prediction prior. Trained in single precision in the network's
    own prediction type; published warm-up: learning_rate {0: 0, 0.02: 1e-4}.
    """

    def __init__(
        self,
        *,
        prior: Prior,
        seed: int,
        rank: Count = 4,
        model: str = "",
        learning_rate: Scheduled = 1e-4,
        updates: Count = 1,
        camera_dropout: Fraction = 0.1,
        prompt_dropout: Fraction = 0.0,
    ) -> None:
        super().__init__()
        self.base = _other_model(model, prior) if model else prior
        self.noise = self.base.noise
        network = network_of(self.base)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            targets = [module for name, module in network.named_modules() if name.endswith(PROJECTIONS)]
            self.adapters = nn.ModuleList(_Adapter(module, rank) for module in targets)
            size = network.time_embedding.linear_2.out_features
            self.camera = nn.Sequential(nn.Linear(16, size), nn.SiLU(), nn.Linear(size, size))
        nn.init.zeros_(self.camera[2].weight)
        nn.init.zeros_(self.camera[2].bias)
        self._frozen = [network.time_embedding, *targets]  # a list, so that they do not become parts of this module
        self.to(prior.device)
        self.train_with(learning_rate, updates, camera_dropout, prompt_dropout)

    def condition(self, prompt: str, cameras: Cameras | None, background: Tensor) -> Condition:
        """The prompt as the network reads it, and the cameras `[B,16]`."""
        count = len(background)
        text = self.base.condition([prompt] * count, cameras, background)
        return Condition((text, camera_numbers(cameras, count).to(background)))

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The adapted network's noise prediction; see `dreamforge.contracts.Phi`."""
        texts, cameras = zip(*(condition.data for condition in conditions), strict=True)
        with self._attached(torch.cat(cameras)):
            return self.base.predict(z_t, t, texts)

    @contextmanager
    def _attached(self, cameras: Tensor) -> Iterator[None]:
        """The network with the adapters on: they are hooks, so that the prior's weights and modules stay as they are."""
        shift = self.camera(cameras)
        additions = [lambda module, inputs, output: output + shift.to(output), *(a.added for a in self.adapters)]
        hooks = [part.register_forward_hook(add) for part, add in zip(self._frozen, additions, strict=True)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


class _Adapter(nn.Module):
    """up(down(x)) beside a linear layer, zero at first."""

    def __init__(self, beside: nn.Linear, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(beside.in_features, rank, bias=False)
        self.up = nn.Linear(rank, beside.out_features, bias=False)
        nn.init.normal_(self.down.weight, std=1 / rank)
        nn.init.zeros_(self.up.weight)

    def added(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """A forward hook: the layer's output and the adapter's."""
        return output + self.up(self.down(inputs[0].float())).to(output)


def network_of(prior: Prior) -> Any:
    """The UNet of a prior that has one. UserError for one that has none."""
    network = getattr(prior, "unet", None)
    if network is None:
        raise UserError("phi: lora adapts the prior's own UNet and this prior has none; use phi=network")
    return network


def _other_model(model: str, prior: Prior) -> Prior:
    from dreamforge.priors.diffusers import Diffusers

    other = Diffusers(model=model, device=prior.device)
    if not torch.allclose(other.noise.alphas, prior.noise.alphas.to(other.noise.alphas), atol=1e-4):
        raise UserError(f"phi.model: {model} adds noise by another schedule than the prior; choose one that shares it")
    return other
