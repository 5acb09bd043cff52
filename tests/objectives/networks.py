"""Priors for identities that hold for any network, and pieces that the tests of several objectives share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from dreamforge.contracts import Condition, Phi, Prior
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.noise import NoiseProcess, Prediction
from dreamforge.priors.pixels import PixelSpace

F64 = torch.float64


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def antithetic(count: int, size: int) -> Tensor:
    """Noise whose mean is exactly 0, so that expectations of what is linear in it are exact."""
    half = draw(count // 2, size, seed=9)
    return torch.cat([half, -half])


def noise_from_zero() -> NoiseProcess:
    """Stable Diffusion's schedule with a noise-free timestep 0."""
    noise = NoiseProcess.stable_diffusion(dtype=F64)
    noise.alphas[0], noise.sigmas[0] = 1, 0
    return noise


def gaussian(std: float, noise: NoiseProcess | None = None) -> Analytic:
    """The prior N((1,-2), std²), whatever the prompt."""
    return Analytic(means=[[1.0, -2.0]], stds=[std], noise=noise or NoiseProcess.stable_diffusion(dtype=F64))


def gaussian_colors(std: float) -> Analytic:
    """The prior of plain pictures of one colour, N((0.4,-0.6,0.1), std²) in every pixel."""
    return Analytic(means=[[0.4, -0.6, 0.1]], stds=[std], noise=NoiseProcess.stable_diffusion(dtype=F64))


MEAN = torch.tensor([1.0, -2.0], dtype=F64)


def free(prior: Prior) -> Callable[[Tensor, Tensor], Tensor]:
    """The prediction under the empty prompt."""
    return lambda z_t, t: prior.predict(z_t, t, [prior.condition([""] * len(t))])[0]


def bars(noise: NoiseProcess, t: Tensor) -> Tensor:
    """sigma_t / alpha_t, `[B,1]`."""
    return (noise.sigmas / noise.alphas)[t][:, None]


def slope(bar: Tensor, std: float) -> Tensor:
    """f: the noise prediction of a Gaussian is f (z_bar - m)."""
    return bar / (std**2 + bar**2)


class Network(PixelSpace):
    """A prior that is a random two-layer network, different for each prompt. Remembers (t, prompts) of each call."""

    device = torch.device("cpu")

    def __init__(self, noise: NoiseProcess | None = None) -> None:
        self.noise = noise or NoiseProcess.stable_diffusion(dtype=F64)
        self.asked: list[tuple[list[int], list[str]]] = []

    def condition(self, prompts: Sequence[str], *_: object, image: Tensor | None = None) -> Condition:
        return Condition(prompts[0] if image is None else f"{prompts[0]} beside {image.sum().item():.6f}")

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        self.asked.append((t.tolist(), [condition.data for condition in conditions]))
        inputs = torch.cat([z_t.flatten(1), t[:, None].to(z_t) / self.noise.steps], 1)
        size = inputs.shape[1]
        answers = []
        for condition in conditions:
            seed = sum(condition.data.encode()) + 1
            hidden = torch.tanh(inputs @ draw(size, 16, seed=seed) + draw(16, seed=seed + 1))
            answers.append((hidden @ draw(16, size - 1, seed=seed + 2)).view_as(z_t) / 4)
        return answers

    def eps(self, z_t: Tensor, t: Tensor, prompt: str) -> Tensor:
        """One prediction, for a test's own arithmetic."""
        return self.predict(z_t, t, [Condition(prompt)])[0]


class Perfect(PixelSpace):
    """A prior that recognizes the noise in z exactly, whatever the prompt."""

    device = torch.device("cpu")

    def __init__(self, z: Tensor) -> None:
        self.noise, self.z = NoiseProcess.stable_diffusion(dtype=F64), z

    def condition(self, prompts: Sequence[str], *_: object, image: Tensor | None = None) -> Condition:
        return Condition(prompts[0] if image is None else f"{prompts[0]} beside {image.sum().item():.6f}")

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        alpha, sigma = self.noise.alpha_sigma(t, z_t)
        return [(z_t - alpha * self.z) / sigma] * len(conditions)


class Reparametrized(PixelSpace):
    """The denoiser of another prior behind a network that predicts something else, flow matching at equal
    noise-to-signal ratio included."""

    device = torch.device("cpu")

    def __init__(self, inner: Prior, prediction: Prediction) -> None:
        self.inner = inner
        alphas, sigmas = inner.noise.alphas, inner.noise.sigmas
        total = alphas + sigmas if prediction == "flow" else torch.ones_like(alphas)
        self.noise = NoiseProcess(alphas / total, sigmas / total, prediction)

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        alpha, sigma = self.noise.alpha_sigma(t, z_t)
        inner_alpha, _ = self.inner.noise.alpha_sigma(t, z_t)
        answers = []
        for eps in self.inner.predict(z_t / alpha * inner_alpha, t, conditions):
            clean = (z_t - sigma * eps) / alpha
            output = {
                "epsilon": eps,
                "v_prediction": alpha * eps - sigma * clean,
                "flow": eps - clean,
                "sample": clean,
            }[self.noise.prediction]
            answers.append(self.noise.epsilon(output, z_t, t))
        return answers


def answering(*answers: Tensor) -> Phi:
    """A phi that answers with fixed tensors: posed, camera-free and, if given, under the empty prompt."""
    made = [partial(Condition, answer) for answer in (*answers, *answers)[: max(2, len(answers))]]
    return Phi(lambda z_t, t, conditions: [condition.data for condition in conditions], *made)


def like_prior(prior: Prior, count: int, posed: str, free: str = "", empty: str = "") -> Phi:
    """A phi that is the prior itself, under the given prompts."""
    return Phi(prior.predict, *(partial(prior.condition, [text] * count) for text in (posed, free, empty)))


def cloud_phi(noise: NoiseProcess, cloud: Tensor, posed: Tensor | None = None) -> Phi:
    """The score of the Gaussian with the mean and variance of a cloud `[P,C]`, for its noised points `[P*,C]`.

    posed: the noise, where phi knows every camera's picture exactly; the Gaussian is then its camera-free score.
    """
    mean, variance = cloud.mean(0), cloud.var(0, correction=0).mean()

    def gaussian_eps(z_t: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = noise.alpha_sigma(t, z_t)
        return sigma * (z_t - alpha * mean) / (alpha**2 * variance + sigma**2)

    def predict(z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        return [posed if condition.data == "posed" else gaussian_eps(z_t, t) for condition in conditions]

    name = "free" if posed is None else "posed"
    return Phi(predict, lambda: Condition(name), lambda: Condition("free"))


def settle(cloud: Tensor, gradient: Callable[[Tensor, Tensor, Tensor], Tensor], steps: int, rate: float) -> Tensor:
    """Where plain descent takes a cloud of particles `[P,C]`, each pulled by its mean over noise of both signs.

    gradient(z `[2P,C]`, eps, cloud): the noise in each of the two halves is the other's negative, so that the mean of
    what is linear in it has no error.
    """
    for step in range(steps):
        eps = draw(*cloud.shape, seed=step)
        pull = gradient(torch.cat([cloud, cloud]), torch.cat([eps, -eps]), cloud)
        cloud = cloud - rate * (pull[: len(cloud)] + pull[len(cloud) :]) / 2
    return cloud
