"""The emulator's own token count. PURE.

In: text. Out: about how many tokens a byte-pair tokenizer with a large vocabulary makes of it. The client has a count
of its own, written another way: a mistake in one of them then shows as a disagreement, as it does with a real server.
"""

from __future__ import annotations

from itertools import groupby

_LONGEST = 1_048_576
"""A longer text is not looked at letter by letter, which would hold up every answer."""
_WHOLE_LETTERS = 8
"""A word of up to this many letters is one token: large vocabularies hold the common ones whole."""
_PART_LETTERS = 5
_DIGITS = 3
_MARKS = ("<|", "|>"), ("<｜", "｜>")
"""A special token of a chat template, such as ``<|user|>``, is one token."""


def count(text: str) -> int:
    """The approximate number of tokens in `text`. A text of more than a million characters counts as one for each: no
    context is as long."""
    if len(text) > _LONGEST:
        return len(text)
    text, special = _without_marks(text)
    return special + sum(_run_tokens(kind, sum(1 for _ in run)) for kind, run in groupby(text, key=_kind))


def _without_marks(text: str) -> tuple[str, int]:
    """The text with a zero byte for each special token, and how many there were."""
    special = 0
    for opening, closing in _MARKS:
        head, *parts = text.split(opening)
        kept = [head]
        for part in parts:
            name, found, rest = part.partition(closing)
            if found and not any(letter.isspace() for letter in name):
                special += 1
                kept.append("\x00" + rest)
            else:
                kept.append(opening + part)
        text = "".join(kept)
    return text, special


def _kind(letter: str) -> str:
    if letter == "\x00":
        return "nothing"
    if letter == "\n":
        return "line break"
    if letter.isspace():
        return "space"
    if letter.isdecimal():
        return "digits"
    if not letter.isalpha():
        return letter
    return "word" if letter < "\u2e80" else "ideograph"


def _run_tokens(kind: str, length: int) -> int:
    """The tokens of `length` characters of one kind in a row."""
    if kind == "nothing":
        return 0
    if kind == "word":
        return 1 if length <= _WHOLE_LETTERS else -(-length // _PART_LETTERS)
    if kind == "digits":
        return -(-length // _DIGITS)
    if kind == "space":  # one space belongs to the word behind it; an indent is a token
        return int(length > 1)
    return length if kind == "ideograph" else 1
