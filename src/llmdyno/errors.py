"""The exceptions whose messages are written for the user.

In: the flag or key, the problem, and what to do; or a run directory and what the system says of it. Out: one line of
text. This module does not know who prints the line. The command line turns an :class:`InputError` into exit code 2 and
an :class:`Unwritten` into 1.
"""

from __future__ import annotations

import re

_USER_INFORMATION = re.compile(r"([a-z][a-z0-9+.-]{0,20}:/{1,2})[^/\s@]*@", re.IGNORECASE)


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


class Unwritten(OSError):
    """A run directory that cannot be written any more. What was written before stays.

    Args:
        error: what the system says.
        path: the run directory; it is the error's `filename`.
        kept: the run directory that holds what was measured; None: nothing was measured yet.
    """

    def __init__(self, error: OSError, path: str, *, kept: str | None) -> None:
        super().__init__(error.errno, error.strerror or str(error), path)
        self.kept = kept

    def __str__(self) -> str:
        fits = (
            f"to see what was measured: llmdyno show {self.kept}"
            if self.kept is not None
            else "nothing was measured yet: free some space, or name another directory with --out"
        )
        return f"{self.filename}: cannot be written ({self.strerror}); {fits}"
