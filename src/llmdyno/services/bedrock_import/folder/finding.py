"""What a check of a model folder found. PURE.

In: a place, a problem, a remedy. Out: a value whose text is one line. It does not know what is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from llmdyno.errors import InputError


class Finding(NamedTuple):
    """One thing that is wrong, or in doubt, with a folder.

    Attributes:
        where: the file in the folder, or the flag.
        problem: what is there, and why it does not fit.
        fits: what the user can do.
        refused: True: the service does not import such a folder. False: it may, and the user should know.
    """

    where: str
    problem: str
    fits: str
    refused: bool = True

    @property
    def error(self) -> InputError:
        """The finding as an error of one line."""
        return InputError(self.where, self.problem, self.fits)


Findings = Iterator[Finding]


def warning(where: str, problem: str, fits: str) -> Finding:
    """A finding that the service may not mind."""
    return Finding(where, problem, fits, refused=False)
