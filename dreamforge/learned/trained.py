"""What scores trained by denoising share: the loss, the optimizer and the dropout of conditions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.contracts import Condition, Phi
from dreamforge.priors.noise import NoiseProcess
from dreamforge.schedules import Scheduled, value_at


class TrainedScore(nn.Module):
    """A noise predictor that learns by denoising what a step rendered, the mean of |output - target|².

    Its parameters are those of the module; whatever frozen network it stands on is not registered. The camera is
    hidden for a share `camera_dropout` of the updates and the prompt for `prompt_dropout`: without the first there is
    no camera-free score (ESD), without the second no guidance of phi (PG-SB).
    """

    noise: NoiseProcess
    optimizer: torch.optim.Optimizer

    def train_with(
        self, learning_rate: Scheduled, updates: int, camera_dropout: float, prompt_dropout: float = 0.0
    ) -> None:
        """Set up the training, once the parameters are there. updates: a step."""
        self.learning_rate, self.updates = learning_rate, updates
        self.camera_dropout, self.prompt_dropout = camera_dropout, prompt_dropout
        groups = [{"name": name, "params": [parameter]} for name, parameter in self.named_parameters()]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, fused=True)
        self.register_buffer("mean", torch.tensor(0.0, device=groups[0]["params"][0].device))

    @abstractmethod
    def condition(self, prompt: str, cameras: Cameras | None, background: Tensor) -> Condition:
        """What the pictures are: of a prompt, from cameras or (None) from anywhere, on plain backgrounds `[B,3]`."""

    @abstractmethod
    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The noise in z_t under each condition, in one batched forward."""

    def phi(self, prompt: str, cameras: Cameras, background: Tensor) -> Phi:
        """See `dreamforge.contracts.LearnedScore`."""
        ask = partial(partial, self.condition)
        return Phi(
            self.predict, ask(prompt, cameras, background), ask(prompt, None, background), ask("", cameras, background),
            running=self._running,
        )

    def _running(self, value: Tensor, keep: float) -> Tensor:
        before = torch.where(self.mean == 0, value, self.mean)  # 0 is none yet
        self.mean = (keep * before + (1 - keep) * value).to(self.mean)
        return self.mean

    @torch.enable_grad()
    def learn(
        self, z: Tensor, prompt: str, cameras: Cameras, background: Tensor, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `dreamforge.contracts.LearnedScore`."""
        z = z.detach()
        for _ in range(self.updates):
            hide_camera, hide_prompt = torch.rand(2, generator=generator).tolist()
            shown = None if hide_camera < self.camera_dropout else cameras
            condition = self.condition("" if hide_prompt < self.prompt_dropout else prompt, shown, background)
            t = torch.randint(self.noise.steps, (len(z),), generator=generator).to(z.device)
            eps = torch.randn(z.shape, generator=generator).to(z)
            [predicted] = self.predict(self.noise.add(z, eps, t), t, [condition])
            loss = self.noise.error(predicted - eps, t).square().mean()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.found_inf = 1 - loss.detach().isfinite().float()  # the fused Adam then leaves all as it is
            for group in self.optimizer.param_groups:
                group["lr"] = value_at(self.learning_rate, progress)
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return {"phi_loss": loss.detach()}


def camera_numbers(cameras: Cameras | None, count: int) -> Tensor:
    """The 16 entries of each camera-to-world matrix `[B,16]`, all zero for no camera."""
    return torch.zeros(count, 16) if cameras is None else cameras.c2w.flatten(1)
