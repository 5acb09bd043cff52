"""Two learned scores: of the renders as they are, and of what the prior makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.components import Count, Fraction
from dreamforge.contracts import Phi, Prior, PromptConditions
from dreamforge.learned.lora import LoRA
from dreamforge.learned.network import Network
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import denoise
from dreamforge.prompts import view_prompts
from dreamforge.schedules import Scheduled, value_at


class Bootstrapped(nn.Module):
    """phi of the renders, with a `teacher` tuned to repaired ones (bootstrapped score distillation, DreamCraft3D).

    In the first `share` of every `cycle` of steps only the teacher learns: every `every` steps the prior repairs the
    step's renders, noised to level `strength` (a fraction of T) and denoised in `steps` DDIM steps at `guidance`; the
    newest `keep` are what it learns. In the rest only phi does, and the teacher's score pulls on the scene. Both are
    adapters on the prior's network (theirs are whole copies of it), or small networks where it has none. The teacher is
    told the cameras, where theirs reads view words. `rate`: of learning.
    """

    def __init__(
        self,
        *,
        prior: Prior,
        shape: Sequence[int],
        seed: int,
        cycle: Count = 1000,
        share: Fraction = 0.2,
        every: Count = 25,
        keep: Count = 10,
        strength: Scheduled = 0.5,
        steps: Count = 25,
        guidance: float = 7.5,
        rate: Scheduled = 1e-4,
    ) -> None:
        super().__init__()
        self.prior, self.cycle, self.share, self.every, self.keep = prior, cycle, share, every, keep
        self.strength, self.steps, self.guidance = strength, steps, guidance
        learner = partial(LoRA, prior=prior, learning_rate=rate, prompt_dropout=0.1)
        if not hasattr(prior, "unet"):
            learner = partial(Network, prior=prior, shape=shape, learning_rate=rate)
        self.teacher, self.renders = learner(seed=seed), learner(seed=seed + 1, camera_dropout=1.0)
        groups = [{"name": name, "params": [parameter]} for name, parameter in self.named_parameters()]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, fused=True)
        self.teacher.optimizer = self.renders.optimizer = self.optimizer
        here = {"device": prior.device}
        self.register_buffer("pictures", torch.zeros(keep, *shape, **here))
        self.register_buffer("poses", torch.zeros(keep, 4, 4, **here))
        self.register_buffer("behind", torch.zeros(keep, 3, **here))
        self.register_buffer("counts", torch.tensor([0, 0]))  # steps, pictures kept so far; on the CPU: nothing waits

    @property
    def tuning(self) -> bool:
        """Whether this step is the teacher's."""
        return int(self.counts[0]) % self.cycle < self.share * self.cycle

    def phi(self, prompt: str, cameras: Cameras, background: Tensor) -> Phi:
        """See `dreamforge.contracts.LearnedScore`."""
        seen = self.renders.phi(prompt, cameras, background)
        seen.teacher = None if self.tuning else self.teacher.phi(prompt, cameras, background)
        return seen

    def learn(
        self, z: Tensor, prompt: str, cameras: Cameras, background: Tensor, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `dreamforge.contracts.LearnedScore`."""
        if not self.tuning:
            figures = self.renders.learn(z, prompt, cameras, background, progress, generator)
        else:
            if int(self.counts[0]) % self.cycle % self.every == 0:
                self._remember(self._repaired(z, prompt, cameras, background, progress, generator), cameras, background)
            kept = min(int(self.counts[1]), self.keep)
            at = torch.randint(kept, (len(z),), generator=generator).to(z.device)
            seen = Cameras(self.poses[at], cameras.fov, cameras.height, cameras.width)
            figures = self.teacher.learn(self.pictures[at], prompt, seen, self.behind[at], progress, generator)
        self.counts[0] += 1
        return figures

    @torch.no_grad()
    def _repaired(
        self, z: Tensor, prompt: str, cameras: Cameras, behind: Tensor, progress: float, generator: torch.Generator
    ) -> Tensor:
        """The renders `[B,...]`, partly noised and denoised again by the prior."""
        ask = partial(partial, self.prior.condition, cameras=cameras, background=behind)
        told = PromptConditions(ask(view_prompts(prompt, cameras)), ask([""] * len(z)))
        t = self.prior.noise.timestep(torch.full((len(z),), value_at(self.strength, progress))).to(z.device)
        eps = torch.randn(z.shape, generator=generator).to(z)
        predict = partial(guided, self.prior, prompt=told, scale=self.guidance)
        return denoise(self.prior.noise, predict, self.prior.noise.add(z, eps, t), t, self.steps)

    def _remember(self, pictures: Tensor, cameras: Cameras, behind: Tensor) -> None:
        """Put pictures in the places of the oldest."""
        if pictures.shape[1:] != self.pictures.shape[1:]:
            pictures = nn.functional.interpolate(pictures, self.pictures.shape[2:], mode="bilinear", antialias=True)
        at = (torch.arange(len(pictures)) + int(self.counts[1])) % self.keep
        at = at.to(pictures.device)
        self.pictures[at], self.poses[at], self.behind[at] = pictures, cameras.c2w.to(pictures), behind.to(pictures)
        self.counts[1] += len(pictures)
