"""How the workload counts tokens: what it asks of a counter, and a small approximation. PURE.

In: text. Out: a number of tokens, and the indexes where they end. Counters that read a tokenizer file live in
:mod:`llmdyno.host.tokenizer`; the workload does not know which one it has.
"""

from __future__ import annotations

import re
from typing import Protocol

_PIECE = re.compile(r"[A-Za-z]+|[0-9]{1,3}|[^\sA-Za-z0-9]|\n+")
_LETTERS_A_TOKEN = 9


class TokenCounter(Protocol):
    """Counts tokens. `name` is for reports; `exact` says that the counts are a real tokenizer's."""

    name: str
    exact: bool

    def count(self, text: str) -> int:
        """The number of tokens in `text`, without special tokens."""

    def ends(self, text: str) -> list[int]:
        """For each token of `text`, the index just past its last character."""


class Approximation:
    """An estimate without a vocabulary: a common word, a punctuation mark and up to three digits are a token each.

    Byte-pair tokenizers with 32 to 200 thousand entries hold the common English words whole. A word of more than nine
    letters counts as two tokens or more. The estimate is right for our own prompts and rough for other text.
    """

    name = "built-in approximation"
    exact = False

    def count(self, text: str) -> int:
        """The approximate number of tokens in `text`."""
        return sum(1 + (len(piece) - 1) // _LETTERS_A_TOKEN for piece in _PIECE.findall(text))

    def ends(self, text: str) -> list[int]:
        """For each approximate token, the index just past its last character."""
        ends: list[int] = []
        for match in _PIECE.finditer(text):
            ends.extend(range(match.start() + _LETTERS_A_TOKEN, match.end(), _LETTERS_A_TOKEN))
            ends.append(match.end())
        return ends
