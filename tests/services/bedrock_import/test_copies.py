"""Copies and bills from what a client sees, against the emulator's own record under a virtual clock."""

from __future__ import annotations

import dataclasses

import pytest
from tests.services.bedrock_import.virtual import SECOND, Seen, drive

from llmdyno.emulator.copies import Scaling
from llmdyno.services.bedrock_import.billing import bill
from llmdyno.services.bedrock_import.copies import Point, measured
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.calls import served_in_flight
from llmdyno.services.copies import INFERRED, given, inferred

SCALING = Scaling(requests_per_copy=4, max_copies=3, cold_start_s=60, scale_up_after_s=30, scale_up_delay_s=60)
UP_AND_DOWN = [(0.0, 300.0, 2), (300.0, 1200.0, 10), (1200.0, 2000.0, 2)]


@pytest.fixture(scope="module")
def seen() -> Seen:
    return drive(SCALING, UP_AND_DOWN)


def test_the_gauge_and_the_load_say_when_each_copy_came(seen: Seen) -> None:
    found = measured(seen.points, seen.calls)
    assert found.calls_per_copy == 4
    assert [round(life.from_s) for life in found.lives] == pytest.approx(
        [copy.ready_ns / SECOND for copy in seen.copies.copies], abs=2.0
    )
    assert len(found.lives) == 3


