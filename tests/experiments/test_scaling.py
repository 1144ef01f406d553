"""A step of load: recovery, bounds, the series; against the emulator's record under a virtual clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.services.bedrock_import.virtual import SECOND, drive
from tests.services.runs import COLD_START, THROTTLED, Sent, make_run

from llmdyno.emulator.copies import Scaling
from llmdyno.experiments.scaling import (
    Observations,
    Step,
    bounds_before,
    recovered_s,
    scaling_report,
    series,
    within_bounds,
)
from llmdyno.experiments.stages import Deployment, RequestFigures, deployment_of
from llmdyno.services.bedrock_import.copies import measured
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.copies import inferred

STEP = Step(0.0, 300.0, 900.0, 1500.0, 2, 12)


def test_the_recovery_is_when_the_last_copy_that_was_needed_came() -> None:
    scaling = Scaling(requests_per_copy=4, max_copies=3, scale_up_after_s=30, scale_up_delay_s=60)
    seen = drive(scaling, [(0.0, 300.0, 2), (300.0, 900.0, 12), (900.0, 1500.0, 2)])
    found = recovered_s(seen.calls.sent_s, seen.calls.ok, STEP, over_s=10.0)
    true_s = seen.copies.copies[-1].ready_ns / SECOND - 300.0
    assert found == pytest.approx(true_s, rel=0.05)
    assert len(seen.copies.copies) == 3


def test_no_recovery_where_copies_are_too_few() -> None:
    seen = drive(Scaling(requests_per_copy=4, max_copies=2), [(0.0, 300.0, 2), (300.0, 900.0, 12)])
    assert recovered_s(seen.calls.sent_s, seen.calls.ok, STEP, over_s=10.0) is None


def test_a_relapse_puts_the_recovery_off() -> None:
    sent = np.arange(300.0, 900.0)
    met = np.ones(600, bool)
    met[:50] = False
    assert recovered_s(sent, met, STEP, over_s=10.0) == 50.0
    met[100:200] = False
    assert recovered_s(sent, met, STEP, over_s=10.0) == 200.0
    met[:] = False
    assert recovered_s(sent, met, STEP, over_s=10.0) is None
    assert recovered_s(np.array([1.0]), np.array([True]), STEP, over_s=10.0) is None


def test_a_few_strays_are_no_relapse() -> None:
    sent = np.arange(300.0, 900.0, 0.1)
    met = np.ones(6000, bool)
    met[1000:6000:50] = False
    assert recovered_s(sent, met, STEP, over_s=10.0) == 0.0


def test_bounds_from_what_was_usual_and_requests_that_met_them() -> None:
    ttft, tpot = np.array([0.4, 0.6, 0.5, np.nan, 9.0]), np.array([0.01, 0.01, 0.02, np.nan, 0.01])
    bounds = bounds_before(ttft, tpot, np.array([True, True, True, True, False]))
    assert bounds == {"ttft_s": 1.5, "time_per_output_token_s": 0.02}
    figures = RequestFigures(np.arange(5.0), {"ttft_s": ttft, "time_per_output_token_s": tpot})
    assert within_bounds(figures, bounds).tolist() == [True, True, True, False, False]
    assert within_bounds(figures, {}).tolist() == [False] * 5
    assert bounds_before(ttft, tpot, np.zeros(5, bool)) == {}


def test_the_series_shows_the_step() -> None:
    scaling = Scaling(requests_per_copy=4, max_copies=3)
    seen = drive(scaling, [(0.0, 300.0, 2), (300.0, 900.0, 12), (900.0, 1500.0, 2)])
    calls = seen.calls
    token_s = np.sort(calls.end_s[calls.ok])
    seen_by_client = Observations(
        calls.sent_s, np.where(calls.ok, 0.4, np.nan), calls.ok, token_s, np.full(len(token_s), 100, np.int32)
    )
    deployment = Deployment(1.0, calls, measured(seen.points, calls), inferred(calls, IDLE_S))
    rows = series(seen_by_client, deployment, STEP, 60.0)
    assert [row["start_s"] for row in rows] == [60.0 * number for number in range(-5, 20)]
    at = {row["start_s"]: row for row in rows}
    assert at[-60.0]["throttled"] == 0
    assert at[0.0]["throttled"] > 100
    assert at[0.0]["within_bounds"] < 0.3
    assert at[540.0]["within_bounds"] == 1.0
    assert (at[-60.0]["copies"], at[540.0]["copies"]) == (1.0, 3.0)
    assert at[540.0]["copies_inferred"] == 3.0
    assert at[540.0]["copies_by_throughput"] == 3
    assert at[-60.0]["copies_by_throughput"] is None
    assert at[540.0]["in_flight"] == pytest.approx(12, abs=0.3)
    assert sum(row["sent"] for row in rows) == len(calls)


def step_calls() -> list[Sent]:
    """Users from 1 to 3 at 200 s and back at 300 s; until 240 s the further ones are throttled, then they take 4 s."""
    alone = [Sent(100.0 + 2 * number, 102.0 + 2 * number) for number in range(200)]
    refused = [Sent(200.5 + number, 200.6 + number, THROTTLED) for number in range(40)]
    more = [Sent(240.0 + 4 * number + user, 244.0 + 4 * number + user) for user in (0.1, 0.2) for number in range(15)]
    return sorted([*alone, *refused, *more])


STAGES = [(1, 100.0), (3, 100.0), (1, 200.0)]


@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_the_report_of_a_step_to_the_second(tmp_path: Path, speed: float) -> None:
    stages = [{"concurrency": users, "duration": span_s / speed} for users, span_s in STAGES]
    calls = [*COLD_START, *step_calls()]
    run = make_run(tmp_path, calls, speed=speed, embedded=True, stages=stages, slo={"end_to_end_latency_s": 5})
    report = scaling_report(run, deployment_of(run))
    assert report["step"] == {
        "users_before": 1,
        "users_after": 3,
        "at_s": pytest.approx(200.0),
        "held_s": pytest.approx(100.0),
    }
    assert (report["bounds"], report["bounds_given"]) == ({"end_to_end_latency_s": 5.0}, True)
    # The first request from which on 95% are within bounds is the one after the last refusal.
    assert report["recovery_s"] == pytest.approx(40.0)
    assert report["meanwhile"] == {
        "requests": 60,
        "within_bounds": pytest.approx(20 / 60),
        "throttled": 40,
        "not_ready": 0,
    }
    assert report["first_refusal_s"] == pytest.approx(0.5)
    assert (report["throttled"], report["not_ready"]) == (40, 0)
    copies = report["copies"]
    assert (copies["source"], copies["calls_per_copy"], copies["before"], copies["most"]) == (
        "inferred from the load",
        1,
        1,
        3,
    )
    # They came after the last refusal, at 39.5 s, and before the first bytes of the calls that they took.
    assert copies["came_s"] == pytest.approx([40.8, 41.2], abs=0.2)
    assert copies["came_span_s"] == [pytest.approx([low, high], abs=0.3) for low, high in ((39.5, 42.1), (39.5, 43.0))]
    assert (copies["went_s"], copies["went_span_s"], copies["carries"]) == ([], [], [1, 1])
    assert copies["inferred_came_span_s"][0] == pytest.approx([-200.0, -139.0])
    assert [count for _, count in copies["inferred"]] == [1, 2, 3]
    assert sum(row["sent"] for row in report["series"]) == len(calls) - 2
    assert sum(row["throttled"] for row in report["series"]) == 40
    assert report["notes"][0] == "copies are inferred from the load, because CloudWatch has no count"


def test_without_an_slo_the_bounds_are_what_was_usual_before(tmp_path: Path) -> None:
    stages = [{"concurrency": users, "duration": span_s} for users, span_s in STAGES]
    run = make_run(tmp_path, [*COLD_START, *step_calls()], speed=1.0, embedded=True, stages=stages)
    report = scaling_report(run, deployment_of(run))
    assert report["bounds_given"] is False
    assert report["bounds"]["ttft_s"] == pytest.approx(3.0)  # three times the second that the first chunk takes
