"""A word-level tokenizer in CLIP's format: every word of the toy world is one token."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dreamforge.toyworld.words import lexicon

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

LENGTH = 40
"""Tokens of a text, its ends included."""


def every_word() -> list[str]:
    """Every single word that captions of the toy world hold and prompts may hold, sorted."""
    return sorted({word for phrase in lexicon() for word in re.findall(r"[a-z]+", phrase)})


def make_tokenizer(words: Iterable[str]) -> CLIPTokenizer:
    """CLIP's byte-pair encoding with merges learned from these words alone until each is a single token.

    Digits, punctuation marks and letters are tokens too, so that every text has an encoding. Learned rather than
    listed: merges of one word apply within another ("car" in "scarf"), and training sees to it.
    """
    from tokenizers import Tokenizer, models, trainers
    from transformers import CLIPTokenizer

    stock = CLIPTokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer, learner.pre_tokenizer = stock.normalizer, stock.pre_tokenizer
    single = string.ascii_lowercase + string.digits + ",.-'"
    trainer = trainers.BpeTrainer(
        vocab_size=1_000_000,
        min_frequency=0,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=list(single),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator([" ".join([*sorted(set(words)), *single])], trainer)
    learned = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in learned["merges"]]
    return CLIPTokenizer(vocab=learned["vocab"], merges=merges, model_max_length=LENGTH)
