"""What holds for every objective: shapes, parametrizations, a prior that is never wrong, a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from dreamforge import config
from dreamforge.cameras import orbit
from dreamforge.components import KINDS
from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions, Second, Source, Views
from dreamforge.objectives import OBJECTIVES
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.noise import NoiseProcess
from tests.conftest import conditions
from tests.objectives.networks import F64, Perfect, Reparametrized, draw, seeded

T = torch.tensor([20, 300, 600, 980])
SHAPES = [(4, 2), (4, 4, 8, 8)]
"""A point in the plane and a latent; a set of four views for those who need one."""

DIFFERENCES = sorted(OBJECTIVES.keys() - {"bsd", "nfsd", "mean_shift", "sim"})
"""Those that ask for nothing where every prediction is right (SIM's direction is then 0 / 0)."""

SAME_WEIGHT_IN_FLOW = sorted(OBJECTIVES.keys() - {"bsd", "rfds"})
"""Those that weigh by sigma_bar or evenly, and not by alpha, which another noise process changes."""


def ask(name: str, z: Tensor, prior: Prior, prompts: Any = None, **options: Any) -> Distilled:
    objective: Callable[..., Distilled] = OBJECTIVES[name].function
    options = {**supply(z, prior, prompts), "weight": "uniform", **options}
    if name == "anchords" and z.dim() == 2:  # the one that shows the prior a picture for each point
        options["rendered"] = Views(*[z.sigmoid()[..., None, None]] * 3)
    known = inspect.signature(objective).parameters
    chosen = {key: value for key, value in options.items() if key in known}
    return objective(z, T, draw(*z.shape, seed=1).to(z), prior, prompts or conditions(prior, 4), **chosen)


def supply(z: Tensor, prior: Prior, prompts: Any = None) -> dict[str, Any]:
    """What the engine gives: a source beside z, views as if z were pictures."""
    prompts = prompts or conditions(prior, 4)
    rgb = z.sigmoid()
    teacher = Phi(prior.predict, lambda: prompts.positive, lambda: prompts.empty, lambda: prompts.negative)
    return {
        "progress": 0.3,
        "generator": seeded(),
        "rendered": Views(rgb, rgb[:, :1], rgb[:, :1]),
        "phi": Phi(prior.predict, lambda: prompts.negative, lambda: prompts.empty, teacher=teacher),
        "second": Second(prior, prompts),
        "source": Source(z + draw(*z.shape, seed=5).to(z), prompts),
        "cameras": orbit([0.0, 80.0, 170.0, 260.0], 15.0, size=8),
        "image": rgb[0] if z.dim() == 4 else rgb[0, :, None, None],
        "reward": lambda pictures: pictures.flatten(1).mean(1),
    }


def mixture(channels: int, dtype: torch.dtype = F64) -> Analytic:
    means = [draw(channels, seed=seed).tolist() for seed in range(3)]
    prompts = {"y": [1.0, 0.5, 0.0], "": [0.2, 0.2, 1.0]}
    noise = NoiseProcess.stable_diffusion(dtype=dtype)
    return Analytic(means=means, stds=[0.4, 0.7, 1.0], prompts=prompts, noise=noise)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_finite_and_shaped_like_the_latent(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """The same numbers from the same generator, too: nothing is drawn anywhere else."""
    z, prior = draw(*shape).to(dtype), mixture(shape[1], dtype)
    grad = ask(name, z, prior).grad
    assert grad.shape == z.shape and grad.dtype == dtype
    assert grad.isfinite().all() and grad.abs().max() > 1e-6
    assert torch.equal(ask(name, z, prior).grad, grad)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample", "flow"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a2_gradients_do_not_depend_on_what_the_network_predicts(
    name: str, prediction: str, shape: tuple[int, ...]
) -> None:
    """The same denoiser behind another parametrization; in flow matching (at equal sigma_bar) up to each item's
    weight for those that weigh by alpha."""
    inner, z = mixture(shape[1]), draw(*shape)
    prompt = conditions(inner, 4)
    expected = ask(name, z, inner, prompt).grad
    grad = ask(name, z, Reparametrized(inner, prediction), prompt).grad  # type: ignore[arg-type]
    if prediction == "flow" and name not in SAME_WEIGHT_IN_FLOW:
        grad, expected = (torch.nn.functional.normalize(g.flatten(1)) for g in (grad, expected))
    assert torch.allclose(grad, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_t_gen_1_a21_a_prior_that_sees_the_noise_asks_for_nothing(name: str) -> None:
    """Catches unequal coefficients of predictions and noise, and a z_t noised otherwise than said."""
    z = draw(4, 3, 2, 2)
    prior = Perfect(z)
    grad = ask(name, z, prior, source=Source(z, conditions(prior, 4))).grad
    assert torch.allclose(grad, 0 * z, atol=1e-9)


def with_views(prior: Prior, weight: float, rescale: float = 0.0) -> PromptConditions:
    """Conditions of a stage with Perp-Neg, whose other view has a wording of its own, or with rescale."""
    plain = conditions(prior, 4)
    views = [partial(prior.condition, ["other"] * 4)]
    weights = torch.full((4, 1), weight, dtype=F64) if weight else None
    makes = (lambda: plain.positive, lambda: plain.negative, lambda: plain.empty)
    beside = partial(conditions, prior, 4)
    return PromptConditions(*makes, views, weights, lambda image: beside(image=image), rescale)


GUIDED = sorted(name for name, method in OBJECTIVES.items() if "guidance" in method.needs)
DIRECTIONS = {"bsd", "csd", "csm", "invariant", "nfsd", "sds_bridge"}
"""Those that have no guided picture, only the direction of guidance: rescale has nothing to work on."""


@pytest.mark.parametrize("name", GUIDED)
def test_perp_neg_and_rescale_serve_every_method_with_guidance(name: str) -> None:
    """Catches a method that guides by itself, past what the stage asks for. Guidance is off where the options say so."""
    z, prior = draw(4, 2), mixture(2)
    prior.prompts["other"] = [0.1, 0.9, 0.4]
    option = inspect.signature(OBJECTIVES[name].function).parameters.get("guidance")
    scale: dict[str, Any] = {} if option is None else {"guidance": [7.0, 8.0] if name == "pgsb" else 7.5}
    plain, turned, rescaled = (
        ask(name, z, prior, with_views(prior, *how), **scale).grad for how in ((0,), (-2,), (0, 0.5))
    )
    assert torch.allclose(ask(name, z, prior, conditions(prior, 4), **scale).grad, plain, atol=1e-12)
    assert (turned - plain).abs().max() > 1e-6
    assert torch.allclose(rescaled, plain, atol=1e-12) == (name in DIRECTIONS)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_has_a_recipe_and_a_described_signature(name: str) -> None:
    stages = config.load(name if name != "sds" else "splats")[0].stages
    assert name in {stage.objective.name for stage in stages}
    parameters = inspect.signature(OBJECTIVES[name].function).parameters
    assert list(parameters)[:5] == ["z", "t", "eps", "prior", "prompt"]
    for key, parameter in list(parameters.items())[5:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert (parameter.default is inspect.Parameter.empty) == (key in KINDS["objectives"].supplied)
