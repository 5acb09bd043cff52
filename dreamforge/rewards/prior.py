"""A prior as its own critic."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.components import Count, NonNegative
from dreamforge.contracts import Condition, Prior
from dreamforge.rng import generator


class PriorReward:
    """How likely the prior thinks it that a picture shows the prompt, log p(prompt | picture) with even odds against
    its unconditional model, at most 0.

    For the priors whose densities are known it is exact, for a picture seen through noise of standard deviation `std`
    on each number, and differentiable; under toyworld the unconditional model is one each of some nouns. For a network the
    log-likelihoods are estimated from its errors at `draws` levels of one fixed noise (a diffusion classifier), which
    can choose but not pull: that has no gradient. 2 draws evaluations a picture.

    visual: how much counts besides log p(image prompt | picture, prompt), with even odds against no such picture: VP3D's
    reward for agreeing with the visual prompt (its own form and weights are unconfirmed). One more likelihood.
    """

    def __init__(self, *, prior: Prior, std: NonNegative = 1.0, draws: Count = 8, visual: NonNegative = 0.0) -> None:
        self.prior, self.std, self.draws, self.visual = prior, std, draws, visual
        self._views: tuple[int, ...] = ()

    def __call__(
        self, pictures: Tensor, prompt: str, cameras: Cameras | None = None, background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Tensor:
        """See `dreamforge.contracts.Reward`."""
        z = self.prior.encode(pictures)
        asked = self._conditions(len(pictures), prompt, cameras, background, image if self.visual else None)
        likelihood = self._exact if hasattr(self.prior, "log_likelihood") else self._estimated
        with_prompt, without, *with_image = likelihood(z, asked)
        score = torch.nn.functional.logsigmoid(with_prompt - without)
        return score + sum(self.visual * torch.nn.functional.logsigmoid(seen - with_prompt) for seen in with_image)

    def _conditions(
        self, count: int, prompt: str, cameras: Cameras | None, background: Tensor | None, image: Tensor | None
    ) -> list[Condition]:
        """Those of the prompt, of the empty one and of the prompt beside the image prompt if there is one, kept while
        the same views are scored again."""
        views = (count, prompt, id(cameras), id(background), id(image))
        if views != self._views:
            self._asked = [self.prior.condition([text] * count, cameras, background) for text in (prompt, "")]
            if image is not None:
                self._asked.append(self.prior.condition([prompt] * count, cameras, background, image))
            self._views, self._kept = views, (cameras, background, image)  # kept: an id is unique only while its object lives
        return self._asked

    def _exact(self, z: Tensor, asked: list[Condition]) -> list[Tensor]:
        return [self.prior.log_likelihood(z, condition, self.std) for condition in asked]

    @torch.no_grad()
    def _estimated(self, z: Tensor, asked: list[Condition]) -> list[Tensor]:
        """Minus half the squared errors of the predicted noise, summed over the levels, under each condition."""
        noise, random = self.prior.noise, generator(0, "prior reward")
        total = [torch.zeros(len(z), device=z.device)] * len(asked)
        for draw in range(self.draws):
            level = (2 * draw + 1) * noise.steps // (2 * self.draws)
            t, eps = torch.full((len(z),), level, device=z.device), torch.randn(z.shape, generator=random).to(z)
            answers = self.prior.predict(noise.add(z, eps, t), t, asked)
            total = [part - 0.5 * (hat - eps).flatten(1).square().sum(1) for part, hat in zip(total, answers, strict=True)]
        return total
