"""What the table of objectives says a method costs and needs, and what is checked before a run."""

from __future__ import annotations

import inspect

import pytest
from torch import Tensor

from dreamforge import components, config
from dreamforge.cli import main
from dreamforge.contracts import Distilled
from dreamforge.errors import UserError
from dreamforge.objectives import OBJECTIVES
from dreamforge.objectives.needs import NEEDS, check_needs, method_of
from dreamforge.rehearsal import rehearse_objective
from dreamforge.priors.toyworld import ToyWorld


class Distilled2D:
    """A prior with guidance built in: it has no unconditional prediction and no backward pass."""

    provides = frozenset({"multi-view"})


def stage(objective: str | dict) -> config.StageConfig:
    return config.typed({"stages": [{"scene": "gaussians", "objective": objective}]}).stages[0]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_table_says_what_a_method_asks_for(name: str) -> None:
    """Catches a need left out of the table, or one that is not checked."""
    method, asked = OBJECTIVES[name], rehearse_objective(stage(name))
    assert method.needs <= NEEDS.keys() and method.evaluations
    assert ("guidance" in method.needs) == bool(asked - {"positive"})
    assert ("learned score" in method.needs) == ("phi" in inspect.signature(method.function).parameters)


def test_needs_that_are_not_met_are_one_line() -> None:
    for objective, prior, message in (
        ("csd", Distilled2D(), "stages.1.objective: csd needs an unconditional prediction; "),
        ("mvdream", ToyWorld(multiview=False), "mvdream needs a prior that sees several views at once; "),
    ):
        with pytest.raises(UserError, match=message) as caught:
            check_needs(stage(objective), prior, rehearse_objective(stage(objective)), "stages.1")
        assert "\n" not in str(caught.value)


def test_a_method_that_can_do_without_guidance_may() -> None:
    alone = stage({"name": "sds", "guidance": 1})
    check_needs(alone, Distilled2D(), rehearse_objective(alone), "stages.0")
    with pytest.raises(UserError, match="sds needs"):
        check_needs(stage("sds"), Distilled2D(), rehearse_objective(stage("sds")), "stages.0")
    check_needs(stage("mvdream"), ToyWorld(), rehearse_objective(stage("mvdream")), "stages.0")


def test_a_bare_function_of_a_plugin_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(z: Tensor, t: Tensor, eps: Tensor, prior: object, prompt: object) -> Distilled:
        """A pull."""
        return Distilled(z)

    monkeypatch.setitem(OBJECTIVES, "pull", pull)  # type: ignore[arg-type]
    assert method_of("pull").function is components.find("objectives", "pull", "here") is pull
    check_needs(stage("pull"), Distilled2D(), {"negative"}, "stages.0")


def test_the_list_shows_cost_and_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "objectives"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
    assert rows.keys() == OBJECTIVES.keys()
    assert rows["ism"].startswith("3 + t / stride") and "guidance, inversion" in rows["ism"]
