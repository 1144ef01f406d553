"""JSON as servers write it, and the numbers in it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from llmdyno.protocols.values import (
    LARGEST_COUNT,
    count_of,
    loads,
    object_in,
    object_of,
    objects_of,
    without_surrogates,
)


def test_json_that_a_strict_reader_refuses() -> None:
    assert loads(b'{"a": -Infinity}') == {"a": -math.inf}
    assert loads(b'{"a": "\\ud83d"}') == {"a": "\ud83d"}
    assert loads(b'{"a": "\xff"}') == {"a": "\ufffd"}
    assert loads(b'{"a": 1e400}') == {"a": math.inf}
    assert loads(b'{"a": ' + b"9" * 10_000 + b', "b": 1}') == {"a": math.inf, "b": 1}


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|truncated"):
        loads(body)
    assert object_in(body) is None


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (8, 8),
        (0, 0),
        (8.0, 8),
        ("8", 8),
        (LARGEST_COUNT, LARGEST_COUNT),
        (LARGEST_COUNT + 1, None),
        (2**62, None),
        (10**30, None),
        (1e300, None),
        (-1, None),
        (8.5, None),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        ("-8", None),
        ("8.5", None),
        ("9" * 5000, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_counts(value: Any, count: int | None) -> None:
    assert count_of(value) == count


def test_objects() -> None:
    assert object_of({"a": 1}) == {"a": 1}
    assert object_of([1, {"a": 1}]) == {"a": 1}
    assert object_of("x") == {}
    assert objects_of([1, {"a": 1}, None]) == [{"a": 1}]
    assert objects_of({"a": 1}) == [{"a": 1}]
    assert objects_of(None) == []


def test_surrogates_are_replaced_one_by_one() -> None:
    assert without_surrogates("a\ud83db") == "a\ufffdb"
    assert without_surrogates("ä😀") == "ä😀"
