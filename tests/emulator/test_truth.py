"""The truth about requests: bounded by bytes, given out in parts."""

from __future__ import annotations

import json

from llmdyno.emulator.truth import Truths


def lines(truths: Truths) -> list[dict[str, object]]:
    return [json.loads(line) for line in b"".join(truths.parts()).splitlines()]


def test_a_request_as_a_line() -> None:
    truths = Truths(10_000, print)
    truth = truths.begin(5)
    truth.write(7)
    truth.write(9)
    truth.status, truth.end_ns = 200, 11
    truths.begin(12)
    assert (truth.tokens, truth.first_ns) == (2, 7)
    assert lines(truths) == [
        {"n": 0, "arrive": 5, "end": 11, "status": 200, "t": [7, 9]},
        {"n": 1, "arrive": 12, "end": 0, "status": 0, "t": []},
    ]


def test_the_oldest_are_dropped_counted_and_told_once() -> None:
    told: list[str] = []
    truths = Truths(1000, told.append)
    for number in range(5):  # two requests of 400 bytes fit
        truths.begin(number)
    assert ([truth.number for truth in truths], truths.dropped) == ([3, 4], 3)
    assert told == ["/truth has no more room: the oldest requests are dropped (1,000 bytes are kept)"]
    truths.clear()
    assert (len(truths), truths.dropped, truths.begin(0).number) == (0, 0, 5)


def test_tokens_of_requests_under_way_count() -> None:
    told: list[str] = []
    truths = Truths(1000, told.append)
    first, second = truths.begin(0), truths.begin(1)
    for now_ns in range(50):
        first.write(now_ns)
    assert (list(truths), truths.dropped) == ([second], 1)
    assert (first.tokens, first.first_ns, len(first.written_ns)) == (50, 0, 0)
    for now_ns in range(64):  # 400 + 9 × 64 is 976, and room is taken for 16 tokens at once
        second.write(now_ns)
    assert [len(line["t"]) for line in lines(truths)] == [64]  # type: ignore[arg-type]
    second.write(64)
    assert (lines(truths), truths.dropped, len(told)) == ([], 2, 1)


def test_a_request_that_is_dropped_while_it_is_given_out_is_left_out() -> None:
    truths = Truths(1000, lambda _: None)
    truths.begin(0)
    truths.begin(1)
    parts = truths.parts()
    first = next(parts) + next(parts)
    for now_ns in range(2, 5):
        truths.begin(now_ns)
    assert json.loads(first)["n"] == 0
    assert list(parts) == []


def test_a_long_answer_is_given_out_in_short_parts() -> None:
    truths = Truths(1_000_000, print)
    truth = truths.begin(0)
    for now_ns in range(50_000):
        truth.write(now_ns)
    parts = list(truths.parts())
    assert max(map(len, parts)) < 4096 * 7
    assert json.loads(b"".join(parts))["t"] == list(range(50_000))
