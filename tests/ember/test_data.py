"""Words that survive the tokenizer, and batches that depend on nothing but their number."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from dreamforge.ember.data import ATTRIBUTES, Examples, Stream
from dreamforge.ember.networks import tokenizer
from dreamforge.ember.tokenizer import LENGTH, every_word
from dreamforge.prompts import view_words
from dreamforge.toyworld import Description, caption, draw
from dreamforge.toyworld.descriptions import VIEWS

tokens = tokenizer()


def test_every_word_is_one_token_whatever_touches_it() -> None:
    words = every_word()
    assert {"corgi", "scarf", "view", "wooden", "hot"} <= set(words)
    for word in words:
        for text in (word, f"{word},", word.upper()):
            assert tokens.tokenize(text)[0] == f"{word}</w>"
    ids = [tokens.convert_tokens_to_ids(f"{word}</w>") for word in words]
    assert len(set(ids)) == len(words)


def test_every_process_makes_the_same_tokens() -> None:
    code = "from dreamforge.ember.networks import tokenizer; print(sorted(tokenizer().get_vocab().items(), key=str))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == str(sorted(tokens.get_vocab().items(), key=str))


def test_captions_come_back_from_the_tokenizer_word_for_word() -> None:
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(400):
        said = caption(replace(draw(rng), view=str(rng.choice(VIEWS))), rng)
        ids = tokens(said, padding="max_length", truncation=True).input_ids
        lengths.append(len(tokens(said).input_ids))
        spoken = re.findall(r"[a-z]+|\d|[^\sa-z\d]", said.lower())
        assert tokens.decode(ids, skip_special_tokens=True).split() == spoken
        assert "<|endoftext|>" not in tokens.tokenize(said)  # unknown pieces become that
    assert max(lengths) <= LENGTH


def same(a: Examples, b: Examples) -> bool:
    return torch.equal(a.pixels, b.pixels) and a.captions == b.captions and torch.equal(a.cameras.c2w, b.cameras.c2w)


@pytest.mark.parametrize("reuse", [1, 2])
def test_a_batch_is_the_same_wherever_the_stream_begins(reuse: int) -> None:
    stream = Stream(seed=3, objects=2, views=2, size=16, reuse=reuse, pool=2)
    begun = [batch for batch, _ in zip(stream.batches(), range(5), strict=False)]
    for first in (1, 4):
        assert same(next(stream.batches(first)), begun[first])
    assert not same(begun[2], begun[3])
    assert all(len(batch) == 4 for batch in begun)


def test_objects_are_prepared_once_however_often_they_are_shown() -> None:
    prepared = []

    def prepare(new: Examples) -> Examples:
        prepared.append(new)
        return replace(new, latents=new.pixels.float().mean((2, 3)))

    stream = Stream(seed=3, objects=4, views=2, size=16, reuse=4, pool=8)
    for k, batch in zip(range(6), stream.batches(0, prepare), strict=False):
        assert len(prepared) == k + 1 and len(prepared[-1]) == 2 and len(batch) == 8
        assert torch.equal(batch.latents, batch.pixels.float().mean((2, 3)))
        assert torch.equal(batch.object(3).latents, batch.latents[6:8])


def test_workers_render_the_same_batches() -> None:
    alone, helped = Stream(seed=1, objects=2, views=1, size=16), Stream(seed=1, objects=2, views=1, size=16, workers=1)
    ahead = helped.batches()
    for batch, other in zip(alone.batches(), [next(ahead), next(ahead)], strict=False):
        assert same(batch, other)


def test_truth_says_which_caption_fits_which_picture() -> None:
    batch = next(Stream(seed=0, objects=8, views=4, size=8).batches())
    truth = batch.truth()
    assert truth.diagonal().all()
    for i in range(len(batch)):
        for j in range(len(batch)):
            alike = replace(batch.said[i], view=None) == replace(batch.said[j], view=None)
            if not alike:
                assert not truth[i, j]
            elif batch.said[i].view is None:
                assert truth[i, j]
            else:
                assert truth[i, j] == (batch.said[i].view == view_words(batch.cameras)[j])
    assert 0 < (truth.sum(1) > 1).sum()


def test_attributes_are_what_a_caption_says_and_the_view_it_is_seen_from() -> None:
    batch = next(Stream(seed=0, objects=1, views=1, size=8).batches())
    worn = Description("corgi", "red", (("top hat", "blue"),), finish="striped", size="tiny")
    batch.said = [replace(worn, relation="on", other=Description("chair", "teal"))]
    named = {name: (None, *words)[i] for (name, words), i in zip(ATTRIBUTES.items(), batch.attributes()[0], strict=True)}
    assert {name: word for name, word in named.items() if word} == {
        "noun": "corgi", "color": "red", "finish": "striped", "size": "tiny", "accessory": "top hat",
        "accessory color": "blue", "other noun": "chair", "other color": "teal", "relation": "on",
        "view": view_words(batch.cameras)[0],
    }  # fmt: skip
