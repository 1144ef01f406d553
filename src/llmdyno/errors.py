"""The one exception a user is meant to read.

In: the name of a flag or key, the value it was given, what would fit. Out: one line of text.
Knows nothing of who prints it; the command line turns it into exit code 2.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHORTEST_SECRET = 4
"""A shorter text is no secret, and would be found everywhere."""


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text, such as a server's message, without the secrets in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


class InputError(ValueError):
    """Input that cannot be used: which flag, key or place, what it held, and what fits.

    Args:
        where: the flag (``--concurrency``), key (``load.concurrency``), file or URL at fault.
        problem: what it was and why that does not do.
        fits: what would do, or the remedy.
    """

    def __init__(self, where: str, problem: str, fits: str) -> None:
        super().__init__(where, problem, fits)
        self.where = where
        self.problem = problem
        self.fits = fits

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.fits}"
