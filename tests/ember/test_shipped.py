"""What ships: ember-clip knows the toy world to the degree that its card says, and what does not ship says so."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

from dreamforge.cameras import orbit
from dreamforge.ember import WEIGHTS, shipped
from dreamforge.ember.clip import ClipScorer
from dreamforge.ember.evaluate import drawn_by, ground_truth, obeyed_views, prompts, retrieval
from dreamforge.ember.sampling import pictures
from dreamforge.errors import UserError
from dreamforge.priors import PRIORS


def test_ember_clip_tells_pictures_apart() -> None:
    share = retrieval(ground_truth(), ClipScorer(), prompts(32, 5, held_out=False), 0)
    assert share > 0.85  # chance is 0.03; its card says 0.97 among 64


def test_ember_clip_tells_the_side_from_which_a_thing_is_seen() -> None:
    assert obeyed_views(ground_truth(), ClipScorer(), 5) > 0.8  # chance is 0.33; its card says 0.93


def test_ember_clip_reads_every_word_it_lists() -> None:
    tokens = ClipScorer().tokenizer
    words = (WEIGHTS / "ember-clip/words.txt").read_text().split()
    assert "corgi" in words and all(tokens.tokenize(word) == [f"{word}</w>"] for word in words)


def test_ember_paints_colours_as_asked_on_things_that_ember_clip_tells_apart() -> None:
    prior = PRIORS["ember"]()
    assert prior.size == 64 and "corgi" in prior.words
    colours = ("red", "green", "blue")
    drawn = pictures(prior, [f"a {colour} {noun}" for noun in ("car", "duck") for colour in colours], steps=10)
    middles = drawn[:, :, 24:40, 24:40].mean((2, 3))
    assert middles.argmax(1).tolist() == [0, 1, 2] * 2
    share = retrieval(drawn_by(prior, steps=10), ClipScorer(), prompts(16, 5, held_out=False), 0)
    assert share > 0.7  # chance is 0.06


def test_ember_mv_paints_one_colour_from_all_sides() -> None:
    prior = PRIORS["ember-mv"]()
    shown = pictures(prior, ["a green duck"] * 4, cameras=orbit([0.0, 90.0, 180.0, 270.0], 15.0), steps=8)
    middles = shown[:, :, 24:40, 24:40].mean((2, 3))
    assert middles.argmax(1).tolist() == [1] * 4


def test_a_model_that_does_not_ship_says_how_to_train_it() -> None:
    with pytest.raises(UserError, match="dreamforge ember train"):
        shipped("ember-xl")
