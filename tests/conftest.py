"""Shared fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from hypothesis import settings
from torch import Tensor

from dreamforge.contracts import Condition, Prior, PromptConditions
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.noise import NoiseProcess


settings.register_profile("busy", deadline=None)  # how long an example takes says more of the machine than of the code
settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU, with a reason, where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For many operations on tiny tensors, which only wait for each other where they share the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def gaussians() -> Callable[..., Analytic]:
    """Makes a float64 prior of two Gaussians in the plane: prompt "y" is the first, the empty prompt the second."""

    def make(means: list[list[float]], stds: list[float]) -> Analytic:
        noise = NoiseProcess.stable_diffusion(dtype=torch.float64)
        prompts = {"y": [1.0, 0.0], "": [0.0, 1.0]} if len(means) == 2 else None
        return Analytic(means=means, stds=stds, prompts=prompts, noise=noise)

    return make


def conditions(
    prior: Prior, count: int, positive: str = "y", negative: str = "", image: Tensor | None = None
) -> PromptConditions:
    """Conditions of a batch of `count`, beside a picture if given."""
    seen = {} if image is None else {"image": image}
    asked = (partial(prior.condition, [text] * count, **seen) for text in (positive, negative, ""))
    return PromptConditions(*asked, beside=partial(conditions, prior, count, positive, negative))


class Recorder:
    """A prior that answers each condition with a fixed tensor and remembers what it was asked."""

    device = torch.device("cpu")

    def __init__(self, noise: NoiseProcess, answers: dict[str, Tensor]) -> None:
        self.noise, self.answers, self.asked = noise, answers, []

    def condition(self, prompts: list[str], *_: object) -> Condition:
        return Condition(prompts[0])

    def predict(self, z_t: Tensor, t: Tensor, conditions: list[Condition]) -> list[Tensor]:
        self.asked.append([condition.data for condition in conditions])
        return [self.answers[condition.data] for condition in conditions]
