"""The content of summary.json, and the cold start in it, on timelines whose figures are known exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support import SECOND, make_record, make_timeline

from llmdyno._version import __version__
from llmdyno.metrics.coldstart import cold_starts
from llmdyno.metrics.conclude import Circumstances, conclude, measured_part
from llmdyno.metrics.request import request_metrics
from llmdyno.protocols.dialect import Refusals
from llmdyno.protocols.events import TEXT
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import Timeline
from llmdyno.timeline.record import RequestRecord

ASLEEP = {"state": "failed", "error_kind": "http_status", "error_code": 429, "error_type": "Asleep"}


def answered(request: int, sent_s: float, ttft_s: float = 1.0, **facts: Any) -> RequestRecord:
    first_s = sent_s + ttft_s
    return make_record(request, sent_s, [(first_s, TEXT, 1), (first_s + 1, TEXT, 1)], **facts)


def concluded(timeline: Timeline, spec: Spec, circumstances: Circumstances) -> dict[str, Any]:
    return conclude(timeline, request_metrics(timeline), spec, circumstances, status="complete")


RUN = (
    make_record(-1, 0.0, [], phase="warm", user=0, end_ns=SECOND // 2, **ASLEEP),
    answered(-2, 1.0, 2.0, phase="warm", user=0),
    answered(-3, 5.0, 0.5, phase="warm", user=0),
    answered(0, 7.0, 9.0, phase="warmup"),
    answered(1, 20.0, reads=np.array([22 * SECOND, 22 * SECOND]).tobytes()),
    answered(2, 21.0, clock="user"),
    make_record(3, 22.0, [], **ASLEEP),
)


def test_a_run_of_every_phase() -> None:
    """The warm-up's slow answer is in no figure; the attempts before it are the cold start."""
    timeline = make_timeline(*RUN)
    assert measured_part(timeline).requests["request"].tolist() == [1, 2, 3]
    cpu_s = [[19.0, 0.0], [20.0, 0.5], [21.0, 1.0], [22.0, 1.95], [23.0, 2.0], [40.0, 19.0]]
    circumstances = Circumstances(cpu_s, 0.25, 0.01, True, {"profile": "p"}, Refusals(frozenset({"Asleep"})))
    found = concluded(
        timeline, Spec(api="openai", model="m", name="n", concurrency=2, slo={"ttft_s": 1.0}), circumstances
    )
    assert list(found) == [
        *("schema_version", "llmdyno_version", "status", "name", "api", "model", "emulated", "warmup_requests"),
        *("cold_starts", "requests", "errors", "latency", "tokens", "throughput", "slices", "connections", "chunks"),
        *("finish_reasons", "load", "clock", "verdict"),
    ]
    assert (found["schema_version"], found["llmdyno_version"], found["status"]) == (2, __version__, "complete")
    assert (found["name"], found["api"], found["model"]) == ("n", "openai", "m")
    assert (found["emulated"], found["warmup_requests"], found["load"]) == ({"profile": "p"}, 1, "closed")
    assert found["cold_starts"] == [
        {
            "attempts": 3,
            "refused": {"Asleep": 1},
            "cold": True,
            "cold_start_s": 4.0,
            "ready_s": 3.0,
            "ready_low_s": 0.0,
            "ready_high_s": 3.0,
            "first_ttft_s": 2.0,
            "warmed_ttft_s": 0.5,
        }
    ]
    assert found["requests"]["total"] == 3
    assert found["latency"]["ttft_s"]["max"] == 1.0
    assert found["throughput"]["goodput_request_per_s"] == pytest.approx(2 / 3)
    assert found["clock"] == {
        "kernel_stamped_share": 0.5,
        "sdk_share": 0.0,
        "read_lag_s": {"p50": 0.5, "p99": 0.99, "max": 1.0},
        "loop_lag_s": 0.25,
        "gc_pause_s": 0.01,
    }
    # The last CPU sample is after the measured requests, the first is too early: neither counts.
    assert {one["reason"]: one["value"] for one in found["verdict"]["reasons"]} == {
        "read_lag": pytest.approx(0.99),
        "cpu_near_limit": pytest.approx(0.95),
        "too_few_samples": 2,
        "errors_present": 1,
        "cold_start_in_window": 1,
        "loop_lag": 0.25,
    }


