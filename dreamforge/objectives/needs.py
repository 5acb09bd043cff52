"""What an objective costs and needs, and whether a stage and its prior have it."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dreamforge.components import entries
from dreamforge.contracts import Method, Prior
from dreamforge.errors import UserError

if TYPE_CHECKING:
    from dreamforge.config import StageConfig


@dataclass(frozen=True)
class Need:
    """Something that a method asks for: what it is, whether a stage and a prior have it, and what to do if not."""

    what: str
    met: Callable[[StageConfig, Prior], bool] = lambda stage, prior: True
    advice: str = ""


def provides(prior: Prior) -> Set[str]:
    """What a prior says it can do; one that says nothing is taken for an ordinary network."""
    return getattr(prior, "provides", {"guidance", "gradient"})


NEEDS = {
    "guidance": Need(
        "an unconditional prediction", lambda stage, prior: "guidance" in provides(prior),
        "choose a prior that is not distilled for guidance, or where it suffices set objective.guidance=1",
    ),
    "multi-view": Need(
        "a prior that sees several views at once", lambda stage, prior: "multi-view" in provides(prior),
        "choose one such as toyworld with prior.multiview=true",
    ),
    "gradient": Need(
        "gradients through the prior's network", lambda stage, prior: "gradient" in provides(prior),
        "choose another prior",
    ),
    "image": Need(
        "a prior that takes image prompts", lambda stage, prior: "image" in provides(prior),
        "choose one such as toyworld, or a checkpoint with an IP-Adapter",
    ),
    "reward": Need(
        "a reward to choose by", lambda stage, prior: stage.reward is not None, "name one, such as reward=prior"
    ),
    "second prior": Need(
        "another prior over the same latents", lambda stage, prior: stage.second_prior is not None,
        "name one as second_prior, such as a checkpoint fine-tuned on pictures of the exemplar",
    ),
    "teacher": Need(
        "a second learned score", lambda stage, prior: stage.phi is not None and stage.phi.name == "bootstrapped",
        "set phi=bootstrapped",
    ),
    "source": Need("the scene as it was, to edit"),
    "inversion": Need("a deterministic path through noise levels"),
    "learned score": Need("phi, which learns the score of the renders"),
}
"""Sources, inversion and the learned score are there for every prior; they are named for what they ask and cost."""


def method_of(name: str) -> Method:
    """The table's entry; an objective of a plugin may be a bare function, whose cost and needs are not known."""
    entry = entries("objectives")[name]
    return entry if isinstance(entry, Method) else Method(entry)


def check_needs(stage: StageConfig, prior: Prior, asked: Set[str], where: str) -> None:
    """Raise UserError for a need that the stage or its prior does not meet.

    asked: which conditions the objective evaluates as it is set up, of "positive", "negative", "empty": a method that
    needs guidance in general may do without.
    """
    name = stage.objective.name
    needed = method_of(name).needs
    for key, need in NEEDS.items():  # in the table's order, so that the same line is said every time
        spared = key == "guidance" and asked <= {"positive"}
        if key in needed and not spared and not need.met(stage, prior):
            raise UserError(f"{where}.objective: {name} needs {need.what}; {need.advice}")
