"""A word-level tokenizer in CLIP's format: every word of the toy world is one token."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from dreamforge.toyworld.words import lexicon

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

LENGTH = 32
"""Tokens of a text, its ends included."""
END = "</w>"


def every_word() -> list[str]:
    """Every single word that captions of the toy world hold and prompts may hold, sorted."""
    return sorted({word for phrase in lexicon() for word in re.findall(r"[a-z]+", phrase)})


def make_tokenizer(words: Iterable[str]) -> CLIPTokenizer:
    """CLIP's byte-pair encoding with merges learned from these words alone until each is a single token.

    Digits, punctuation marks and letters are tokens too. The same words make the same tokens in every process (the trainer
    of the tokenizers library breaks ties at random, and a resumed training would not understand its own weights).
    """
    from transformers import CLIPTokenizer

    merges = learned_merges(sorted(set(words)))
    single = string.ascii_lowercase + string.digits + ",.-'"
    tokens = ["<|startoftext|>", "<|endoftext|>", *single, *(f"{c}{END}" for c in single), *map("".join, merges)]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def learned_merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, the most frequent pair first, until every word is whole.

    Learned rather than listed word by word: merges of one word apply within another ("car" in "scarf"), and this order is
    the one in which they will be applied.
    """
    spelled = [[*word[:-1], word[-1] + END] for word in words]
    merges = []
    while pairs := Counter(pair for pieces in spelled for pair in pairwise(pieces)):
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        spelled = [_merged(pieces, merges[-1]) for pieces in spelled]
    return merges


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for piece in pieces:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out
