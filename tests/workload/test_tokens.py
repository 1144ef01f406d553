"""The approximation: its counts, and ends that agree with them."""

from __future__ import annotations

import pytest

from llmdyno.workload.tokens import Approximation


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("", []),
        ("one", [3]),
        ("extraordinarily", [9, 15]),
        ("incorrect", [9]),
        ("1234567", [3, 6, 7]),
        ("a,b;c", [1, 2, 3, 4, 5]),
        ("line\n\nline", [4, 6, 10]),
        ("naïve café", [2, 3, 5, 9, 10]),
        ("  two words ", [5, 11]),
    ],
)
def test_tokens_end_where_they_are_counted(text: str, ends: list[int]) -> None:
    counter = Approximation()
    assert counter.ends(text) == ends
    assert counter.count(text) == len(ends)
