"""Records become columns, and a part of them."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from tests.support import SECOND, make_record, make_timeline

from llmdyno.protocols.events import OTHER, REASONING, TEXT, TOOL
from llmdyno.timeline.columns import MISSING, NO_COUNT, Timeline, from_records
from llmdyno.timeline.record import answer_of


def records() -> Timeline:
    return make_timeline(
        make_record(2, 2.0, [(2.5, TEXT, 4)]),
        make_record(0, 0.0, [(0.5, OTHER, 0), (0.75, TEXT, 3)], finish_reason="stop"),
        make_record(1, 1.0, [], state="failed", end_ns=None),
        make_record(3, 3.0, [(3.5, REASONING, 1)], reused=True),
    )


def test_records_in_any_order_are_sorted_by_their_number() -> None:
    timeline = records()
    assert len(timeline) == 4
    assert timeline.requests["request"].tolist() == [0, 1, 2, 3]
    assert timeline.requests["sent_ns"].tolist() == [0, SECOND, 2 * SECOND, 3 * SECOND]
    assert timeline.requests["end_ns"].tolist() == [3 * SECOND // 4, MISSING, 5 * SECOND // 2, 7 * SECOND // 2]
    assert timeline.requests["finish_reason"].tolist() == ["stop", None, None, None]
    assert timeline.requests["reused"].tolist() == [False, False, False, True]
    assert timeline.requests["tokenizer_output_tokens"].tolist() == [MISSING] * 4
    assert timeline.first_chunk.tolist() == [0, 2, 2, 3, 4]
    assert timeline.chunks["request"].tolist() == [0, 0, 2, 3]
    assert (timeline.chunks["arrival_ns"] / SECOND).tolist() == [0.5, 0.75, 2.5, 3.5]
    assert timeline.chunks["kind"].tolist() == [OTHER, TEXT, TEXT, REASONING]
    assert timeline.chunks["characters"].tolist() == [0, 3, 4, 1]
    assert timeline.chunks["cumulative_tokens"].tolist() == [NO_COUNT] * 4


def test_times_are_counted_from_the_origin_and_missing_ones_stay_missing() -> None:
    timeline = from_records([make_record(0, 5.0, [(6.0, TEXT, 1)], planned_ns=None)], 4 * SECOND)
    assert timeline.origin_ns == 4 * SECOND
    assert timeline.requests["sent_ns"].tolist() == [SECOND]
    assert timeline.requests["planned_ns"].tolist() == [MISSING]
    assert timeline.chunks["arrival_ns"].tolist() == timeline.chunks["read_ns"].tolist() == [2 * SECOND]


def test_running_counts_of_some_records() -> None:
    two = [(1.0, TEXT, 1), (2.0, TEXT, 1)]
    timeline = make_timeline(
        make_record(3, 0.0, two),
        make_record(0, 0.0, two, cumulative_tokens=array("i", [2, 5]).tobytes()),
        make_record(1, 0.0, two),
        make_record(2, 0.0, two, cumulative_tokens=array("i", [-1, 7]).tobytes()),
    )
    assert timeline.chunks["cumulative_tokens"].tolist() == [2, 5, -1, -1, -1, 7, -1, -1]


@pytest.mark.parametrize("kept", [[0, 1], [2], [0, 2], [1, 3], [], [0, 1, 2, 3]])
def test_a_part_has_its_own_chunks(kept: list[int]) -> None:
    mask = np.isin(np.arange(4), kept)
    part = records().only(mask)
    assert part.requests["request"].tolist() == kept
    assert part.chunks["request"].tolist() == [number for number in (0, 0, 2, 3) if number in kept]
    assert part.first_chunk.tolist()[-1] == len(part.chunks["arrival_ns"])


def test_consecutive_requests_are_a_view() -> None:
    timeline = records()
    assert np.shares_memory(
        timeline.only(np.array([False, True, True, True])).chunks["arrival_ns"], timeline.chunks["arrival_ns"]
    )


def test_nothing_is_a_timeline_too() -> None:
    timeline = make_timeline()
    assert (len(timeline), timeline.first_chunk.tolist(), len(timeline.chunks["kind"])) == (0, [0], 0)


def test_the_answer_is_text_alone() -> None:
    chunks = [(1.0, REASONING, 2), (2.0, TEXT, 3), (2.5, OTHER, 0), (3.0, TOOL, 4), (4.0, TEXT, 1)]
    record = make_record(0, 0.0, chunks, text="hmyes{ab}!")
    assert answer_of(record) == "yes!"
    assert answer_of(make_record(0, 0.0, chunks)) == ""
