"""The one exception that means "the user can mend this": the command line prints its single line and exits with 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input. The message is one line that says what is wrong, where, and what to try."""


def one_line(error: BaseException) -> str:
    """What another library's error says, on one line that is not too long."""
    return " ".join(str(error).split())[:300]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """" (did you mean 'x'?)" for the nearest known word, else a list of all of them."""
    options = sorted(known)
    near = difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    if near:
        return f" (did you mean '{near[0]}'?)"
    return f" (there is: {', '.join(options)})" if options else ""
