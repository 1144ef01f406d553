"""Copies and bills against the emulator's record under a virtual clock: two hundred cases of every kind.

A case's true moments must lie within the bounds, and its true bill always. A copy that was there and was not claimed
must be among the possible ones, and no copy may be claimed that was not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from statistics import median

import pytest
from tests.services.bedrock_import.virtual import SECOND, Seen, Way, drive

from llmdyno.emulator.copies import Scaling
from llmdyno.services.bedrock_import.billing import Bill, bill
from llmdyno.services.bedrock_import.copies import measured
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.copies import Copies, inferred

ROUND_TRIP_S = 0.08


@dataclass(frozen=True)
class Case:
    """One case: what varies on purpose, and the rest drawn from its seed."""

    seed: int
    speed: float
    far: bool
    long: bool
    throttled: bool
    metric: bool

    @classmethod
    def of(cls, seed: int) -> Case:
        kinds = [bool(seed >> bit & 1) for bit in range(5)]
        return cls(seed, 20.0 if kinds[0] else 1.0, *kinds[1:])

    @property
    def answer_s(self) -> float:
        return 12.0 if self.long else 2.0

    @property
    def trip_s(self) -> float:
        return ROUND_TRIP_S * self.speed * 1.1 if self.far else 0.0

    def run(self) -> Seen:
        rng = Random(self.seed)
        carried = rng.randint(2, 5)
        scaling = Scaling(
            requests_per_copy=carried,
            max_copies=rng.randint(2, 3),
            cold_start_s=rng.uniform(30, 90),
            scale_up_after_s=rng.uniform(20, 40),
            scale_up_delay_s=rng.uniform(30, 80),
        )
        before_s, hold_s = rng.uniform(100, 200), rng.uniform(60, 500)
        users = rng.randint(carried + 1, 3 * carried + 1) if self.throttled else rng.randint(1, carried)
        start_s = rng.uniform(0, 60)
        times_s = [start_s, start_s + before_s, start_s + before_s + hold_s]
        stages = [(times_s[0], times_s[1], rng.randint(1, carried)), (times_s[1], times_s[2], users)]
        ending = rng.random()
        if ending < 0.4:  # the load goes down: copies go
            stages.append((times_s[2], times_s[2] + rng.uniform(100, 700), 1))
        elif ending < 0.6:  # the model goes cold, and comes back
            again_s = times_s[2] + IDLE_S + rng.uniform(30, 300)
            stages.append((again_s, again_s + rng.uniform(120, 200), rng.randint(1, carried)))
        share = rng.random()
        way = Way(speed=self.speed)
        if self.far:
            way = Way(ROUND_TRIP_S * share, ROUND_TRIP_S * (1 - share), 0.1, self.speed)
        return drive(scaling, stages, answer_s=self.answer_s, seed=self.seed, way=way)

    def copies(self, seen: Seen) -> Copies:
        return measured(seen.points, seen.calls) if self.metric else inferred(seen.calls, IDLE_S)


@dataclass(frozen=True)
class Found:
    """How a case went. `right` of `moments` lie within their bounds; `wrong` says which do not. `widths`: how wide the
    bounds of each further copy's start are, seconds."""

    case: Case
    right: int
    wrong: tuple[str, ...]
    bill: Bill
    true_windows: int
    widths: tuple[float, ...]

    @property
    def moments(self) -> int:
        return self.right + len(self.wrong)


def judge(case: Case) -> Found:
    """A case against the emulator's record."""
    seen = case.run()
    copies = case.copies(seen)
    wrong: list[str] = []
    last_s = float(seen.calls.end_s.max())
    true = sorted(seen.copies.copies, key=lambda copy: copy.ready_ns)
    lives = list(copies.lives)
    spans = [life.came_s for life in copies.possible]
    right = 0
    for copy in true:
        ready_s = copy.ready_ns / SECOND
        life = next((life for life in lives if life.came_s[0] <= ready_s <= life.came_s[1]), None)
        span = next((span for span in spans if span[0] <= ready_s <= span[1]), None)
        if life is not None:
            lives.remove(life)
        elif span is not None:
            spans.remove(span)
        elif ready_s < last_s:
            wrong.append(f"ready at {ready_s:.2f}")
            continue
        right += 1
    wrong += [f"not there: {life.came_s}" for life in lives]
    ends = [life.went_s for life in (*copies.lives, *copies.possible)]
    for ended_s in sorted(copy.ended_ns / SECOND for copy in true if copy.ended_ns is not None):
        if ended_s >= last_s:
            continue
        fits = [span for span in ends if span[0] <= ended_s <= span[1]]
        if not fits:
            wrong.append(f"ended at {ended_s:.2f}")
            continue
        ends.remove(min(fits, key=lambda span: span[1]))
        right += 1
    widths = tuple(life.came_s[1] - life.came_s[0] for life in copies.lives[1:])
    return Found(case, right, tuple(wrong), bill(copies, seen.calls), sum(seen.windows), widths)


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return [judge(Case.of(seed)) for seed in range(200)]


def test_true_moments_lie_within_their_bounds(found: list[Found]) -> None:
    right, moments = sum(one.right for one in found), sum(one.moments for one in found)
    cases = sum(not one.wrong for one in found)
    print(f"\n{right} of {moments} moments, {cases} of {len(found)} cases")
    assert [(one.case, one.wrong) for one in found if one.wrong] == []
    assert moments > 400  # there is something to find


def test_the_true_bill_is_always_within_its_range(found: list[Found]) -> None:
    outside = [one.case for one in found if not one.bill.low <= one.true_windows <= one.bill.high]
    assert outside == []
    assert all(one.bill.low <= one.bill.windows <= one.bill.high for one in found)


def test_the_bounds_say_something(found: list[Found]) -> None:
    """A start is known to the pause before a retry, the time to a first byte and the way; most bills to one window."""
    for far in (False, True):
        for speed in (1.0, 20.0):
            kind = [one for one in found if (one.case.far, one.case.speed) == (far, speed) and one.case.throttled]
            for metric in (False, True):
                these = [one for one in kind if one.case.metric == metric]
                widths = [width for one in these for width in one.widths]
                longest_s = 1.1 + 0.3 * median(one.case.answer_s for one in these)
                print(f"far {far}, speed {speed:g}, metric {metric}: {median(widths):.1f} s in the middle")
                assert median(widths) <= longest_s + 2.5 * these[0].case.trip_s
    spread = [one.bill.high - one.bill.low for one in found]
    print(f"bills: {spread.count(0)} exact, {spread.count(1)} to a window, {max(spread)} at most")
    assert spread.count(0) + spread.count(1) > 130


def test_further_copies_are_claimed_where_the_load_needs_them(found: list[Found]) -> None:
    throttled = [one for one in found if one.case.throttled]
    assert sum(len(one.widths) for one in throttled) > 120


def test_the_number_of_calls_that_a_copy_carries() -> None:
    for seed in range(32):
        case = Case.of(seed)
        seen = case.run()
        carries = case.copies(seen).carries
        assert carries is None or carries[0] <= seen.copies.scaling.requests_per_copy <= carries[1]
