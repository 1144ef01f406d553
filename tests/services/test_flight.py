"""What the load proves, by hand: bounds of what is at work, what a copy carries, and when a copy was there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.services.test_copies import calls

from llmdyno.services.calls import RoundTrip
from llmdyno.services.flight import Carries, Presence, Signs, carries, flight_of, presences

FAR = RoundTrip(1.0, 3.0)


def test_calls_at_work_are_bounded_by_the_way() -> None:
    """The first byte proves a call, and its last byte may have been on the way for three seconds."""
    rows = [(-20.0, -10.0, "ok"), (0.0, 20.0, "ok"), (10.0, 12.0, "throttled"), (22.0, 24.0, "throttled")]
    found = flight_of(calls(*rows, trip=FAR))
    assert found.sure.time_s.tolist() == [-20.0, -13.0, 1.0, 17.0][2:]  # the first call may have waited for a copy
    assert found.sure.count.tolist() == [1, 0]
    # The answer that ended at 20 s was over at 19 s at the latest, so nothing was at work at 22 s.
    assert (found.refused_s.tolist(), found.refused_in_s.tolist()) == ([10.0], [11.0])
    assert found.at_most.tolist() == [1]


def test_a_call_that_was_given_up_may_still_be_at_work() -> None:
    rows = [(-20.0, -10.0, "ok"), (0.0, 20.0, "cut"), (22.0, 24.0, "throttled")]
    found = flight_of(calls(*rows, trip=FAR))
    assert found.at_most.tolist() == [1]
    assert found.mostly() == 0


def test_a_refusal_with_nothing_at_work_says_nothing() -> None:
    assert len(flight_of(calls((0.0, 1.0, "throttled"))).refused_s) == 0
    assert carries(flight_of(calls((0.0, 1.0, "throttled"))), np.zeros(0, np.int64), np.zeros(0)) is None


def test_what_a_copy_carries_from_refusals_and_from_what_was_at_work() -> None:
    rows = [(-20.0, -10.0, "ok"), *((float(n), 100.0, "ok") for n in range(4)), (50.0, 50.1, "throttled")]
    flight = flight_of(calls(*rows))
    changes = len(flight.sure.time_s)
    assert carries(flight, np.array([1]), np.full(changes, 1.0)) == Carries(4, 4)
    assert carries(flight, np.array([2]), np.full(changes, 2.0)) == Carries(2, 2)
    assert carries(flight, np.array([1]), np.full(changes, 3.0)) == Carries(2, 4)
    assert carries(flight, np.array([1]), np.full(changes, math.inf)) == Carries(1, 4)
    assert carries(flight, np.array([2]), np.full(changes, 1.0)) == Carries(2, 4, True)


def signs(*rows: tuple[bool, float, float]) -> Signs:
    there, by_s, until_s = (np.array(column) for column in zip(*rows, strict=True))
    return Signs(there, by_s, until_s)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(False, 5.0, 3.0), (True, 9.0, 8.0), (True, 12.0, 12.0)], [Presence((3.0, 9.0), 12.0, None)]),
        ([(True, 9.0, 8.0), (False, 15.0, 13.0)], [Presence((-math.inf, 9.0), 8.0, (8.0, 15.0))]),
        (
            [(False, 1.0, 0.0), (True, 2.0, 2.0), (False, 5.0, 4.0), (False, 7.0, 6.0), (True, 8.0, 8.0)],
            [Presence((0.0, 2.0), 2.0, (2.0, 5.0)), Presence((6.0, 8.0), 8.0, None)],
        ),
        ([(False, 1.0, 0.0)], []),
    ],
)
def test_a_copy_came_between_the_last_sign_without_it_and_the_first_with_it(
    rows: list[tuple[bool, float, float]], expected: list[Presence]
) -> None:
    assert presences(signs(*rows)) == expected


def test_no_signs_no_presence() -> None:
    assert presences(Signs(np.zeros(0, bool), np.zeros(0), np.zeros(0))) == []
