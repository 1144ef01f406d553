"""Bad input, and secrets: each is generated from the seed by a program of its own.

In: a setting. Out: a row for bad input, and one for the scan of everything that is written and printed for secrets. A
bad input is bad here if it ends in anything but one clear line and exit code 2, or a value that fits after all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from benchmarks.bad_input import REFUSED, TAKEN, cases, clean, outcome
from benchmarks.secret_scan import scan
from benchmarks.survival import Row, Setting

_INPUTS = 6000


def rows(setting: Setting) -> Iterator[Row]:
    """The rows of bad input and of secrets."""
    outcomes = Counter(map(outcome, islice(cases(setting.seed), setting.count(_INPUTS))))
    clean()
    bad = {name: times for name, times in outcomes.items() if name not in (REFUSED, TAKEN)}
    note = f"{outcomes[REFUSED]:,} refused in one line, {outcomes[TAKEN]:,} fit"
    note += "".join(f"; {times} × {name}" for name, times in sorted(bad.items()))
    yield Row("bad input", outcomes.total(), sum(bad.values()), 0, note)
    places, leaks = scan(setting.seed)
    found = Counter(leak.where for leak in leaks)
    note = "".join(f"{times} × in {where}; " for where, times in found.most_common(5)) + f"{len(places)} places"
    yield Row("secrets, one in each place", len(places), len({leak.place for leak in leaks}), 0, note)
