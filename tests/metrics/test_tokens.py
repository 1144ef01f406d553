"""Tokens by what they are, and the figures that hidden ones must not change."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from tests.support import make_record, make_timeline

from llmdyno.metrics.request import chunk_tokens, inter_token_gaps, request_metrics
from llmdyno.metrics.summary import summarise
from llmdyno.protocols.events import OTHER, REASONING, REFUSAL, TEXT, TOOL
from llmdyno.timeline.columns import Timeline

EVEN = [(1.0 + 0.02 * index, TEXT, 4) for index in range(8)]


def summary_of(timeline: Timeline) -> dict[str, Any]:
    return summarise(timeline, request_metrics(timeline), {})


@pytest.mark.parametrize(
    ("facts", "hidden"),
    [
        ({"server_output_tokens": 208, "reasoning_tokens": 200}, 200),
        ({"server_output_tokens": 8, "reasoning_tokens": 0}, 0),
        ({"server_output_tokens": 8, "reasoning_tokens": 200}, 0),  # counted beside the output, not in it
        ({"server_output_tokens": 208, "reasoning_tokens": 204}, 200),  # each chunk holds one at least
        ({"server_output_tokens": 208, "max_tokens": 1000}, 200),  # no text is that dense, though nothing is named
        ({"server_output_tokens": 208, "max_tokens": 100}, 0),  # a count that is doubtful itself
        ({"server_output_tokens": 24}, 0),
        ({"reasoning_tokens": 5}, 0),  # the output is counted by its chunks
    ],
)
def test_hidden_tokens_are_spread_over_no_gap(facts: dict[str, int], hidden: int) -> None:
    timeline = make_timeline(make_record(0, 0.0, EVEN, **facts))
    figures = request_metrics(timeline)
    assert figures.hidden_tokens.tolist() == [hidden]
    if hidden:
        assert figures.time_per_output_token_s.tolist() == [pytest.approx(0.02)]
        gaps, counts = inter_token_gaps(timeline, chunk_tokens(timeline, figures))
        assert gaps.tolist() == [pytest.approx(0.02)] * 7
        assert counts is None
        assert figures.output_tokens.tolist() == [208]


def test_a_running_count_that_holds_the_hidden_tokens() -> None:
    running = array("i", [201, 202, 204, 205, 206, 207, 208, 209]).tobytes()
    facts = {"server_output_tokens": 209, "reasoning_tokens": 200, "cumulative_tokens": running}
    timeline = make_timeline(make_record(0, 0.0, EVEN, **facts))
    assert chunk_tokens(timeline, request_metrics(timeline)).tolist() == [1, 1, 2, 1, 1, 1, 1, 1]


def test_streamed_reasoning_is_not_hidden_and_a_summary_of_it_is() -> None:
    chunks = [(1.0, REASONING, 40), (1.1, REASONING, 40), (1.2, TEXT, 4), (1.3, TEXT, 4)]
    whole = make_timeline(make_record(0, 0.0, chunks, server_output_tokens=24, reasoning_tokens=20))
    figures = request_metrics(whole)
    assert figures.hidden_tokens.tolist() == [0]
    assert chunk_tokens(whole, figures).tolist() == [10, 10, 2, 2]
    brief = make_timeline(make_record(0, 0.0, chunks, server_output_tokens=1004, reasoning_tokens=1000))
    figures = request_metrics(brief)
    assert figures.hidden_tokens.tolist() == [998]
    assert chunk_tokens(brief, figures).tolist() == [1, 1, 2, 2]


def test_a_tool_call_may_be_denser_than_its_text() -> None:
    timeline = make_timeline(make_record(0, 0.0, [(1.0, TOOL, 1), (2.0, TOOL, 1)], server_output_tokens=40))
    assert request_metrics(timeline).hidden_tokens.tolist() == [0]


def test_a_running_count_is_believed_where_one_token_is_more_than_chunks() -> None:
    running = array("i", [1, 2, 4, 5]).tobytes()
    chunks = [(1.0, TEXT, 2), (1.02, TEXT, 2), (1.06, TEXT, 4), (1.08, TEXT, 2)]
    timeline = make_timeline(make_record(0, 0.0, chunks, server_output_tokens=5, cumulative_tokens=running))
    tokens = chunk_tokens(timeline, request_metrics(timeline))
    assert tokens.tolist() == [1, 1, 2, 1]
    gaps, counts = inter_token_gaps(timeline, tokens)
    assert counts is not None
    assert np.repeat(gaps, counts).tolist() == pytest.approx([0.02] * 4)


def test_a_count_that_does_not_run_is_no_running_count() -> None:
    everywhere = array("i", [8, 8, 8]).tobytes()
    chunks = [(1.0, TEXT, 4), (2.0, TEXT, 4), (3.0, TEXT, 8)]
    timeline = make_timeline(make_record(0, 0.0, chunks, server_output_tokens=8, cumulative_tokens=everywhere))
    assert chunk_tokens(timeline, request_metrics(timeline)).tolist() == [2, 2, 4]


def test_a_count_beyond_all_reason_costs_nothing() -> None:
    facts = {"server_output_tokens": 2**62, "max_tokens": 8}
    timeline = make_timeline(make_record(0, 0.0, EVEN, **facts))
    assert chunk_tokens(timeline, request_metrics(timeline)).tolist() == [1] * 8
    assert summary_of(timeline)["requests"]["succeeded"] == 1


def test_time_to_the_first_reasoning_and_to_the_first_answer() -> None:
    chunks = [(0.5, OTHER, 0), (1.0, REASONING, 4), (2.0, TOOL, 4), (3.0, TEXT, 4)]
    plain = make_record(1, 10.0, [(10.5, REFUSAL, 4), (11.0, REFUSAL, 4)])
    figures = request_metrics(make_timeline(make_record(0, 0.0, chunks), plain))
    np.testing.assert_array_equal(figures.ttfr_s, [1.0, np.nan])
    assert (figures.ttft_s.tolist(), figures.ttfa_s.tolist()) == ([1.0, 0.5], [2.0, 0.5])
    latency = summary_of(make_timeline(make_record(0, 0.0, chunks), plain))["latency"]
    assert (latency["ttfr_s"]["count"], latency["ttfa_s"]["count"]) == (1, 2)


def test_tokens_and_chunks_by_kind() -> None:
    chunks = [(1.0, REASONING, 4), (1.1, TEXT, 4), (1.2, TEXT, 4), (1.3, TOOL, 4), (1.4, REFUSAL, 4), (1.5, OTHER, 0)]
    summary = summary_of(make_timeline(make_record(0, 0.0, chunks)))
    by_kind = {"text": 2, "reasoning": 1, "tool": 1, "refusal": 1}
    assert (summary["tokens"]["by_kind"], summary["chunks"]["by_kind"]) == (by_kind, by_kind)


def test_cached_hidden_and_template_tokens() -> None:
    facts = {"server_input_tokens": 25, "cached_input_tokens": 16, "server_output_tokens": 58, "reasoning_tokens": 50}
    tokens = summary_of(make_timeline(make_record(0, 0.0, EVEN, **facts), make_record(1, 10.0, [])))["tokens"]
    assert tokens["cached"] == {"requests": 1, "total": 16, "share": 16 / 25, "expected": 16}
    assert tokens["not_streamed"] == {"requests": 1, "total": 50, "share": 50 / 58}
    assert tokens["beyond_prompt"] == {"p50": 15.0, "share": 0.6}
    beside = make_timeline(make_record(0, 0.0, EVEN, server_input_tokens=4, cached_input_tokens=16))
    assert summary_of(beside)["tokens"]["cached"]["share"] == 16 / 20
    known = {"input_tokens": 1000, "server_input_tokens": 1010, "cached_input_tokens": 992}
    hits = make_timeline(make_record(0, 0.0, EVEN, **known))
    assert summary_of(hits)["tokens"]["cached"] == {"requests": 1, "total": 992, "share": 992 / 1010, "expected": 64}
    plain = summary_of(make_timeline(make_record(0, 0.0, EVEN)))["tokens"]
    assert (plain["cached"], plain["not_streamed"], plain["beyond_prompt"]) == (None, None, None)


def test_an_open_loop_has_the_rate_of_its_own_plan() -> None:
    times = (0.0, 0.5, 1.0, 2.0)
    records = [make_record(n, at, [(at + 0.1, TEXT, 1)], planned_ns=round(at * 1e9)) for n, at in enumerate(times)]
    assert summary_of(make_timeline(*records))["throughput"]["planned_request_per_s"] == pytest.approx(1.5)
    closed = summary_of(make_timeline(make_record(0, 0.0, EVEN)))
    assert closed["throughput"]["planned_request_per_s"] is None
