"""The exceptions whose messages are written for the user.

In: the flag or key, the problem, and what to do; or a run directory and what the system says of it. Out: one line of
text. This module does not know who prints the line. The command line turns an :class:`InputError` into exit code 2 and
an :class:`Unwritten` into 1.
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