def test_an_open_loop_and_nothing_known_beside_it() -> None:
    timeline = make_timeline(*(answered(n, 10.0 * n, planned_ns=10 * n * SECOND) for n in range(30)))
    found = concluded(timeline, Spec(model="m", rate=0.1), Circumstances())
    assert (found["load"], found["emulated"], found["cold_starts"]) == ("open", None, [])
    assert found["clock"]["read_lag_s"] == {"p50": 0.0, "p99": 0.0, "max": 0.0}
    assert (found["clock"]["loop_lag_s"], found["clock"]["gc_pause_s"]) == (None, None)
    assert found["verdict"] == {"trustworthy": True, "reasons": []}


def test_an_empty_run() -> None:
    found = concluded(make_timeline(), Spec(model="m"), Circumstances())
    assert found["clock"]["kernel_stamped_share"] is None
    assert found["clock"]["read_lag_s"] is None
    assert (found["cold_starts"], found["slices"]) == ([], [])


# --- cold starts


def starts(*records: RequestRecord) -> list[dict[str, Any]]:
    timeline = make_timeline(*records)
    return cold_starts(timeline, request_metrics(timeline))


def test_every_round_has_its_own_cold_start() -> None:
    found = starts(
        make_record(-1, 0.0, [], user=0, **ASLEEP),
        answered(-2, 10.0, user=0),
        make_record(-3, 100.0, [], user=1, **{**ASLEEP, "error_type": None}),
        make_record(-4, 105.0, [], user=1, state="cancelled"),
        answered(-5, 130.0, user=1),
    )
    assert [one["cold_start_s"] for one in found] == [12.0, 32.0]
    assert [one["refused"] for one in found] == [{"Asleep": 1}, {"http_status": 1, "cancelled": 1}]


def test_the_bounds_of_a_cold_start_are_as_wide_as_the_polling_was_coarse() -> None:
    """The service began between 0 s and 0.25 s, and the model was ready between 10 s and 12.5 s."""
    attempts = [
        make_record(-1, 0.0, [], headers_ns=SECOND // 4, end_ns=SECOND // 2, user=0, **ASLEEP),
        make_record(-2, 10.0, [], headers_ns=41 * SECOND // 4, end_ns=11 * SECOND, user=0, **ASLEEP),
    ]
    broken = make_record(-3, 11.0, [], user=0, **{**ASLEEP, "error_type": "Broken"})
    answer = answered(-4, 12.0, 0.5, user=0)
    for records in (attempts, [*attempts, broken]):  # a failure for another reason says nothing
        timeline = make_timeline(*records, answer)
        [found] = cold_starts(timeline, request_metrics(timeline), {"Asleep"})
        assert (found["ready_low_s"], found["ready_high_s"]) == (9.75, 12.5)
    [unknown] = cold_starts(timeline, request_metrics(timeline), {"Other"})
    assert (unknown["ready_low_s"], unknown["ready_high_s"]) == (0.0, 12.5)


def test_an_slo_is_at_real_speed() -> None:
    """Answers with a TTFT of one second, from an emulator at four times real speed."""
    timeline = make_timeline(*(answered(n, 10.0 * n) for n in range(3)))
    good = [
        concluded(timeline, Spec(model="m", slo={"ttft_s": bound_s}), Circumstances(emulated={"speed": 4.0}))
        for bound_s in (3.9, 4.0)
    ]
    assert [one["throughput"]["goodput_request_per_s"] for one in good] == [0.0, pytest.approx(3 / 22)]


def test_a_model_that_answers_at_once_or_never_has_no_cold_start() -> None:
    warm, never = starts(
        answered(-1, 0.0, 0.25, user=0),
        make_record(-2, 5.0, [], user=1, **ASLEEP),
        make_record(-3, 6.0, [], user=1, **ASLEEP),
    )
    assert (warm["cold"], warm["cold_start_s"], warm["ready_s"], warm["first_ttft_s"]) == (False, None, None, 0.25)
    assert (never["cold"], never["cold_start_s"], never["attempts"], never["first_ttft_s"]) == (True, None, 2, None)


def test_an_answer_without_output_has_no_ttft() -> None:
    [found] = starts(make_record(-1, 0.0, [(1.0, 0, 0)]), answered(-2, 2.0, 0.5))
    assert (found["first_ttft_s"], found["warmed_ttft_s"]) == (None, 0.5)
