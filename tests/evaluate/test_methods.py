"""Tables of methods: budgets, what is counted, and runs that are not made twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dreamforge import config as configuration
from dreamforge.cli import main
from dreamforge.contracts import Views
from dreamforge.evaluate import table
from dreamforge.evaluate.methods import Budget, Job, Look, Result, budget_of, carry_through, plan, steps_within


def test_budgets_keep_the_recipes_proportions() -> None:
    """splats has 250 and 150 steps; the second kind of step costs three times the first here."""
    config, _ = configuration.load("splats", prompt="a cat")
    costs = [(0.1, 4.0), (0.3, 12.0)]
    assert steps_within(Budget("steps", 80), config, lambda: pytest.fail("steps cost nothing to know")) == [50, 30]
    for budget, cost in ((Budget("seconds", 7), 0), (Budget("evaluations", 280), 1)):
        steps = steps_within(budget, config, lambda: costs)
        assert steps == [25, 15]
        assert sum(n * c[cost] for n, c in zip(steps, costs, strict=True)) == pytest.approx(budget.amount)


def result(seed: int, retrieved: list[bool], **figures: float) -> Result:
    looks = [Look(r, 1.0 + k + seed, 10.0 * (k + 1)) for k, r in enumerate(retrieved)]
    return Result("sds", "a cat", seed, retrieved=retrieved[-1], looks=looks, **figures)


def test_rows_average_and_find_when_the_score_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look at 2 of 3 is undone by the next, so the third counts; a failed run counts against the shares."""
    monkeypatch.setattr(table, "_diversity", lambda jobs, good: None)
    jobs = [Job("sds", "a cat", seed, (), Path()) for seed in range(3)]
    results = [
        result(0, [True, False, True], janus=0.0, seconds=3.0),
        result(1, [True, True, True], janus=1.0, seconds=5.0),
        Result("sds", "a cat", 2, failure="the scene is empty"),
    ]
    (row,) = table.rows_of(results, jobs, score=0.6)
    assert row["retrieved"] == pytest.approx(2 / 3)
    assert (row["janus"], row["seconds"], row["failed"]) == (0.5, 4.0, 1)
    assert (row["seconds_to_score"], row["evaluations_to_score"]) == (3.5, 30.0)
    assert table.rows_of(results, jobs, score=0.7)[0]["seconds_to_score"] is None
    assert "| sds | 0.667 |" in table.as_markdown([row])


def test_diversity_is_a_ratio_to_random_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal objects have none; would miss seeds of different prompts being mixed."""
    views = Views(torch.rand(8, 3, 32, 32), torch.ones(8, 1, 32, 32), torch.ones(8, 1, 32, 32))
    monkeypatch.setattr(table, "asset_views", lambda run: views)
    monkeypatch.setattr(table.Run, "open", lambda folder: None)
    jobs = [Job("sds", "a cat", seed, (), Path()) for seed in range(2)]
    assert table._diversity(jobs, [result(0, [True]), result(1, [True])]) == 0
    assert table._diversity(jobs, [result(0, [True])]) is None


def test_a_job_is_run_once_and_judged_from_its_files(tmp_path: Path) -> None:
    (job, _) = plan(["splats"], ["a red car", "a house"], 1, Budget("steps", 30), None, tmp_path)
    first = carry_through(job, ("a red car", "a house"))
    written = (job.folder / "assets" / "model.glb").stat().st_mtime_ns
    assert first.failure is None and first.retrieved and first.evaluations == 4 * 30 and first.looks
    assert carry_through(job, ("a red car", "a house")) == first
    assert (job.folder / "assets" / "model.glb").stat().st_mtime_ns == written
    other = Job(job.method, job.prompt, 5, job.overrides, job.folder)
    assert "other settings" in str(carry_through(other, ("a red car", "a house")).failure)
    page = table.write(tmp_path, [job], [first], 0.75)
    assert json.loads((tmp_path / "results.json").read_text())[0]["method"] == "splats"
    assert "splats" in page and (tmp_path / "contact.png").stat().st_size > 1000


def test_overrides_and_recipes_in_files_serve_as_in_run(tmp_path: Path) -> None:
    """Catches an override that another prior or the budget undoes, and a job that forgets its file."""
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("base: sds\nstages: [{batch: 2}]\n")
    given = ["prior.views=blind", "stages.1.objective.guidance=7.5"]
    job, *_ = plan(["sds", str(recipe)], ["a red car", "a house"], 1, Budget("steps", 40), "toyworld", tmp_path, given)[2:]
    config, _ = configuration.load(job.recipe, job.overrides, prompt=job.prompt)
    assert job.method == "mine" and job.folder.parent.name == "mine"
    assert config.prior.options["views"] == "blind" and config.stages[1].objective.options["guidance"] == 7.5
    assert [stage.steps for stage in config.stages] == [25, 15] and config.stages[0].batch == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "hours=3"], "not a budget"),
        (["--budget", "steps=0"], "not a budget"),
        (["--methods", "splat"], "did you mean 'splats'"),
        (["--prompts", "nowhere.txt"], "no prompt list nowhere.txt"),
        (["--methods", "sds,nowhere.yaml"], "nowhere.yaml"),
        (["--methods", "sds", "prior.view=blind"], "did you mean 'views'"),
        (["--methods", "sds", "blind"], "unrecognized argument 'blind'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "table"
    assert main(["evaluate", "methods", "--out", str(out), *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not out.exists()


def test_budgets_are_read() -> None:
    assert budget_of("seconds=2.5") == Budget("seconds", 2.5)
