"""Bad input, and secrets: each is generated from the seed by a module of its own.

In: a setting. Out: a row for bad input, and one for the scan of everything that is written for secrets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from benchmarks import bad_input, secret_scan
from benchmarks.survival import Row, Setting


def rows(setting: Setting) -> Iterator[Row]:
    """The rows of bad input and of secrets."""
    outcomes: Counter[str] = Counter(bad_input.outcome(case) for case in bad_input.cases(setting.seed))
    raise NotImplementedError
