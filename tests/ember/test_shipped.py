"""What ships: ember-clip knows the toy world to the degree that its card says, and what does not ship says so."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

from dreamforge.ember import WEIGHTS
from dreamforge.ember.clip import ClipScorer
from dreamforge.ember.evaluate import ground_truth, prompts, retrieval
from dreamforge.errors import UserError
from dreamforge.priors import PRIORS


def test_ember_clip_tells_pictures_apart() -> None:
    share = retrieval(ground_truth(), ClipScorer(), prompts(32, 5, held_out=False), 0)
    assert share > 0.4  # chance is 0.03; its card says 0.53 among 64


def test_ember_clip_reads_every_word_it_lists() -> None:
    tokens = ClipScorer().tokenizer
    words = (WEIGHTS / "ember-clip/words.txt").read_text().split()
    assert "corgi" in words and all(tokens.tokenize(word) == [f"{word}</w>"] for word in words)


@pytest.mark.parametrize("name", ["ember", "ember-mv"])
def test_a_prior_that_does_not_ship_yet_says_how_to_train_it(name: str) -> None:
    if (WEIGHTS / name).is_dir():
        pytest.skip("it ships")
    with pytest.raises(UserError, match="dreamforge ember train"):
        PRIORS[name]()
