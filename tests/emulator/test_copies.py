"""Copies under a virtual clock: cold start, throttling, scaling up and down, billing windows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmdyno.emulator.copies import HOLD, NOT_READY, SERVE, THROTTLE, Copies, Scaling
from llmdyno.emulator.faults import KINDS, Faults

S = 10**9
SCALING = Scaling(
    idle_s=300, cold_start_s=60, requests_per_copy=2, max_copies=2, scale_up_after_s=30, scale_up_delay_s=50
)


def call(copies: Copies, at_s: float, length_s: float = 1.0) -> str:
    """A call alone, from its arrival to its end."""
    decision = copies.arrive(int(at_s * S))
    if decision.copy is not None:
        copies.finish(int((at_s + length_s) * S), decision.copy, success=True, began_ns=int(at_s * S))
    return decision.kind


def warm(copies: Copies, at_s: float = 0.0) -> None:
    assert call(copies, at_s) == NOT_READY
    assert call(copies, at_s + 60) == SERVE


def test_from_zero_and_back() -> None:
    copies = Copies(SCALING)
    assert [call(copies, at) for at in (0, 10, 59.9)] == [NOT_READY] * 3
    assert call(copies, 60) == SERVE
    assert call(copies, 360.9) == SERVE  # 299.9 s after the last one ended
    assert call(copies, 662) == NOT_READY
    truth = copies.truth(800 * S)
    assert truth["changes"] == [[60 * S, 1], [int(661.9 * S), 0], [722 * S, 1]]
    assert truth["copies"] == 1


def test_the_first_call_of_a_copy_is_told() -> None:
    copies = Copies(SCALING)
    copies.arrive(0)
    first, second = copies.arrive(61 * S), copies.arrive(61 * S)
    assert (first.first, second.first, first.copy, second.copy) == (True, False, 0, 0)


def test_a_cold_call_may_wait() -> None:
    copies = Copies(Scaling(cold_start_s=60, hold=True))
    decision = copies.arrive(5 * S)
    assert (decision.kind, decision.from_ns, decision.copy) == (HOLD, 65 * S, 0)


def test_a_copy_that_nobody_calls_goes_again() -> None:
    copies = Copies(SCALING)
    copies.arrive(0)
    copies.advance(1000 * S)
    assert copies.truth(1000 * S)["changes"] == [[60 * S, 1], [360 * S, 0]]


def test_throttling_and_another_copy_when_the_excess_lasts() -> None:
    copies = Copies(SCALING)
    warm(copies)
    held = [copies.arrive(100 * S) for _ in range(2)]
    assert [decision.kind for decision in held] == [SERVE, SERVE]
    refused = [copies.arrive(at * S).kind for at in range(101, 140)]
    assert set(refused) == {THROTTLE}
    truth = copies.truth(140 * S)
    assert len(truth["each"]) == 2  # type: ignore[arg-type]
    assert copies.copies[1].ready_ns == (131 + 50) * S
    assert copies.arrive(180 * S).kind == THROTTLE
    taken = [copies.arrive(182 * S) for _ in range(3)]
    assert [decision.kind for decision in taken] == [SERVE, SERVE, THROTTLE]
    assert {decision.copy for decision in taken[:2]} == {1}
    assert len(copies.copies) == 2  # the most there may be


def test_an_excess_that_does_not_last_starts_nothing() -> None:
    copies = Copies(SCALING)
    warm(copies)
    for _ in range(2):
        copies.arrive(100 * S)
    for at in (101, 110, 120, 130, 140, 150):  # single refusals, further apart than the grace
        assert copies.arrive(at * S).kind == THROTTLE
    assert len(copies.copies) == 1


def test_scaling_down_to_one_and_then_to_zero() -> None:
    copies = Copies(SCALING)
    warm(copies)
    busy = [copies.arrive(100 * S) for _ in range(2)]
    for at in range(101, 140):
        copies.arrive(at * S)
    copies.advance(190 * S)
    for decision in busy:
        assert decision.copy is not None
        copies.finish(200 * S, decision.copy, success=True, began_ns=100 * S)
    for at in range(210, 600, 10):  # a trickle, which one copy carries
        call(copies, at)
    changes = copies.truth(600 * S)["changes"]
    assert [count for _, count in changes] == [1, 2, 1]  # type: ignore[attr-defined]
    assert copies.truth(1200 * S)["copies"] == 0


def test_the_others_do_not_go_before_a_copy_that_nobody_called() -> None:
    """The third copy comes after the last call and goes first; until then all three were counted."""
    copies = Copies(replace(SCALING, max_copies=3))
    warm(copies)
    busy = [copies.arrive(100 * S) for _ in range(2)]
    for at in range(101, 132):
        copies.arrive(at * S)
    busy += [copies.arrive(182 * S) for _ in range(2)]
    for at in range(183, 214):
        copies.arrive(at * S)
    for decision in busy:
        assert decision.copy is not None
        copies.finish(220 * S, decision.copy, success=True, began_ns=100 * S)
    assert [copy.ready_ns for copy in copies.copies] == [60 * S, 181 * S, 263 * S]
    assert copies.counts(240 * S, 300 * S) == [2, 3]
    assert copies.counts(500 * S, 540 * S) == [3, 2]
    assert copies.counts(540 * S, 600 * S) == [2, 0]
    assert [copy.ended_ns for copy in copies.copies] == [563 * S, 563 * S, 540 * S]


@pytest.mark.parametrize(
    ("calls", "windows"),
    [
        ([(60, 1)], [0]),
        ([(60, 1), (100, 1), (359, 1)], [0]),  # the first success is at 61 s: a window lasts until 361 s
        ([(60, 1), (361, 1)], [0, 1]),
        ([(60, 1), (300, 700)], [0, 1, 2, 3]),  # a long call keeps its windows
    ],
)
def test_billing_windows(calls: list[tuple[float, float]], windows: list[int]) -> None:
    copies = Copies(replace(SCALING, idle_s=5000))
    copies.arrive(0)
    for at, length in calls:
        assert call(copies, at, length) == SERVE
    truth = copies.truth(2000 * S)
    assert truth["each"][0]["windows"] == windows  # type: ignore[index]
    assert truth["billed_windows"] == len(windows)


def test_a_failed_call_bills_nothing_before_the_first_success() -> None:
    copies = Copies(SCALING)
    copies.arrive(0)
    decision = copies.arrive(61 * S)
    assert decision.copy is not None
    copies.finish(62 * S, decision.copy, success=False, began_ns=61 * S)
    assert copies.truth(70 * S)["billed_windows"] == 0


def test_speed_makes_every_span_shorter() -> None:
    copies = Copies(SCALING, speed=10)
    assert call(copies, 0) == NOT_READY
    assert call(copies, 5.9) == NOT_READY
    assert call(copies, 6) == SERVE
    assert call(copies, 37.5) == NOT_READY


def test_faults_come_at_their_rate_and_the_same_each_time() -> None:
    faults = Faults.parse(["throttle=0.1", "cut=0.2"], seed=4)
    drawn = [faults.of(number) for number in range(5000)]
    assert drawn == [Faults.parse(["throttle=0.1", "cut=0.2"], seed=4).of(number) for number in range(5000)]
    assert drawn.count("throttle") == pytest.approx(500, rel=0.15)
    assert drawn.count("cut") == pytest.approx(1000, rel=0.15)
    assert Faults({}).of(1) is None


@pytest.mark.parametrize("text", ["throttle", "throttle=x", "throttle=2", "nonsense=0.1", "cut=-1"])
def test_faults_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=KINDS[-1]):
        Faults.parse([text])
    with pytest.raises(ValueError, match="together"):
        Faults.parse(["cut=0.7", "crc=0.7"])
