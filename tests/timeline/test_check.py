"""What a run can have written, and what it cannot."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from tests.support import make_record, make_timeline

from llmdyno.timeline.check import is_plausible, is_possible
from llmdyno.timeline.columns import Timeline

CHUNKS = [(2.0, 0, 0), (2.5, 1, 3), (3.0, 4, 9)]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"state": "cancelled", "clock": "sdk", "planned_ns": 0, "cumulative_tokens": array("i", [-1, 1, 2]).tobytes()},
        {"sent_ns": None, "headers_ns": None, "end_ns": None},
    ],
)
def test_a_record_that_a_run_can_write(facts: dict[str, Any]) -> None:
    assert is_plausible(make_record(0, 1.0, CHUNKS, **facts))


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "pk"},
        {"clock": "kernem"},
        {"kinds": b"\x00\x01"},
        {"kinds": b"\x00\x01\x05"},
        {"kinds": b"\x00\x01\x81"},
        {"sizes": b"\x00" * 11},
        {"sizes": array("i", [0, -1, 1]).tobytes()},
        {"arrivals": b""},
        {"reads": b"\x00" * 25},
        {"cumulative_tokens": b"\x00" * 8},
        {"end_ns": 1 << 60},
        {"arrivals": array("q", [2, -(1 << 61), 3]).tobytes()},
        {"server_output_tokens": 10**19},
    ],
)
def test_a_record_that_no_run_writes(facts: dict[str, Any]) -> None:
    assert not is_plausible(make_record(0, 1.0, CHUNKS, **facts))


def timeline(**columns: Any) -> Timeline:
    whole = make_timeline(*(make_record(n, 1.0 + n, CHUNKS) for n in range(3)))
    changed = {
        side: {
            name: np.array(columns[name], column.dtype) if name in columns else column
            for name, column in side_of.items()
        }
        for side, side_of in (("requests", whole.requests), ("chunks", whole.chunks))
    }
    return Timeline(changed["requests"], changed["chunks"], 0)


def test_a_timeline_that_a_run_can_write() -> None:
    assert is_possible(timeline())
    assert is_possible(make_timeline())


@pytest.mark.parametrize(
    "columns",
    [
        {"state": ["ok", "ok", None]},
        {"clock": ["kernel", "kernel", 7]},
        {"phase": [None, "measured", "measured"]},
        {"finish_reason": [b"x", None, None]},
        {"sent_ns": [1, 1 << 60, 1]},
        {"arrival_ns": [1 << 60] * 9},
        {"kind": [9] * 9},
        {"characters": [-1] * 9},
        {"kind": [1]},
        {"sent_ns": [1]},
    ],
)
def test_a_timeline_that_no_run_writes(columns: dict[str, Any]) -> None:
    assert not is_possible(timeline(**columns))


@pytest.mark.parametrize(
    ("numbers", "owners"),
    [([0, 0, 1], [0] * 9), ([2, 1, 0], [0] * 9), ([0, 1, 2], [0, 2, 1] * 3), ([0, 1, 2], [3] * 9)],
)
def test_chunks_of_no_request(numbers: list[int], owners: list[int]) -> None:
    whole = timeline()
    requests = {**whole.requests, "request": np.array(numbers, np.int64)}
    assert not is_possible(Timeline(requests, {**whole.chunks, "request": np.array(owners, np.int64)}, 0))
