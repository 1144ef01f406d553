"""The one exception whose message is written for the user.

In: the flag or key, the problem, and what to do. Out: one line of text. This module does not know who prints the line.
The command line turns the exception into exit code 2.
"""

from __future__ import annotations


class InputError(ValueError):
    """An input that cannot be used.

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
        return f"{self.where}: {self.problem}; {self.fits}"
