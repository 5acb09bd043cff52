"""Prompt debiasing: words of a prompt that speak against a view are left out where that view is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from dreamforge.ember import quiet_libraries
from dreamforge.errors import UserError, one_line

VIEWS = ("front", "side", "back", "overhead")
SENTENCE = "This image is depicting a {mask} view of {prompt}"
AGAINST = 0.95  # a word is struck where the view is less likely with it than this share of the mean with and without it


@functools.lru_cache(maxsize=64)
def debiased(prompt: str, model: str) -> dict[str, str]:
    """The prompt as it is said for each of VIEWS (Debiased-SDS, arXiv 2303.15413), by a masked language model.

    A word is struck from the wording of view v where p(v | prompt) < 0.95 (p(v | prompt) + p(v | prompt without it)) / 2:
    a pointwise mutual information, as threestudio has it. "a smiling dog" does not smile from behind. A prompt of which
    nothing would be left keeps its words.
    """
    return struck(prompt, functools.partial(_view_probabilities, _loaded(model)))


def struck(prompt: str, probabilities: Callable[[str], Tensor]) -> dict[str, str]:
    """`debiased` for a function from a prompt to the probabilities `[4]` of the views."""
    words, full = prompt.split(), probabilities(prompt)
    without = [probabilities(" ".join(words[:k] + words[k + 1 :])) for k in range(len(words))]
    said = {}
    for view, name in enumerate(VIEWS):
        kept = [word for word, p in zip(words, without, strict=True) if full[view] >= AGAINST * (full[view] + p[view]) / 2]
        said[name] = " ".join(kept) or prompt
    return said


@torch.no_grad()
def _view_probabilities(language: tuple, prompt: str) -> Tensor:
    """How likely each view word is at the mask, among the four of them."""
    tokenizer, network = language
    tokens = tokenizer(SENTENCE.format(mask=tokenizer.mask_token, prompt=prompt), return_tensors="pt", truncation=True)
    at = (tokens.input_ids[0] == tokenizer.mask_token_id).nonzero()[0, 0]
    return network(**tokens).logits[0, at, tokenizer.convert_tokens_to_ids(list(VIEWS))].softmax(0)


@functools.lru_cache(maxsize=1)
def _loaded(model: str) -> tuple:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    quiet_libraries()
    try:
        network = AutoModelForMaskedLM.from_pretrained(model, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"debias: cannot load the language model {model}: {one_line(error)}") from error
    unknown = [view for view in VIEWS if tokenizer.convert_tokens_to_ids(view) == tokenizer.unk_token_id]
    if tokenizer.mask_token is None or unknown:
        raise UserError(f"debias: {model} is no masked language model with the words {', '.join(VIEWS)} in its vocabulary")
    return tokenizer, network.eval()
