"""Parts built from a configuration."""

from __future__ import annotations

from dreamforge import config as configuration
from dreamforge.building import build_prior, second_prior_of


def test_a_prior_stays_loaded_until_another_is_asked_for() -> None:
    """Would miss one loaded anew for every run, and one that is kept though options, seed or name are others."""
    plain, _ = configuration.load("splats", prompt="a cat")
    others = [configuration.load("splats", changes, prompt="a cat", seed=seed)[0] for changes, seed in (
        (["prior.instances=2"], 0), ([], 1), (["prior=analytic"], 0),
    )]  # fmt: skip
    first = build_prior(plain)
    assert build_prior(configuration.load("splats", ["log_every=3"], prompt="a dog")[0]) is first
    for other in others:
        assert build_prior(other) is not first
    assert (build_prior(others[0]).instances, build_prior(others[1]).seed) == (2, 1)


def test_a_second_prior_stays_beside_the_first() -> None:
    config, _ = configuration.load("dsd", prompt="a cat")
    first, stage = build_prior(config), config.stages[1]
    second = second_prior_of(stage, first, config.seed)
    assert second is second_prior_of(stage, build_prior(config), config.seed) is not first
    assert build_prior(config) is first
