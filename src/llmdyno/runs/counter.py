"""Chooses the token counter of a spec: a tokenizer on this machine, or the built-in approximation.

In: a tokenizer's name. Out: a counter that can count our own prompts. A file may be a tokenizer and still be of no use:
its vocabulary is empty, or it knows none of the words, or it drops what it does not know.
"""

from __future__ import annotations

from random import Random

from llmdyno.errors import InputError
from llmdyno.host.tokenizer import FITS, load_tokenizer
from llmdyno.workload.sources.words import words
from llmdyno.workload.tokens import Approximation, TokenCounter

_TRIED = 200
_LEAST_TOKENS = _TRIED // 10
"""A vocabulary may hold a few words in one token, never ten on average."""
_LEAST_COVERED = 0.9


def load_counter(name: str | None) -> TokenCounter:
    """The counter for a spec's `tokenizer`. None means the approximation.

    Raises:
        InputError: there is no tokenizer of that name, it cannot count English words, or the `tokenizers` library is
            not installed.
    """
    if name is None:
        return Approximation()
    counter = load_tokenizer(name)
    check_counter(counter)
    return counter


def check_counter(counter: TokenCounter) -> None:
    """Check that a counter makes tokens of common words, and says where they end.

    Raises:
        InputError: it does not.
    """
    text = "".join(words(Random(0), _TRIED)[:_TRIED])[1:]
    ends = counter.ends(text)
    covered = max(ends, default=0)
    if len(ends) < _LEAST_TOKENS or not _LEAST_COVERED * len(text) <= covered <= len(text):
        problem = f"{counter.name} makes {len(ends)} tokens of {_TRIED} common words, and the last ends at character"
        raise InputError("--tokenizer", f"{problem} {covered} of {len(text)}", f"{FITS}, for English text")
