"""Counts of copies over time, and copies from the load alone. The service's own datapoints are tested with it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmdyno.services.calls import Calls
from llmdyno.services.copies import INFERRED, NO_COPIES, Copies, CopyLifetime, given, inferred, usual_duration_s

TWO = Copies((CopyLifetime(0.0, 100.0), CopyLifetime(40.0)), "test")


def calls(*rows: tuple[float, float, str]) -> Calls:
    sent, end, kind = (np.array(column) for column in zip(*rows, strict=True))
    ok = kind == "ok"
    return Calls(sent, end, ok, ok, kind == "throttled", kind == "not ready")


def test_a_count_at_a_time_and_between_two() -> None:
    assert [TWO.at(time_s) for time_s in (-1.0, 0.0, 39.9, 40.0, 99.9, 100.0)] == [0, 1, 1, 2, 2, 1]
    assert TWO.mean(0.0, 80.0) == 1.5
    assert TWO.mean(90.0, 110.0) == 1.5
    assert TWO.mean(50.0, 50.0) == 2.0


def test_changes_and_the_most() -> None:
    assert TWO.steps() == [(0.0, 1), (40.0, 2), (100.0, 1)]
    assert (TWO.most(), TWO.most(40.0), TWO.most(0.0)) == (2, 1, 0)
    assert (NO_COPIES.steps(), NO_COPIES.most(), NO_COPIES.mean(0.0, 1.0)) == ([], 0, 0.0)


def test_copies_that_the_user_gives_are_there_from_the_first_call() -> None:
    found = given(2, calls((5.0, 6.0, "ok")))
    assert found.lives == (CopyLifetime(5.0), CopyLifetime(5.0))


def test_one_copy_carries_what_was_in_flight_at_the_first_refusal() -> None:
    first = [(0.0, 100.0, "ok"), (1.0, 100.0, "ok"), (2.0, 2.1, "throttled")]
    more = [(50.0, 150.0, "ok"), (51.0, 151.0, "ok")]
    found = inferred(calls(*first, *more), 300.0)
    assert found.calls_per_copy == 2
    assert [life.from_s for life in found.lives] == [0.0, 50.0]
    assert found.notes == ("the first refusals came with 2 calls in flight; that is taken as the limit of one copy",)


def test_a_first_number_of_copies_shares_the_limit() -> None:
    found = inferred(calls((0.0, 9.0, "ok"), (0.0, 9.0, "ok"), (2.0, 2.1, "throttled")), 300.0, first=2)
    assert found.calls_per_copy == 1
    assert found.lives == (CopyLifetime(0.0), CopyLifetime(0.0))


def test_a_pause_that_ends_cold_ends_the_copies() -> None:
    seen = calls((0.0, 10.0, "ok"), (1000.0, 1000.1, "not ready"), (1060.0, 1070.0, "ok"))
    assert inferred(seen, 300.0).lives == (CopyLifetime(0.0, 310.0), CopyLifetime(1060.0))
    assert inferred(seen, math.inf).lives == (CopyLifetime(0.0, 1000.0), CopyLifetime(1060.0))


def test_nothing_served_shows_nothing() -> None:
    assert inferred(calls((0.0, 0.1, "throttled")), 300.0) == Copies((), INFERRED)


@pytest.mark.parametrize(("rows", "usual_s"), [([(0.0, 3.0, "ok"), (0.0, 5.0, "ok")], 4.0), ([(0.0, 9.0, "x")], 1.0)])
def test_how_long_an_answer_usually_takes(rows: list[tuple[float, float, str]], usual_s: float) -> None:
    assert usual_duration_s(calls(*rows)) == usual_s
