"""Counts of copies over time, and copies from the load alone. The service's own datapoints are tested with it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from llmdyno.services.calls import Calls, RoundTrip
from llmdyno.services.copies import INFERRED, NO_COPIES, Copies, CopyLifetime, bounded, given, inferred

AT_ONCE = RoundTrip(0.0, 0.0)
TWO = Copies((CopyLifetime(0.0, 100.0), CopyLifetime(40.0)), "test")


def calls(*rows: tuple[float, float, str], trip: RoundTrip = AT_ONCE) -> Calls:
    """Calls: when each was sent and ended, and what became of it. The first byte comes a tenth of the way."""
    sent, end, kind = (np.array(column) for column in zip(*sorted(rows), strict=True))
    ok = kind == "ok"
    first = np.where(ok, sent + (end - sent) / 10, end)
    return Calls(sent, first, end, ok, ok, kind == "throttled", kind == "not ready", trip)


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


BEFORE = (-20.0, -10.0, "ok")
TWO_CALLS = [BEFORE, (0.0, 100.0, "ok"), (1.0, 100.0, "ok")]
FULL = [*TWO_CALLS, (20.0, 20.1, "throttled"), (60.0, 60.1, "throttled")]
"""One copy that carries two calls, and refuses more at 20 s and at 60 s."""


def test_a_copy_came_after_the_last_refusal_and_before_the_load_needed_it() -> None:
    found = inferred(calls(*FULL, (80.0, 180.0, "ok")), 300.0)
    assert (found.calls_per_copy, found.carries) == (2, (2, 2))
    first, second = found.lives
    assert (first.from_s, first.from_span_s, first.to_s) == (-20.0, (-math.inf, -19.0), None)
    assert second == CopyLifetime(75.0, None, (60.0, 90.0), (100.0, math.inf))  # its call's first byte is at 90 s
    assert found.notes == (
        "one copy carries 2 calls at once, as the refusals show",
        "the model may have been up before the run, so there may have been more copies than the load shows",
    )


def test_bytes_on_the_way_are_no_call_at_the_service() -> None:
    """With a round trip of up to 30 s, the third call may have taken the place of one that had ended."""
    rows = [*TWO_CALLS, (20.0, 50.0, "throttled"), (80.0, 180.0, "ok")]
    assert len(inferred(calls(*rows), 300.0).lives) == 2
    far = inferred(calls(*rows, trip=RoundTrip(25.0, 30.0)), 300.0)
    assert len(far.lives) == 1
    assert [life.from_span_s for life in far.possible] == [(20.0, math.inf)]


def test_a_copy_that_no_call_needs_is_only_possible() -> None:
    found = inferred(calls(*FULL, (200.0, 210.0, "ok")), 300.0)
    assert len(found.lives) == 1
    assert found.possible == (CopyLifetime(60.0, None, (60.0, math.inf), (60.0, math.inf)),)
    assert found.mean_span(60.0, 160.0) == (1.0, 2.0)


def test_a_further_copy_went_between_its_last_need_and_the_next_early_refusal() -> None:
    more = [(80.0, 180.0, "ok"), (500.0, 560.0, "ok"), (501.0, 560.0, "ok"), (550.0, 550.1, "throttled")]
    found = inferred(calls(*FULL, *more), 1000.0)
    assert found.lives[1].to_span_s == (100.0, 550.0)
    assert found.lives[1].to_s == 325.0


def test_a_load_that_contradicts_itself_widens_what_a_copy_carries() -> None:
    """Three calls are answered at once while a call is refused that met one only, as with a limit by tokens."""
    rows = [(0.0, 0.1, "not ready"), (5.0, 9.0, "ok"), *((10.0 + n, 100.0 - 10 * n, "ok") for n in range(3))]
    found = inferred(calls(*rows, (95.0, 95.1, "throttled")), 300.0)
    assert (found.carries, len(found.lives)) == ((1, 3), 1)
    note = "the load contradicts itself on what a copy carries at once: 1 or 3 calls, or between them"
    assert found.notes == (note,)


def test_a_copy_that_would_come_and_go_at_once_was_not_there() -> None:
    """The last byte of an answer came a second late: the next call was at work already."""
    rows = [(0.0, 0.1, "not ready"), (5.0, 9.0, "ok"), (10.0, 100.0, "ok"), (20.0, 20.1, "throttled")]
    rows += [(99.0, 150.0, "ok"), *((50.0 + n, 50.1 + n, "throttled") for n in range(0, 90, 10))]
    seen = calls(*rows)
    early = dataclasses.replace(seen, first_s=np.where(seen.sent_s == 99.0, 99.5, seen.first_s))
    found = inferred(early, 300.0)
    assert (found.carries, len(found.lives)) == ((1, 2), 1)


def test_the_first_copy_came_between_the_last_cold_attempt_and_the_first_byte() -> None:
    seen = calls((0.0, 10.0, "ok"), (1000.0, 1000.1, "not ready"), (1060.0, 1070.0, "ok"))
    assert inferred(seen, 300.0).lives == (
        CopyLifetime(0.0, 310.0, (-math.inf, 1.0), (10.0, 1000.0)),
        CopyLifetime(1060.0, None, (1000.0, 1061.0), (1070.0, math.inf)),
    )
    assert inferred(seen, math.inf).lives[0].to_s == 1000.0


def test_a_call_that_meets_a_copy_in_its_start_up_shows_no_pause() -> None:
    seen = calls((0.0, 0.1, "not ready"), (10.0, 100.0, "ok"), (50.0, 50.1, "not ready"), (60.0, 150.0, "ok"))
    assert len(inferred(seen, 300.0).lives) == 1


def test_a_call_that_broke_off_shows_a_copy_until_then() -> None:
    rows = [(0.0, 100.0, "ok"), (50.0, 50.1, "not ready"), (200.0, 200.1, "not ready")]
    seen = calls(*rows)
    broken = dataclasses.replace(seen, ok=np.zeros(3, bool))
    (life,) = inferred(broken, 300.0).lives
    assert (life.from_span_s, life.to_span_s) == ((-math.inf, 10.0), (100.0, 200.0))


def test_a_pause_in_which_the_model_may_have_gone_cold() -> None:
    """The call after it may have waited for a new copy."""
    seen = calls((0.0, 0.1, "not ready"), (50.0, 60.0, "ok"), (400.0, 500.0, "ok"))
    found = inferred(seen, 300.0)
    assert found.lives == (CopyLifetime(50.0, None, (0.0, 51.0), (60.0, math.inf)),)
    assert found.possible == (CopyLifetime(410.0, None, (60.0, 410.0), (410.0, math.inf)),)
    assert inferred(seen, 400.0).possible == ()


def test_nothing_served_shows_nothing() -> None:
    assert inferred(calls((0.0, 0.1, "throttled")), 300.0) == Copies((), INFERRED)


def test_without_a_refusal_there_may_have_been_more() -> None:
    found = inferred(calls((0.0, 0.1, "not ready"), (10.0, 20.0, "ok")), 300.0)
    assert (found.at_least, found.carries, found.possible) == (True, None, ())
    assert found.notes == ("no call was throttled, so the run does not show whether there was more than one copy",)


def test_a_span_as_json_has_it() -> None:
    assert (bounded((-math.inf, 1.0)), bounded((2.0, math.inf))) == ([None, 1.0], [2.0, None])
