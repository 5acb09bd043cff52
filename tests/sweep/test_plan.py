"""Lists of prompts, and what they expand to."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from dreamforge.cli import main
from dreamforge.errors import UserError
from dreamforge.sweep.plan import expand, seeds_of


def test_a_text_file_is_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("a red car\n\n  a blue duck \n")
    jobs = expand(path, ["splats", "field"], [0, 3], ["log_every=5"])
    assert [(job.prompt, job.recipe, job.seed) for job in jobs] == [
        (prompt, recipe, seed) for prompt in ("a red car", "a blue duck") for recipe in ("splats", "field") for seed in (0, 3)
    ]
    assert jobs[5].name == "5-a-blue-duck-splats-s3" and all(job.overrides == ["log_every=5"] for job in jobs)


def test_columns_and_keys_override_row_by_row(tmp_path: Path) -> None:
    """Row beats command line; an empty cell says nothing."""
    table, lines = tmp_path / "prompts.csv", tmp_path / "prompts.jsonl"
    table.write_text("prompt,recipe,seed,negative,stages.0.steps\na red car,,,,\n\"a cat\",field,4-5,a dog,7\n")
    rows = [{"prompt": "a red car"}, {"prompt": "a cat", "recipe": "field", "seed": "4-5", "negative": "a dog", "stages.0.steps": 7}]
    lines.write_text("\n".join(map(json.dumps, rows)))
    for path in (table, lines):
        first, *others = expand(path, ["splats"], [0], ["stages.0.steps=9"])
        assert (first.recipe, first.seed, first.settings, first.overrides) == ("splats", 0, {}, ["stages.0.steps=9"])
        assert [job.seed for job in others] == [4, 5] and others[0].settings == {"negative": "a dog"}
        assert others[0].overrides == ["stages.0.steps=9", "stages.0.steps=7"] and others[0].recipe == "field"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", "a red car\na flibbertigibbet\n", "p.txt line 2: .*flibbertigibbet"),
        ("p.txt", "\n\n", "no prompts in it"),
        ("p.csv", "text\na red car\n", "line 1: no column named prompt"),
        ("p.csv", "prompt,seed\na cat,1\na dog,x\n", "p.csv line 3, seed: 'x' gives no seeds"),
        ("p.csv", "prompt,recipe\na cat,splat\n", "p.csv line 2: .*did you mean 'splats'"),
        ("p.csv", "prompt,stages.0.stepz\na cat,3\n", "p.csv line 2: stages.0.stepz: no such key"),
        ("p.csv", "prompt\na cat,3\n", "p.csv line 2: more cells"),
        ("p.csv", "prompt,seed\n,3\n", "p.csv line 2: no prompt"),
        ("p.jsonl", '{"prompt": "a cat"}\n{"prompt": \n', "p.jsonl line 2: not JSON"),
        ("p.jsonl", '["a cat"]\n', "p.jsonl line 1: not a mapping"),
    ],
)
def test_a_bad_row_names_its_line(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        expand(path, ["splats"], [0], [])
    assert "\n" not in str(caught.value)


def test_seeds_are_read() -> None:
    assert seeds_of("3") == [3] and seeds_of("0-2,7") == [0, 1, 2, 7]
    for text in ("", "a", "1-", "3-1"):
        with pytest.raises(UserError, match="gives no seeds"):
            seeds_of(text)


def test_ten_thousand_rows_expand_within_five_seconds(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    colours, nouns = ("red", "blue", "green", "yellow", "purple"), ("car", "duck", "house", "cat", "tree")
    rows = [f"a {colours[i % 5]} {nouns[i // 5 % 5]},{i},{5 + i % 3}" for i in range(10_000)]
    path.write_text("prompt,seed,stages.0.steps\n" + "\n".join(rows))
    began = time.process_time()
    assert len(expand(path, ["splats"], [0], [])) == 10_000
    assert time.process_time() - began < 5


def test_the_command_line_says_what_it_would_make(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    assert main(["sweep", "toyworld-32", "--seeds", "0-1", "--dry-run", "--out", str(out), "stages.0.steps=9"]) == 0
    said = capsys.readouterr().out
    assert "64 runs, all valid" in said and said.count("stages.0.steps=9") == 64 and not out.exists()
    for arguments, message in (
        (["sweep", "nowhere.txt"], "no prompt list nowhere.txt"),
        (["sweep", "status", str(tmp_path)], "is not a sweep"),
        (["sweep", "toyworld-16", "--seeds", "x"], "gives no seeds"),
        (["sweep", "toyworld-16", "--out", str(Path(__file__).parent)], "is not empty"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
