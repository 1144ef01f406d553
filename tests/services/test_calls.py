"""A timeline's calls in the service's time, and how many of them are in flight."""

from __future__ import annotations

import numpy as np
import pytest
from tests.services.runs import NOT_READY, THROTTLED, Sent, record
from tests.support import make_record, make_timeline

from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.protocols.dialect import NO_REFUSALS
from llmdyno.services.calls import Curve, RoundTrip, calls_of, round_trip, served_in_flight


def test_calls_are_sorted_and_each_has_its_fate() -> None:
    calls = [
        Sent(3.0, 4.0),
        Sent(1.0, 1.5, NOT_READY),
        Sent(2.0, 2.5, THROTTLED),
        Sent(5.0, 6.0, "ValidationException"),
    ]
    found = calls_of(make_timeline(*(record(number, call, 1.0) for number, call in enumerate(calls))), REFUSALS, 2.0)
    assert found.sent_s.tolist() == [2.0, 4.0, 6.0, 10.0]
    assert found.end_s.tolist() == [3.0, 5.0, 8.0, 12.0]
    assert found.ok.tolist() == [False, False, True, False]
    assert found.served.tolist() == [False, False, True, False]
    assert found.not_ready.tolist() == [True, False, False, False]
    assert found.throttled.tolist() == [False, True, False, True]  # a 429 that is not "not ready" is throttling
    assert len(found) == 4
    assert found.first_s.tolist() == [3.0, 5.0, 7.0, 12.0]  # of an answer half of its time; of a refusal its end
    assert found.only(found.ok).sent_s.tolist() == [6.0]
    assert found.at_work.tolist() == [False, False, True, False]


def test_a_service_without_names_of_its_own_only_throttles() -> None:
    found = calls_of(make_timeline(record(0, Sent(1.0, 1.5, NOT_READY), 1.0)), NO_REFUSALS)
    assert (found.throttled.tolist(), found.not_ready.tolist()) == ([True], [False])


def test_a_call_that_fails_in_the_middle_of_its_answer_was_served() -> None:
    broken = make_record(0, 1.0, [], state="error", http_status=200, error_type=THROTTLED)
    unsent = make_record(1, 2.0, [], sent_ns=None, state="error")
    found = calls_of(make_timeline(broken, unsent), REFUSALS)
    assert (found.served.tolist(), found.throttled.tolist(), found.ok.tolist()) == ([True], [False], [False])


CURVE = Curve(np.array([0.0, 10.0, 20.0, 30.0]), np.array([1, 3, 2, 0]))


def test_a_curve_just_before_a_time() -> None:
    assert [CURVE.at(time_s) for time_s in (-1.0, 0.0, 0.1, 10.0, 10.1, 25.0, 99.0)] == [0, 0, 1, 1, 3, 2, 0]


def test_the_area_under_a_curve() -> None:
    assert CURVE.call_seconds(np.array([0.0, 5.0, 15.0, 30.0])).tolist() == [5.0, 20.0, 35.0]


def test_an_end_comes_before_a_send_at_the_same_time() -> None:
    calls = [Sent(0.0, 2.0), Sent(2.0, 3.0), Sent(2.5, 2.6, THROTTLED)]
    curve = served_in_flight(
        calls_of(make_timeline(*(record(number, call, 1.0) for number, call in enumerate(calls))), REFUSALS)
    )
    assert curve.time_s.tolist() == pytest.approx([0.0, 2.0, 2.0, 3.0])
    assert curve.count.tolist() == [1, 0, 1, 0]


def trip(refused_s: list[float], connect_s: list[float], heads_s: list[float], speed: float = 1.0) -> RoundTrip:
    return round_trip(np.array(refused_s), np.array(connect_s), np.array(heads_s), speed)


def test_a_round_trip_is_about_as_long_as_a_refusal_takes() -> None:
    """A tenth and two milliseconds more and less, for what the two hosts take to notice a packet."""
    assert trip([0.08] * 2, [0.05], [0.5]) == pytest.approx((0.07, 0.09))
    assert trip([0.08] * 2, [0.05], [0.5], 20.0) == pytest.approx((1.4, 1.8))
    assert trip([0.001], [], []) == pytest.approx((0.0, 0.0031))
    assert trip([0.08], [0.2], [0.5]) == pytest.approx((0.07, 0.222))  # the cautious one of both
    assert trip([0.1] * 200 + [9.0], [], []).most_s == pytest.approx(0.112)  # one packet that was lost
    assert trip([0.08] * 2, [], []).spread_s == pytest.approx(0.02)


def test_without_a_refusal_a_round_trip_has_an_upper_bound_only() -> None:
    assert trip([], [0.05], [0.5, 0.3]) == pytest.approx((0.0, 0.332))
    assert trip([], [], []) == pytest.approx((0.0, 0.002))


def test_the_way_is_read_from_refusals_and_connects() -> None:
    opened = make_record(0, 1.0, [], connect_start_ns=0, connected_ns=50_000_000)
    refused = record(1, Sent(2.0, 2.1, THROTTLED), 1.0)
    found = calls_of(make_timeline(opened, refused), REFUSALS).round_trip
    assert found == pytest.approx((0.088, 0.112))
