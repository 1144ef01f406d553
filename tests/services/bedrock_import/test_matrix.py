"""Copies and bills against the emulator's record under a virtual clock: two hundred cases of every kind.

A case's true moments must lie within the bounds, and its true bill always. A copy that was there and was not claimed
must be among the possible ones, and no copy may be claimed that was not there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from random import Random
from statistics import median

from tests.services.bedrock_import.virtual import SECOND, Seen, Way, drive

from llmdyno.emulator.copies import Scaling
from llmdyno.services.bedrock_import.billing import Bill, bill
from llmdyno.services.bedrock_import.copies import IDLE_S, measured
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


@dataclass
class Found:
    """How a case went: moments that lie within their bounds, all moments, whether the bill does, and how wide the
    bounds of a further copy's start are (None: no copy was claimed)."""

    right: int
    moments: int
    bill: Bill
    true_windows: int
    widths: list[float]
    wrong: list[str]


def judge(seen: Seen, copies: Copies) -> Found:
    """A case against the emulator's record."""
    true = sorted((copy.ready_ns / SECOND, copy.ended_ns) for copy in seen.copies.copies)
    last_s = float(seen.calls.end_s.max())
    claimed = sorted(copies.lives, key=lambda life: life.from_s)
    wrong, right, spare = [], 0, [life.came_s for life in copies.possible]
    lives = list(claimed)
    for ready_s, _ in true:
        life = next((life for life in lives if life.came_s[0] <= ready_s <= life.came_s[1]), None)
        span = next((span for span in spare if span[0] <= ready_s <= span[1]), None)
        if life is not None:
            lives.remove(life)
            right += 1
        elif span is not None:
            spare.remove(span)
            right += 1
        elif ready_s < last_s:
            wrong.append(f"ready at {ready_s:.2f}")
        else:
            right += 1
    wrong += [f"not there: {life.came_s}" for life in lives]
    ends = sorted(ended_ns / SECOND for _, ended_ns in true if ended_ns is not None and ended_ns / SECOND < last_s)
    spans = [life.went_s for life in (*claimed, *copies.possible)]
    for ended_s in ends:
        span = min((span for span in spans if span[0] <= ended_s <= span[1]), key=lambda span: span[1], default=None)
        if span is None:
            wrong.append(f"ended at {ended_s:.2f}")
        else:
            spans.remove(span)
            right += 1
    widths = [life.came_s[1] - life.came_s[0] for life in claimed[1:]]
    found = bill(copies, seen.calls)
    return Found(right, right + len(wrong), found, sum(seen.windows), widths, wrong)