def test_the_load_alone_shows_it_too(seen: Seen) -> None:
    found = inferred(seen.calls, IDLE_S)
    assert found.calls_per_copy == 4
    assert [life.from_s for life in found.lives] == pytest.approx(
        [copy.ready_ns / SECOND for copy in seen.copies.copies], abs=3.0
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_bill_is_the_emulators_to_the_window(seed: int) -> None:
    seen = drive(SCALING, UP_AND_DOWN, seed=seed)
    found = bill(measured(seen.points, seen.calls), seen.calls)
    assert sum(seen.windows) in range(found.low, found.high + 1)
    assert found.windows == sum(seen.windows)


def test_the_bill_of_two_bursts_with_the_model_gone_between_them() -> None:
    stages = [(0.0, 400.0, 3), (1500.0, 1900.0, 3)]
    seen = drive(SCALING, stages)
    assert seen.windows == [2, 2]
    copies = measured(seen.points, seen.calls)
    found = bill(copies, seen.calls)
    assert [len(copy.windows) for copy in found.copies] == [2, 2]
    assert (found.low, found.high) == (4, 4)
    assert [copies.at(time_s) for time_s in (30, 200, 1000, 1700)] == [0, 1, 0, 1]
    assert [len(copy.windows) for copy in bill(inferred(seen.calls, IDLE_S), seen.calls).copies] == [2, 2]


def test_a_burst_within_the_idle_time_leaves_a_window_unbilled() -> None:
    """As far as is known, a copy that stays up without a call is not billed for that window."""
    seen = drive(SCALING, [(0.0, 200.0, 1), (440.0, 460.0, 1), (745.0, 760.0, 1)])
    assert len(seen.copies.copies) == 1
    found = bill(measured(seen.points, seen.calls), seen.calls)
    assert [copy.windows for copy in found.copies] == [seen.copies.copies[0].windows]


def test_an_answer_that_ends_late_at_the_client_is_no_other_copy() -> None:
    """The next call takes the slot of an answer whose last byte is still in transit."""
    seen = drive(Scaling(requests_per_copy=4, max_copies=1), [(0.0, 600.0, 8)], late_s=0.05, pause_s=0.2)
    curve = served_in_flight(seen.calls)
    assert curve.count.max() > 4
    found = inferred(seen.calls, IDLE_S)
    assert (len(found.lives), found.calls_per_copy) == (1, 4)


def test_without_a_refusal_one_copy_is_all_that_is_seen() -> None:
    seen = drive(SCALING, [(0.0, 600.0, 3)])
    found = inferred(seen.calls, IDLE_S)
    assert len(found.lives) == 1
    assert found.notes == ("no call was throttled, so the run does not show whether there was more than one copy",)
    assert bill(found, seen.calls).windows == sum(seen.windows) == 2


def test_copies_that_the_user_names(seen: Seen) -> None:
    found = given(2, seen.calls)
    assert [found.at(time_s) for time_s in (100, 1900)] == [2, 2]
    assert found.mean(0.0, 10.0) == pytest.approx(2.0, abs=0.3)


def test_a_gauge_without_any_call_in_its_minutes() -> None:
    seen = drive(SCALING, [(0.0, 100.0, 1)])
    points = [Point(0.0, 0, 0), Point(60.0, 0, 1), Point(120.0, 1, 2), Point(180.0, 2, 2), Point(240.0, 1, 2)]
    found = measured(points, seen.calls)
    assert [found.at(time_s) for time_s in (30, 110, 200)] == [0, 1, 2]
    assert found.lives[1].from_span_s == (100.0, 185.0)  # the minute, and what two clocks and samples may differ


def test_a_model_that_was_up_before_the_run_makes_the_bill_a_range() -> None:
    """The start of its windows is unknown, so one more may be billed."""
    seen = drive(SCALING, [(0.0, 1000.0, 2)])
    later = seen.calls.sent_s > 400.0
    calls = seen.calls.only(later)
    found = bill(measured(seen.points, calls), calls)
    assert found.awake
    first_ns = seen.copies.copies[0].first_success_ns
    assert first_ns is not None
    sent = (calls.sent_s.min() - first_ns / SECOND) // 300
    last = (calls.end_s.max() - first_ns / SECOND) // 300
    assert found.low <= last - sent + 1 <= found.high
    assert found.high > found.low
    assert not bill(measured(seen.points, seen.calls), seen.calls).awake


def test_copies_that_are_named_are_all_billed() -> None:
    seen = drive(SCALING, [(0.0, 400.0, 1)])
    found = bill(given(2, seen.calls), seen.calls)
    assert [len(copy.windows) for copy in found.copies] == [2, 2]
    assert found.windows == 4


def test_minutes_without_a_datapoint_mean_that_the_model_is_gone() -> None:
    """If the gauge has no datapoint without a copy, instead of 0."""
    seen = drive(SCALING, [(0.0, 400.0, 3), (1500.0, 1900.0, 3)])
    silent = [point for point in seen.points if point.maximum > 0]
    assert len(silent) < len(seen.points)
    found = measured(silent, seen.calls)
    assert [found.at(time_s) for time_s in (200, 1000, 1700)] == [1, 0, 1]
    assert bill(found, seen.calls).windows == sum(seen.windows) == 4


def test_a_datapoint_that_is_missing_under_load_is_no_pause() -> None:
    seen = drive(SCALING, [(0.0, 900.0, 3)])
    holes = [point for point in seen.points if not 200 < point.start_s < 600]
    found = measured(holes, seen.calls)
    assert len(found.lives) == 1
    assert found.at(400.0) == 1


def test_two_copies_that_were_up_before_the_run() -> None:
    seen = drive(SCALING, UP_AND_DOWN)
    later = seen.calls.sent_s > 700.0
    calls = seen.calls.only(later)
    found = measured([point for point in seen.points if point.start_s >= 660.0], calls)
    assert found.at(float(calls.sent_s[0])) == 3
    assert all(life.from_s <= calls.sent_s[0] for life in found.lives)


def test_windows_without_a_call_are_counted_apart() -> None:
    seen = drive(SCALING, [(0.0, 200.0, 1)])
    found = bill(measured(seen.points, seen.calls), seen.calls)
    assert found.windows == sum(seen.windows) == 1
    assert found.idle_windows == 1  # it stays up for five minutes after the last call


def test_a_gauge_that_is_late_widens_the_bounds_to_what_the_load_shows(seen: Seen) -> None:
    late = [dataclasses.replace(point, start_s=point.start_s + 120.0) for point in seen.points]
    found = measured(late, seen.calls)
    assert found.notes[0] == (
        "CloudWatch's count and the load contradict each other on when a copy was there: the times allow for both"
    )
    true_s = [copy.ready_ns / SECOND for copy in seen.copies.copies]
    assert all(
        life.came_s[0] <= ready_s <= life.came_s[1] for life, ready_s in zip(found.lives[1:], true_s[1:], strict=True)
    )
    billed = bill(found, seen.calls)
    assert billed.low <= sum(seen.windows) <= billed.high


def test_a_gauge_that_is_late_cannot_deny_a_call_that_was_served() -> None:
    seen = drive(SCALING, [(0.0, 600.0, 1)])
    late = [dataclasses.replace(point, start_s=point.start_s + 120.0) for point in seen.points]
    found = measured(late, seen.calls)
    low, high = found.lives[0].came_s
    assert low <= seen.copies.copies[0].ready_ns / SECOND <= high
    assert len(found.notes) == 1


@pytest.mark.parametrize("until_s", [360.0, 480.0, 900.0])
def test_after_the_last_datapoint_the_load_shows_what_it_needs(seen: Seen, until_s: float) -> None:
    """And a copy that it does not need may have come as well."""
    found = measured([point for point in seen.points if point.end_s <= until_s], seen.calls)
    true_s = sorted(copy.ready_ns / SECOND for copy in seen.copies.copies)
    assert [life.came_s[0] <= ready_s <= life.came_s[1] for life, ready_s in zip(found.lives, true_s, strict=True)] == [
        True
    ] * 3
    assert all(life.came_s[0] >= until_s - 20.0 for life in found.possible)
    billed = bill(found, seen.calls)
    assert billed.low <= sum(seen.windows) <= billed.high


def test_a_copy_that_came_and_went_within_a_minute_of_the_gauge() -> None:
    seen = drive(SCALING, [(0.0, 600.0, 1)])
    points = [Point(60.0 * minute, 1, 2 if minute == 5 else 1) for minute in range(12)]
    found = measured(points, seen.calls)
    second = found.lives[1]
    assert (second.from_span_s, second.to_span_s) == ((280.0, 365.0), (280.0, 380.0))


def test_a_copy_that_goes_is_known_to_its_minute_and_the_load(seen: Seen) -> None:
    found = measured(seen.points, seen.calls)
    ends_s = sorted(copy.ended_ns / SECOND for copy in seen.copies.copies if copy.ended_ns is not None)
    spans = sorted(life.went_s for life in found.lives if life.to_s is not None)
    assert all(low <= ended_s <= high for (low, high), ended_s in zip(spans, ends_s, strict=True))
    assert all(high - low < 105.0 for low, high in spans)


def test_without_a_refusal_the_gauge_alone_says_when() -> None:
    seen = drive(SCALING, [(0.0, 600.0, 1)])
    points = [Point(60.0 * minute, min(2, minute // 5 + 1), min(2, minute // 5 + 1)) for minute in range(12)]
    found = measured(points, seen.calls)
    assert (found.carries, found.calls_per_copy) == (None, None)
    assert found.lives[1].from_span_s == (280.0, 320.0)


def test_a_gauge_that_says_gone_cannot_deny_a_later_call() -> None:
    seen = drive(SCALING, [(0.0, 600.0, 1)])
    points = [
        Point(60.0 * minute, 0 if minute < 2 or minute > 5 else 1, 1 if 0 < minute < 6 else 0) for minute in range(12)
    ]
    found = measured(points, seen.calls)
    (life,) = found.lives
    assert life.to_span_s == (pytest.approx(360.0, abs=20.0), seen.calls.end_s.max())
    assert len(found.notes) == 1
    billed = bill(found, seen.calls)
    assert billed.low <= sum(seen.windows) <= billed.high


def test_a_gauge_that_counts_no_copy_is_not_believed() -> None:
    seen = drive(SCALING, [(0.0, 200.0, 1)])
    found = measured([Point(60.0 * minute, 0, 0) for minute in range(5)], seen.calls)
    assert (len(found.lives), found.source) == (1, INFERRED)
    assert found.notes[0] == "CloudWatch counts no copy and calls were served: the copies are inferred from the load"
    nobody = seen.calls.only(seen.calls.not_ready)
    assert measured([Point(0.0, 0, 0)], nobody).lives == ()
