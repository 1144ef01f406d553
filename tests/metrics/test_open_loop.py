"""Figures from the planned instant, failures in the tail, slices over time, and the verdict's reasons for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support import SECOND, make_record, make_timeline

from llmdyno.metrics.request import request_metrics
from llmdyno.metrics.slices import slice_duration_s
from llmdyno.metrics.summary import summarise, with_failures
from llmdyno.metrics.verdict import verdict
from llmdyno.metrics.windows import steady_window
from llmdyno.protocols.dialect import Refusals
from llmdyno.protocols.events import TEXT
from llmdyno.timeline.columns import Timeline
from llmdyno.timeline.record import RequestRecord


def summary_of(timeline: Timeline) -> dict[str, Any]:
    return summarise(timeline, request_metrics(timeline), {})


def planned(number: int, at_s: float, late_s: float = 0.0, ttft_s: float = 0.1, **facts: object) -> RequestRecord:
    sent_s = at_s + late_s
    chunks = [(sent_s + ttft_s, TEXT, 1), (sent_s + ttft_s + 0.1, TEXT, 1)]
    return make_record(number, sent_s, chunks, planned_ns=round(at_s * SECOND), **facts)


def lost(number: int, at_s: float, **facts: object) -> RequestRecord:
    more = {"state": "failed", "error_kind": "timeout", "http_status": None, "planned_ns": round(at_s * SECOND)}
    return make_record(number, at_s, [], **{**more, **facts})


def test_a_late_send_is_in_the_figure_from_the_planned_instant() -> None:
    summary = summary_of(make_timeline(*(planned(n, n * 1.0, late_s=0.4) for n in range(4))))
    latency = summary["latency"]
    assert latency["ttft_s"]["p50"] == pytest.approx(0.1)
    assert latency["ttft_scheduled_s"]["p50"] == pytest.approx(0.5)
    assert latency["end_to_end_scheduled_s"]["max"] == pytest.approx(0.6)
    assert latency["send_lateness_s"]["p50"] == pytest.approx(0.4)


def test_a_closed_loop_has_no_planned_instants() -> None:
    summary = summary_of(make_timeline(make_record(0, 0.0, [(0.1, TEXT, 1)])))
    assert "ttft_scheduled_s" not in summary["latency"]


def test_a_percentile_among_failures_says_so() -> None:
    found = with_failures(np.arange(1, 91) / 100, 10)  # 90 answers, 10 failures
    assert found["count"] == 100
    assert found["p50"] == pytest.approx(0.505)
    assert (found["p90"], found["p95"], found["p99"], found["max"]) == (None, None, None, None)
    assert found["in_failures"] == ["p90", "p95", "p99", "max"]
    assert found["p75"] == pytest.approx(0.7525)
    assert with_failures(np.array([]), 5)["p50"] is None
    assert "in_failures" not in with_failures(np.array([1.0]), 0)


def test_failures_stay_in_the_tail_of_an_open_loop() -> None:
    records = [planned(n, n * 0.1) for n in range(80)] + [lost(n, n * 0.1) for n in range(80, 100)]
    latency = summary_of(make_timeline(*records))["latency"]
    assert latency["ttft_scheduled_s"]["p99"] is None
    assert latency["ttft_s"]["p99"] == pytest.approx(0.1)  # the uncorrected figure, beside it


def test_the_steady_window_of_an_open_loop_ends_with_the_last_send() -> None:
    timeline = make_timeline(*(planned(n, n * 0.1, ttft_s=0.9) for n in range(101)))
    steady = steady_window(timeline)
    assert steady is not None
    assert steady.start_s == pytest.approx(0.9, abs=0.1)  # ten are in flight then, as for most of the time
    assert steady.end_s == pytest.approx(10.0)


# --- slices


def test_slices_count_everything_once_and_show_the_course() -> None:
    records = [planned(n, n * 0.1, ttft_s=0.1 if n < 50 else 0.3) for n in range(100)]
    records += [lost(100, 5.5), lost(101, 5.6)]
    summary = summary_of(make_timeline(*records))
    found = summary["slices"]
    length = found[0]["length_s"]
    assert [one["start_s"] for one in found] == pytest.approx([length * index for index in range(len(found))])
    assert sum(one["sent"] for one in found) == 102
    assert sum(one["succeeded"] for one in found) == 100
    assert sum(one["failed"] for one in found) == 2
    tokens = sum(one["output_token_per_s"] * one["length_s"] for one in found)
    assert tokens == pytest.approx(200)
    early, late = found[2], found[-6]
    assert (early["ttft_p50_s"], late["ttft_p50_s"]) == (pytest.approx(0.1), pytest.approx(0.3))
    assert late["in_flight"] == pytest.approx(4.0, abs=0.5)  # 10 a second × 0.4 s
    assert summary_of(make_timeline())["slices"] == []


@pytest.mark.parametrize(("duration_s", "slice_s"), [(3.0, 0.1), (5.0, 0.2), (60.0, 2.0), (3600.0, 120.0)])
def test_a_slice_is_round(duration_s: float, slice_s: float) -> None:
    assert slice_duration_s(duration_s) == slice_s


# --- the verdict


def reasons(timeline: Timeline, **options: object) -> dict[str, str]:
    given: dict[str, object] = {"concurrency": None, "exact_tokens": False, "cpu": [], **options}
    found = verdict(timeline, request_metrics(timeline), **given)  # type: ignore[arg-type]
    return {one["reason"]: one["text"] for one in found["reasons"]}


def test_a_good_open_loop_has_nothing_against_it() -> None:
    assert reasons(make_timeline(*(planned(n, n * 0.1) for n in range(60)))) == {}


def test_late_sends() -> None:
    timeline = make_timeline(*(planned(n, n * 0.1, late_s=0.02) for n in range(60)))
    assert "20.0 ms or more after its planned instant" in reasons(timeline)["sends_late"]


def test_a_request_that_the_bound_holds_back_is_not_late() -> None:
    # One at a time, each takes 0.2 s, one is planned every 0.1 s: all but the first wait.
    records = [planned(n, n * 0.1, late_s=n * 0.1) for n in range(60)]
    assert "sends_late" in reasons(make_timeline(*records))
    held = reasons(make_timeline(*records), max_concurrency=1)
    assert "sends_late" not in held
    assert "50.0% of the planned rate" in held["plan_under_delivered"]


def test_churned_connections() -> None:
    opened = {"connect_start_ns": 0, "connected_ns": 1}
    timeline = make_timeline(*(planned(n, n * 1.0, **opened) for n in range(60)))
    assert (
        "60 were opened for 60 requests, though 1 were enough; the excess is 98% of the requests"
        in reasons(timeline)["connections_churned"]
    )
    once = [planned(n, n * 1.0, **(opened if n == 0 else {})) for n in range(60)]
    assert "connections_churned" not in reasons(make_timeline(*once))


def test_coalesced_chunks() -> None:
    together = [(0.1, TEXT, 1), (0.1, TEXT, 1), (0.2, TEXT, 1)]
    records = [make_record(n, n * 1.0, [(n + at, kind, size) for at, kind, size in together]) for n in range(40)]
    assert "50% of chunks arrived together" in reasons(make_timeline(*records))["chunks_coalesced"]


def test_a_cold_start_inside_the_window() -> None:
    records = [planned(n, n * 0.1) for n in range(60)] + [lost(60, 6.0, error_type="ModelNotReadyException")]
    refusals = Refusals(not_ready=frozenset({"ModelNotReadyException", "Asleep"}))
    found = reasons(make_timeline(*records), refusals=refusals)
    assert found["cold_start_in_window"] == "cold start inside the window: 1 requests found the model not ready"
    assert "cold_start_in_window" not in reasons(make_timeline(*records))  # a name that is another service's


def test_loop_lag() -> None:
    timeline = make_timeline(*(planned(n, n * 0.1) for n in range(60)))
    assert "the event loop was blocked for 300 ms (bound 100 ms)" in reasons(timeline, loop_lag_s=0.3)["loop_lag"]
    assert reasons(timeline, loop_lag_s=0.05) == {}
