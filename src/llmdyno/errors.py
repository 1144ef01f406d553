"""The one exception whose message is written for the user.

In: the flag or key, the problem, and what to do. Out: one line of text. This module does not know who prints the line.
The command line turns the exception into exit code 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_USER_INFORMATION = re.compile(r"([a-z][a-z0-9+.-]{0,20}:/{1,2})[^/\s@]*@", re.IGNORECASE)
_SHORTEST_SECRET = 4
"""A shorter text is no secret, and would be found everywhere."""


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text, such as a server's message, without the secrets in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def one_line(text: str, most: int = 1000) -> str:
    """A text as one line that a terminal can show, without the user information of a URL.

    What cannot be printed is escaped, such as a new line or a lone surrogate. Of a text of more than `most` characters,
    the middle is left out.
    """
    text = _cut(_USER_INFORMATION.sub(r"\1***@", text) if "@" in text else text, most)
    if text.isprintable():
        return text
    return _cut("".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[-(most // 3) :]}"


class InputError(ValueError):
    """An input that cannot be used. Its text is one line, however odd the input is.

    Args:
        where: the input: a flag (``--concurrency``), a key (``load.concurrency``), a file or a URL.
        problem: the value, and why it cannot be used.
        fits: the values that can be used, or what the user can do.
    """

    def __init__(self, where: str, problem: str, fits: str) -> None:
        super().__init__(where, problem, fits)
        self.where = where
        self.problem = problem
        self.fits = fits

    def __str__(self) -> str:
        return f"{one_line(self.where, 300)}: {one_line(self.problem)}; {one_line(self.fits, 1500)}"
