"""How many windows a run is billed for at least and at most, by hand."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest

from llmdyno.services.bedrock_import.billing import bill
from llmdyno.services.bedrock_import.bounds import Range, bounds
from llmdyno.services.bedrock_import.copies import Point, measured
from llmdyno.services.calls import Calls, RoundTrip
from llmdyno.services.copies import GIVEN, Copies, CopyLifetime, inferred

AT_ONCE = RoundTrip(0.0, 0.0)
UP = CopyLifetime(0.0, None, (0.0, 0.0))
COLD = (-1.0, -1.0, "not ready")
"""An attempt that finds no copy: the run wakes the model itself."""


def calls(*rows: tuple[float, float, str], trip: RoundTrip = AT_ONCE) -> Calls:
    """Calls; the first byte of an answer comes as it is sent."""
    sent, end, kind = (np.array(column) for column in zip(*sorted(rows), strict=True))
    ok = kind == "ok"
    first = np.where(ok, sent, end)
    served, unanswered = ok | (kind == "cut"), kind == "timeout"
    return Calls(sent, first, end, ok, served, kind == "throttled", kind == "not ready", trip, unanswered)


def of(*lives: CopyLifetime, carries: tuple[int, int] | None = None, possible: tuple[CopyLifetime, ...] = ()) -> Copies:
    return Copies(lives, "test", carries=carries, possible=possible)


def test_a_copy_that_had_all_calls_is_billed_to_the_window() -> None:
    """Its first success is at 10 s: the second window begins at 310 s."""
    load = calls(COLD, (0.0, 10.0, "ok"), (100.0, 309.0, "ok"))
    assert bounds(of(UP), load).total == Range(1, 1)
    load = calls(COLD, (0.0, 10.0, "ok"), (100.0, 311.0, "ok"))
    assert bounds(of(UP), load).total == Range(2, 2)


def test_a_window_that_begins_within_a_round_trip_is_uncertain() -> None:
    load = calls(COLD, (0.0, 10.0, "ok"), (100.0, 311.0, "ok"), trip=RoundTrip(1.0, 2.0))
    assert bounds(of(UP), load).total == Range(1, 2)


def test_a_pause_leaves_a_window_unbilled() -> None:
    load = calls(COLD, (0.0, 10.0, "ok"), (620.0, 630.0, "ok"))
    assert bounds(of(UP), load).total == Range(2, 2)


def test_a_failure_counts_only_after_a_success() -> None:
    """What the service did with a call whose end we did not see, nobody knows: it may be a success there."""
    assert bounds(of(UP), calls(COLD, (0.0, 10.0, "cut"))).total == Range(0, 1)
    assert bounds(of(UP), calls(COLD, (0.0, 10.0, "timeout"))).total == Range(0, 1)
    assert bounds(of(UP), calls(COLD, (0.0, 10.0, "error"))).total == Range(0, 0)
    load = calls(COLD, (0.0, 10.0, "timeout"), (100.0, 110.0, "ok"), (305.0, 306.0, "ok"))
    assert bounds(of(UP), load).total == Range(1, 2)  # the second window begins between 300 and 410
    load = calls(COLD, (0.0, 10.0, "ok"), (400.0, 410.0, "cut"), (700.0, 710.0, "throttled"))
    assert bounds(of(UP), load).total == Range(1, 2)


def test_a_model_that_was_up_has_windows_of_an_unknown_phase() -> None:
    load = calls(*((float(sent), sent + 10.0, "ok") for sent in range(0, 400, 10)))
    up = CopyLifetime(0.0, None, (-math.inf, 0.0))
    assert bounds(of(up), load).total == Range(2, 3)
    assert bounds(of(CopyLifetime(-60.0, None, (-60.0, -60.0))), load).total == Range(2, 2)


BUSY = [
    COLD,
    (0.0, 10.0, "ok"),
    *((10.0 * n + user, 10.0 * n + 9.0 + user, "ok") for n in range(1, 60) for user in (0, 1)),
]
"""Two users for ten minutes."""


def test_two_copies_that_share_the_calls() -> None:
    """Of two copies, one may have had none of the calls; if one carries one call, both had some, always."""
    second = CopyLifetime(100.0, None, (90.0, 110.0))
    found = bounds(of(UP, second), calls(*BUSY))
    assert found.total == Range(2, 4)
    assert found.each == (Range(1, 2), Range(0, 2))
    apart = bounds(of(UP, second, carries=(1, 1)), calls(*BUSY))
    assert apart.total == Range(4, 4)
    assert apart.each == (Range(1, 2), Range(1, 2))


def test_a_copy_that_may_have_been_there_counts_at_most() -> None:
    maybe = CopyLifetime(400.0, None, (400.0, math.inf), (400.0, math.inf))
    found = bounds(of(UP, possible=(maybe,)), calls(*BUSY))
    assert (found.total, found.possible) == (Range(2, 3), (Range(0, 1),))


def test_whichever_copy_went_first_the_bill_is_within_its_range() -> None:
    """If the younger one went, the copies are billed for four windows and one; if the older one, for two and three."""
    lives = (CopyLifetime(0.0, None, (0.0, 0.0)), CopyLifetime(290.0, 300.0, (290.0, 290.0), (300.0, 320.0)))
    load = calls(COLD, *((10.0 * n, 10.0 * n + 10.0, "ok") for n in range(92)))
    found = bounds(of(*lives), load)
    assert found.each == (Range(1, 4), Range(0, 1))
    assert found.total == Range(4, 5)
    assert bounds(of(*reversed(lives)), load).total == Range(4, 5)


def test_copies_one_after_the_other_do_not_share_calls() -> None:
    first = CopyLifetime(0.0, 400.0, (0.0, 0.0), (100.0, 400.0))
    again = CopyLifetime(500.0, None, (450.0, 500.0))
    load = calls(COLD, (0.0, 10.0, "ok"), (500.0, 510.0, "ok"))
    found = bounds(of(first, again), load)
    assert (found.total, found.each) == (Range(2, 2), (Range(1, 1), Range(1, 1)))


def test_a_bill_without_a_call_is_nothing() -> None:
    assert bounds(of(), calls(COLD)).total == Range(0, 0)
    assert bounds(of(UP), calls(COLD)).total == Range(0, 0)


def test_many_pauses_cost_no_time_and_stay_in_the_range() -> None:
    """A call every ten minutes for a hundred days."""
    rows = [(600.0 * n, 600.0 * n + 5.0, "ok") for n in range(14_400)]
    low, high = bounds(of(UP), calls(COLD, *rows)).total
    assert low == 14_400
    assert 14_400 <= high <= 28_800


def test_many_copies_at_once_cost_no_time_and_stay_in_the_range() -> None:
    lives = tuple(CopyLifetime(float(n), None, (float(n), n + 1.0)) for n in range(40))
    low, high = bounds(of(*lives), calls(*BUSY)).total
    assert low == 2
    assert 80 <= high <= 120


@pytest.mark.parametrize(("trip", "expected"), [(AT_ONCE, (4, 4)), (RoundTrip(1.0, 2.0), (2, 4))])
def test_copies_that_the_user_names_share_the_doubt_of_the_first_success(
    trip: RoundTrip, expected: tuple[int, int]
) -> None:
    load = calls(COLD, (0.0, 10.0, "ok"), (100.0, 311.0, "ok"), trip=trip)
    found = bill(Copies((UP, UP), GIVEN), load)
    assert (found.low, found.high) == expected
    assert found.windows == 4


def test_what_is_assumed_is_within_the_range() -> None:
    found = bill(of(UP, CopyLifetime(100.0, None, (90.0, 110.0))), calls(*BUSY))
    assert found.windows == 4
    assert (found.low, found.high, found.each) == (2, 4, (Range(1, 2), Range(0, 2)))


@pytest.mark.parametrize("seed", range(40))
def test_no_load_and_no_gauge_breaks_the_order_of_bounds(seed: int) -> None:
    """Calls, refusals and datapoints at random, most of which contradict each other."""
    rng = Random(seed)
    count, until_s = rng.randint(1, 40), rng.choice([50, 1000, 5000])
    rows = [(rng.uniform(0, until_s), rng.choice([0.0, 0.1, 60.0, 400.0]) * rng.random()) for _ in range(count)]
    kinds = rng.choices(["ok", "cut", "failed", "throttled", "not ready"], [6, 2, 2, 4, 4], k=count)
    trip = RoundTrip(*sorted(rng.choice([0.0, 0.1, 2.0, 50.0]) * rng.random() for _ in range(2)))
    load = calls(*((sent, sent + took, kind) for (sent, took), kind in zip(rows, kinds, strict=True)), trip=trip)
    counts = [sorted(rng.choices(range(4), k=2)) for _ in range(until_s // 60 + 2)]
    points = [Point(60.0 * minute, *counts[minute]) for minute in range(len(counts)) if rng.random() < 0.8]
    for copies in (inferred(load, 300.0), measured(points, load)):
        billed = bill(copies, load)
        assert 0 <= billed.low <= billed.windows <= billed.high
        for life in (*copies.lives, *copies.possible):
            assert life.came_s[0] <= life.from_s <= life.came_s[1]
            assert life.to_s is None or life.went_s[0] <= life.to_s <= life.went_s[1]
            assert life.to_s is None or life.from_s <= life.to_s
        low, high = copies.mean_span(0.0, 100.0)
        assert 0.0 <= low <= high
