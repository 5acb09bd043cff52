"""Recipes inherit by difference; every mistake is one line that says what to try."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamforge import config
from dreamforge.components import Count, Fraction, check_value
from dreamforge.errors import UserError
from dreamforge.recipes import recipes
from dreamforge.schedules import Scheduled, check_scheduled, value_at


def refusal(recipe: str, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        config.load(recipe, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("recipe", sorted(recipes()))
def test_every_shipped_recipe_describes_itself_and_loads(recipe: str) -> None:
    assert config.load(recipe)[0].stages
    text = recipes()[recipe].read_text()
    assert text.startswith("# ") and len(text.splitlines()) <= 20


REAL = ["prior=diffusers", "prior.model=FOLDER"]
PUBLISHED = [  # METHODS.md, section 3 and appendix C.3: recipe, key of the first stage's objective, value
    ("sds", "guidance", 100), ("vsd", "guidance", 7.5), ("esd", "entropy", 0.5), ("asd", "shift", 0.1),
    ("cds", "guidance", {0: 101, 1: 51}), ("ism", "guidance", 7.5), ("tsm", "mu_frac", 0.954), ("nfsd", "guidance", 7.5),
    ("bsd", "guidance", 15), ("sdi", "inversion_guidance", -7.5), ("mvdream", "guidance", 50), ("mvdream", "rescale", 0.5),
    ("imagedream", "guidance", 5), ("hifa", "guidance", 100), ("hifa", "scale", 0.05), ("rfds", "guidance", 100),
    ("cfd", "guidance", 71), ("sim", "guidance", 8.5), ("dreamdpo", "guidance", 7.5), ("ipsds", "guidance", 100),
    ("anchords", "guidance", 101), ("reward_sds", "draws", 7), ("reward_sds", "steps", 15), ("reward_vsd", "guidance", 7.5),
    ("csd", "negative", {0: 0, 0.5: 1}),
]  # fmt: skip


@pytest.fixture(scope="module")
def real() -> dict[str, config.RunConfig]:
    """Every recipe as it is with a real checkpoint."""
    return {name: config.load(name, REAL)[0] for name in recipes() if not name.startswith("empirical")}


@pytest.mark.parametrize(("recipe", "key", "value"), PUBLISHED)
def test_real_checkpoints_get_the_published_settings(
    recipe: str, key: str, value: object, real: dict[str, config.RunConfig]
) -> None:
    """Catches a base's settings laid over the method's own."""
    stage = real[recipe].stages[0]
    assert stage.objective.options[key] == value and stage.objective.name == recipe
    assert recipe in LENGTHS or (stage.steps, stage.size) == (2000, 128)


LENGTHS = {  # METHODS.md, section 5: steps and sizes of every stage
    "dreamfusion": [(10000, 64)], "prolificdreamer": [(25000, 512), (15000, 512), (30000, 512)],
    "luciddreamer": [(3000, 512), (2000, 512)], "consistent3d": [(3000, 64), (3000, 512), (5000, 512)],
    "scaledreamer": [(10000, 64), (15000, 256)], "hifa": [(6500, 512), (3500, 512)],
    "gaussiandreamer": [(500, 128), (500, 1024), (700, 1024)], "dreamgaussian": [(500, 256), (50, 512)],
    "mvdream": [(5000, 64), (5000, 256)], "magic3d": [(10000, 64), (5000, 512)],
}  # fmt: skip


def test_whole_methods_are_as_long_as_published(real: dict[str, config.RunConfig]) -> None:
    """And their schedules meet where one stage ends and the next begins."""
    for recipe, lengths in LENGTHS.items():
        assert [(stage.steps, stage.size) for stage in real[recipe].stages] == lengths, recipe
    for recipe, ends in (("scaledreamer", (0.31, 0.79)), ("mvdream", (0.38, 0.68))):
        first, second = (stage.timesteps.options for stage in real[recipe].stages)
        for key, end in zip(("low", "high"), ends, strict=True):
            assert first[key][1] == second[key][0] == end, recipe
    assert real["hifa"].stages[0].timesteps.options["low"] == real["hifa"].stages[1].timesteps.options["high"]
    assert [stage.view for stage in real["prolificdreamer"].stages] == ["rgb", "normal", "rgb"]


def test_embedded_priors_do_not_get_them_whichever_way_the_prior_is_named(real: dict[str, config.RunConfig]) -> None:
    assert config.load("ism", ["prior.model=FOLDER"], prior="diffusers")[0] == real["ism"]
    plain = config.load("ism")[0].stages
    assert (plain[0].steps, plain[0].objective.options["guidance"]) == (250, 1)
    for prior in ("toyworld", "ember"):
        assert config.load("ism", prior=prior)[0].stages == plain


def test_published_stages_keep_to_their_method_and_no_guidance_is_left_out(real: dict[str, config.RunConfig]) -> None:
    """Recipes that leave the detail to SDS on exact scores do not on a checkpoint; guidance 1 is for those alone."""
    for recipe, loaded in real.items():
        for stage in loaded.stages:
            assert stage.objective.options.get("guidance") != 1 or stage.objective.name == "sds_bridge", recipe
    for recipe in ("ism", "csd", "cds", "tsm", "csm", "sdi", "nfsd", "invariant", "anchords", "dreamdpo"):
        assert {stage.objective.name for stage in real[recipe].stages} == {recipe}


def test_what_is_given_wins_over_what_is_published_and_its_origin_is_told(tmp_path: Path) -> None:
    loaded, origins = config.load("ism", [*REAL, "stages.0.objective.guidance=3"])
    assert loaded.stages[0].objective.options["guidance"] == 3 and loaded.stages[1].objective.options["guidance"] == 7.5
    assert origins["stages.0.objective.guidance"] == "command line"
    assert origins["stages.0.timesteps.high"] == "ism, published" and origins["stages.0.steps"] == "splats, published"
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: ism\nprior: {name: diffusers, model: x}\nstages: [{objective: {guidance: 4}}]\n")
    assert config.load(str(mine))[0].stages[0].objective.options["guidance"] == 4
    mine.write_text("base: ism\npublished: 3\n")
    assert "published is a mapping" in refusal(str(mine))


def test_values_can_refer_to_others() -> None:
    assert config.load("empirical", ["prior.folder=x"])[0].stages[1].cameras.options["folder"] == "x"


def test_overrides_reach_lists_and_components_and_remember_their_origin() -> None:
    loaded, origins = config.load(
        "splats", ["stages.0.steps=7", "stages.1.objective.guidance=2.5", "prior.instances=1"], prompt="x", seed=3
    )
    assert loaded.stages[0].steps == 7 and loaded.stages[1].objective.options["guidance"] == 2.5
    assert (loaded.prompt, loaded.seed, loaded.prior.options["instances"]) == ("x", 3, 1)
    assert origins["stages.0.steps"] == "command line" and origins["stages.1.name"] == "splats"
    lines = config.explain("field", ["stages.0.steps=7"])
    assert any(line.startswith("stages.0.steps=7 ") and line.endswith("# command line") for line in lines)
    assert any(line.startswith("stages.0.scene.name=field ") and line.endswith("# field") for line in lines)
    assert any(line.startswith("log_every=") and line.endswith("# default") for line in lines)


def test_explained_lines_are_overrides_that_change_nothing() -> None:
    lines = [line.partition("  # ")[0].strip() for line in config.explain("splats")]
    again = [line for line in lines if "=null" not in line]
    assert config.load("splats", again)[0] == config.load("splats")[0]


def test_naming_another_component_drops_the_old_ones_options(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "base: splats\nstages:\n  - timesteps: {name: annealed, power: 0.5}\n    scene: {name: gaussians, count: 50}\n"
    )
    loaded, _ = config.load(str(tmp_path / "mine.yaml"), ["stages.0.scene=field"])
    assert loaded.stages[0].timesteps.options == {"high": 0.98, "low": 0.02, "power": 0.5}
    assert loaded.stages[0].scene.name == "field" and "count" not in loaded.stages[0].scene.options
    assert loaded.stages[1].steps == config.load("splats")[0].stages[1].steps


def test_plain_and_typed_are_inverse() -> None:
    loaded, _ = config.load("splats", ["stages.0.lr={0: 1, 0.5: 0.3}"])
    assert config.typed(config.plain(loaded)) == loaded


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("stages.0.stepz=3", "did you mean 'steps'"),
        ("sede=3", "did you mean 'seed'"),
        ("stages.0.steps=many", "stages.0.steps: 'many' is not a whole number"),
        ("stages.0.steps=-1", "at least 0"),
        ("stages.0.objective.guidence=3", "did you mean 'guidance'"),
        ("stages.0.objective=sdss", "did you mean 'sds'"),
        ("stages.0.objective.weight=sigma3", "did you mean 'sigma2'"),
        ("prior=toyword", "did you mean 'toyworld'"),
        ("stages.9.steps=3", "use an index from 0 to"),
        ("stages.0.background=wite", "did you mean 'white'"),
        ("stages.0.lr={2: 1}", "schedule such as"),
        ("stages.0.timesteps.high=high", "schedule such as"),
        ("export.formats=[stl3]", "no format 'stl3'"),
        ("stages", "is not an override"),
        ("stages.0.steps=[", "cannot read the value"),
        ("seed=-1", "in [0,"),
        ("stages=3", "not a list"),
        ("stages.0.clip.value=1", "did you mean 'values'"),
    ],
)
def test_mistakes_are_named_in_one_line(override: str, expected: str) -> None:
    assert expected in refusal("splats", override)


def test_missing_and_circular_recipes(tmp_path: Path) -> None:
    assert "did you mean 'splats'" in refusal("splat")
    assert "not found" in refusal(str(tmp_path / "none.yaml"))
    (tmp_path / "a.yaml").write_text("base: b\n")
    (tmp_path / "b.yaml").write_text("base: a\n")
    assert "circle" in refusal(str(tmp_path / "a.yaml"))
    (tmp_path / "bad.yaml").write_text("a: [\n")
    assert "not valid YAML" in refusal(str(tmp_path / "bad.yaml"))
    (tmp_path / "empty.yaml").write_text("prompt: x\n")
    assert "at least one" in refusal(str(tmp_path / "empty.yaml"))


@given(st.dictionaries(st.integers(0, 1000).map(lambda n: n / 1000), st.floats(-10, 10), min_size=1), st.floats(0, 1))
def test_a_schedule_stays_between_its_values_and_hits_its_knots(schedule: dict[float, float], progress: float) -> None:
    check_scheduled(schedule, "x")
    assert min(schedule.values()) - 1e-9 <= value_at(schedule, progress) <= max(schedule.values()) + 1e-9
    for key, value in schedule.items():
        assert value_at(schedule, key) == pytest.approx(value)


def test_values_are_converted_to_what_the_option_asks_for() -> None:
    assert check_value(3, float, "x") == 3.0 and isinstance(check_value(3, float, "x"), float)
    assert check_value("1e-3", float, "x") == 1e-3
    assert check_value([1, 2], list[float], "x") == [1.0, 2.0]
    assert check_value({0: 1, 1: 2}, Scheduled, "x") == {0: 1, 1: 2}
    for value, kind in ((1.5, int), (True, int), ("x", float), (0, Count), (1.1, Fraction), ("a", list[float])):
        with pytest.raises(UserError, match="^x"):
            check_value(value, kind, "x")
