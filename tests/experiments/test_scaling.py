"""A step of load: recovery, bounds, the series; against the emulator's record under a virtual clock."""

from __future__ import annotations

import numpy as np
import pytest
from tests.services.bedrock_import.virtual import SECOND, drive

from llmdyno.emulator.copies import Scaling
from llmdyno.experiments.scaling import Observations, Step, bounds_before, recovered_s, series, within_bounds
from llmdyno.experiments.stages import Deployment, RequestFigures
from llmdyno.services.bedrock_import.copies import IDLE_S, measured
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
