"""Definitions, on timelines whose figures are known exactly."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from tests.support import SECOND, make_record, make_timeline

from llmdyno.metrics.llmperf import individual_responses
from llmdyno.metrics.request import chunk_tokens, inter_token_gaps, request_metrics
from llmdyno.metrics.summary import distribution, summarise, unsupported
from llmdyno.metrics.verdict import REASONS, busiest_second, verdict
from llmdyno.metrics.windows import in_flight, peak_in_flight, steady_window, whole_window
from llmdyno.protocols.events import OTHER, REASONING, TEXT, TOOL
from llmdyno.timeline.columns import Timeline

ANSWER = [(1.5, OTHER, 0), (2.0, REASONING, 3), (2.5, TEXT, 4), (3.5, TEXT, 4), (3.75, OTHER, 0)]


def summary_of(timeline: Timeline, slo: dict[str, float]) -> dict[str, Any]:
    return summarise(timeline, request_metrics(timeline), slo)


def verdict_on(timeline: Timeline, **options: Any) -> dict[str, Any]:
    return verdict(timeline, request_metrics(timeline), **options)


def failed(request: int, sent_s: float, **facts: object) -> object:
    defaults = {"state": "failed", "error_kind": "http_status", "error_code": 429, "error_message": "slow down"}
    return make_record(request, sent_s, [], **{**defaults, **facts})


def test_one_request_by_hand() -> None:
    timeline = make_timeline(make_record(0, 1.0, ANSWER, server_output_tokens=3, connect_start_ns=SECOND // 2))
    figures = request_metrics(timeline)
    assert figures.ttft_s.tolist() == [1.0]
    assert figures.ttft_with_connection_s.tolist() == [1.5]
    assert figures.end_to_end_latency_s.tolist() == [2.75]
    assert figures.time_per_output_token_s.tolist() == [0.75]
    assert figures.request_output_throughput_token_per_s.tolist() == [pytest.approx(3 / 2.75)]
    gaps, counts = inter_token_gaps(timeline, chunk_tokens(timeline, request_metrics(timeline)))
    assert gaps.tolist() == [0.5, 1.0]
    assert counts is None  # one each


def test_a_tool_call_is_output_and_no_answer_text() -> None:
    chunks = [(1.0, OTHER, 0), (2.0, TOOL, 7), (2.5, TOOL, 3), (3.0, OTHER, 0)]
    timeline = make_timeline(make_record(0, 0.0, chunks))
    figures = request_metrics(timeline)
    assert (figures.ttft_s.tolist(), figures.text_chunks.tolist()) == ([2.0], [2])
    gaps, _ = inter_token_gaps(timeline, chunk_tokens(timeline, figures))
    assert gaps.tolist() == [0.5]
    assert summary_of(timeline, {})["requests"]["without_text"] == 0


def test_figures_of_a_part_are_the_part_of_the_figures() -> None:
    records = [make_record(0, 1.0, ANSWER), failed(1, 2.0), make_record(2, 3.0, [(4.0, TEXT, 2)]), failed(3, 4.0)]
    whole = make_timeline(*records)
    for rows in (np.array([True, False, True, False]), slice(1, 3)):
        mask = np.zeros(4, bool)
        mask[rows] = True
        part, figures = request_metrics(whole.only(mask)), request_metrics(whole).only(rows)
        for field in fields(part):
            np.testing.assert_array_equal(getattr(figures, field.name), getattr(part, field.name), field.name)


def test_a_chunk_of_k_tokens_counts_k_times_with_a_kth_of_the_gap() -> None:
    chunks = [(1.0, TEXT, 2), (2.0, TEXT, 8), (3.0, TEXT, 4)]
    timeline = make_timeline(make_record(0, 0.0, chunks, server_output_tokens=7))
    assert chunk_tokens(timeline, request_metrics(timeline)).tolist() == [1, 4, 2]  # 7 over 2 + 8 + 4 characters
    gaps, counts = inter_token_gaps(timeline, chunk_tokens(timeline, request_metrics(timeline)))
    assert gaps.tolist() == [0.25, 0.5]
    assert counts is not None
    assert counts.tolist() == [4, 2]
    assert distribution(gaps, counts)["count"] == 6


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [
        ([100, 1, 1], 5, [3, 1, 1]),
        ([5, 5], 5, [3, 2]),
        ([1, 9, 2], 7, [1, 5, 1]),
        ([1] * 40 + [60], 43, [1] * 40 + [3]),
    ],
)
def test_tokens_spread_over_chunks_add_up(sizes: list[int], total: int, expected: list[int]) -> None:
    chunks = [(float(index + 1), TEXT, size) for index, size in enumerate(sizes)]
    timeline = make_timeline(make_record(0, 0.0, chunks, server_output_tokens=total))
    assert chunk_tokens(timeline, request_metrics(timeline)).tolist() == expected
    assert sum(expected) == total


def test_an_end_of_text_token_is_no_chunk() -> None:
    timeline = make_timeline(make_record(0, 1.0, ANSWER, server_output_tokens=4))
    assert chunk_tokens(timeline, request_metrics(timeline)).tolist() == [0, 1, 1, 1, 0]


def test_a_servers_running_count_says_what_each_chunk_holds() -> None:
    running = np.array([2, 3, 8], np.int32).tobytes()
    chunks = [(1.0, TEXT, 9), (2.0, TEXT, 9), (3.0, TEXT, 9)]
    timeline = make_timeline(make_record(0, 0.0, chunks, server_output_tokens=8, cumulative_tokens=running))
    assert chunk_tokens(timeline, request_metrics(timeline)).tolist() == [2, 1, 5]


@pytest.mark.parametrize(
    ("facts", "count", "source"),
    [({"server_output_tokens": 9}, 9, "server"), ({}, 3, "chunks")],
)
def test_token_counts_say_where_they_are_from(facts: dict[str, int], count: int, source: str) -> None:
    timeline = make_timeline(make_record(0, 1.0, ANSWER, **facts))
    figures = request_metrics(timeline)
    assert (figures.output_tokens.tolist(), figures.output_tokens_source.tolist()) == ([count], [source])
    timeline.requests["tokenizer_output_tokens"][0] = 5
    expected = "server" if facts else "tokenizer"
    assert request_metrics(timeline).output_tokens_source.tolist() == [expected]


def test_failures_stay_in_the_count_and_out_of_the_latencies() -> None:
    timeline = make_timeline(make_record(0, 1.0, ANSWER), failed(1, 1.0), failed(2, 2.0, error_code=None))
    summary = summary_of(timeline, {"ttft_s": 1.0})
    assert summary["requests"] == {
        "total": 3, "succeeded": 1, "failed": 2, "cancelled": 0, "error_rate": 2 / 3, "retries": 0, "without_text": 0,
        "asked": 3, "unanswered": 2, "resends": 0,
    }  # fmt: skip
    assert summary["latency"]["ttft_s"]["count"] == 1
    assert [(error["code"], error["count"]) for error in summary["errors"]] == [(429, 1), (None, 1)]
    assert summary["throughput"]["goodput_request_per_s"] == pytest.approx(1 / 2.75)
    assert summary_of(timeline, {"ttft_s": 0.99})["throughput"]["goodput_request_per_s"] == 0


def test_nothing_measured_is_no_crash() -> None:
    summary = summary_of(make_timeline(), {"ttft_s": 1})
    assert summary["requests"]["total"] == 0
    assert summary["latency"]["ttft_s"] == {"count": 0}
    assert summary["throughput"]["steady"] is None
    only_failures = summary_of(make_timeline(failed(0, 1.0)), {})
    assert only_failures["latency"]["inter_token_latency_s"] == {"count": 0}
    assert verdict_on(make_timeline(), concurrency=1, exact_tokens=False, cpu=[])["trustworthy"] is False


def test_percentiles_never_exceed_the_largest_and_warn_when_unsupported() -> None:
    values = np.arange(1, 101) / 100
    figures = distribution(values)
    assert figures["p50"] == pytest.approx(0.505)
    assert figures["p99"] <= figures["max"] == 1.0
    assert figures["stddev"] == pytest.approx(values.std(ddof=1))
    assert figures["unsupported"] == ["p1", "p99"]
    assert unsupported(99, 299)
    assert not unsupported(99, 300)
    assert not unsupported(50, 6)


def test_the_steady_window_leaves_ramp_and_drain_out() -> None:
    spans = [(0.0, 4.0), (1.0, 3.0), (3.0, 6.0), (4.0, 9.0)]
    timeline = make_timeline(*(make_record(n, start, [(end, TEXT, 1)]) for n, (start, end) in enumerate(spans)))
    moments, curve = in_flight(timeline)
    assert list(zip(moments, curve, strict=True)) == [
        (0, 1), (1, 2), (3, 1), (3, 2), (4, 1), (4, 2), (6, 1), (9, 0),
    ]  # fmt: skip
    assert peak_in_flight(timeline) == 2
    steady, whole = steady_window(timeline), whole_window(timeline)
    assert steady is not None
    assert whole is not None
    assert (steady.start_s, steady.end_s) == (1, 6)
    assert (whole.start_s, whole.end_s) == (0, 9)
    throughput = summary_of(timeline, {})["throughput"]
    assert throughput["steady"]["output_token_per_s"] == pytest.approx(3 / 5)
    assert throughput["whole_run"]["output_token_per_s"] == pytest.approx(4 / 9)


def test_a_peak_that_was_only_touched_is_no_steady_state() -> None:
    spans = [(0.0, 10.0), (4.0, 4.5)]
    timeline = make_timeline(*(make_record(n, start, [(end, TEXT, 1)]) for n, (start, end) in enumerate(spans)))
    assert peak_in_flight(timeline) == 2
    assert steady_window(timeline) is None
    assert summary_of(timeline, {})["throughput"]["steady"] is None


def reasons(timeline: Timeline, **options: object) -> list[str]:
    defaults: dict[str, object] = {"concurrency": 1, "exact_tokens": False, "cpu": []}
    found = verdict_on(timeline, **{**defaults, **options})
    for reason in found["reasons"]:
        assert reason["reason"] in REASONS
        assert reason["text"]
        assert reason["value"] != reason["bound"]
    assert found["trustworthy"] is not bool(found["reasons"])
    return [reason["reason"] for reason in found["reasons"]]


def many(count: int = 30, **facts: object) -> list[object]:
    return [make_record(n, 10.0 * n, [(10.0 * n + 1, TEXT, 1), (10.0 * n + 2, TEXT, 1)], **facts) for n in range(count)]


def test_nothing_to_hold_against_a_good_measurement() -> None:
    assert reasons(make_timeline(*many(server_output_tokens=2, server_input_tokens=12))) == []


def test_each_reason() -> None:
    assert reasons(make_timeline(*many(29))) == ["too_few_samples"]
    assert reasons(make_timeline(*many(), failed(99, 1000.0))) == ["errors_present"]
    assert reasons(make_timeline(*many()), concurrency=2) == ["concurrency_never_reached"]
    assert reasons(make_timeline(*many(clock="sdk"))) == ["sdk_clock"]
    assert reasons(make_timeline(*many()), cpu=[(0.0, 0.0), (0.5, 0.2), (1.0, 0.95), (2.0, 1.0)]) == ["cpu_near_limit"]
    late = np.array([1, 2], np.int64) * SECOND
    slow = make_record(99, 0.5, [(1.0, TEXT, 1), (2.0, TEXT, 1)], reads=(late + SECOND // 100).tobytes())
    assert reasons(make_timeline(*many(), slow)) == ["read_lag"]
    slow.clock = "user"
    assert reasons(make_timeline(*many(), slow)) == []


@pytest.mark.parametrize(
    ("facts", "exact", "disagree"),
    [
        ({"server_output_tokens": 1}, False, False),  # one chunk more than tokens: a token split over two chunks
        ({"server_output_tokens": 0}, False, True),
        ({"server_output_tokens": 101}, False, True),
        ({"server_input_tokens": 1000, "input_tokens": 1000}, True, False),
        ({"server_input_tokens": 1060, "input_tokens": 1000}, True, False),  # a chat template
        ({"server_input_tokens": 1100, "input_tokens": 1000}, True, True),
        ({"server_input_tokens": 970, "input_tokens": 1000}, True, True),
        ({"server_input_tokens": 1200, "input_tokens": 1000}, False, False),
        ({"server_input_tokens": 700, "input_tokens": 1000}, False, True),
    ],
)
def test_token_counts_disagree(facts: dict[str, int], exact: bool, disagree: bool) -> None:
    expected = ["token_counts_disagree"] if disagree else []
    assert reasons(make_timeline(*many(**facts)), exact_tokens=exact) == expected


def test_the_busiest_second() -> None:
    assert busiest_second([]) is None
    assert busiest_second([(0.0, 1.0)]) is None
    assert busiest_second([(0.0, 1.0), (0.5, 1.25)]) == pytest.approx(0.5)
    assert busiest_second([(0.0, 0.0), (1.0, 0.1), (1.5, 0.5), (2.0, 1.0), (3.0, 1.1)]) == pytest.approx(0.9)


def test_llmperfs_definitions() -> None:
    timeline = make_timeline(
        make_record(0, 1.0, ANSWER, server_output_tokens=4, server_input_tokens=12),
        failed(1, 2.0),
        failed(2, 2.0, error_code=None, error_kind="timeout", error_message="late"),
        make_record(3, 2.0, [], state="cancelled"),
    )
    good, throttled, late = individual_responses(timeline, request_metrics(timeline))
    assert good["inter_token_latency_s"] == pytest.approx(2.75 / 3)  # TTFT included, over chunks
    assert (good["error_code"], good["error_msg"], good["number_total_tokens"]) == (None, "", 16)
    assert (throttled["error_code"], throttled["error_msg"], throttled["ttft_s"]) == (429, "slow down", None)
    assert (late["error_code"], late["error_msg"]) == (-1, "late")


def test_an_sdk_clock_says_how_much_of_a_core_was_used() -> None:
    timeline = make_timeline(*many(15, clock="sdk"), *(make_record(n, 100.0 + n, ANSWER) for n in range(100, 115)))
    found = verdict_on(timeline, concurrency=1, exact_tokens=False, cpu=[(0.0, 1.0), (10.0, 5.5)])
    (reason,) = (reason for reason in found["reasons"] if reason["reason"] == "sdk_clock")
    assert reason["value"] == pytest.approx(0.5)
    assert "45% of a core" in reason["text"]


def test_goodput_by_the_first_reasoning_and_the_first_answer() -> None:
    thinks = make_record(0, 0.0, [(0.5, REASONING, 4), (1.0, TEXT, 4)])
    answers = make_record(1, 0.0, [(0.5, TEXT, 4), (1.0, TEXT, 4)])
    timeline = make_timeline(thinks, answers)
    for slo, good in (({"ttfr_s": 0.5}, 1), ({"ttfr_s": 0.4}, 0), ({"ttfa_s": 0.9}, 1), ({"ttfa_s": 1.0}, 2)):
        assert summary_of(timeline, slo)["throughput"]["goodput_request_per_s"] == good, slo
