"""Clients on the emulator's own copies under a virtual clock: what a client sees, and the emulator's record of it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from llmdyno.emulator.copies import NOT_READY, THROTTLE, Copies, Scaling
from llmdyno.services.bedrock_import.copies import Point
from llmdyno.services.calls import Calls
from llmdyno.workload.backoff import backoff_s

SECOND = 10**9


@dataclass
class Seen:
    """Calls as a client has them, CloudWatch's datapoints, and the copies that the emulator had."""

    calls: Calls
    points: list[Point]
    copies: Copies

    @property
    def windows(self) -> list[int]:
        """The emulator's bill: windows of each copy that was billed at all."""
        return [len(copy.windows) for copy in self.copies.copies if copy.windows]


def drive(
    scaling: Scaling,
    stages: list[tuple[float, float, int]],
    *,
    answer_s: float = 5.0,
    pause_s: float = 1.0,
    seed: int = 1,
    delay_s: float = 0.0,
) -> Seen:
    """Closed-loop users, (start s, end s, how many) a stage. An answer takes about `answer_s`. A refused user pauses.
    `delay_s` passes between an answer's end at the server and at the client."""
    copies, rng = Copies(scaling), Random(seed)
    rows: list[tuple[float, float, bool, str]] = []
    events: list[tuple[float, int, str, tuple[int, float]]] = []
    number = 0

    def push(time_s: float, kind: str, what: tuple[int, float]) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (time_s, number, kind, what))

    for start_s, end_s, users in stages:
        for user in range(users):
            push(start_s + 0.001 * user, "send", (user, end_s))
    last_s = max(end_s for _, end_s, _ in stages)
    while events:
        now_s, _, kind, (who, end_s) = heapq.heappop(events)
        now_ns = round(now_s * SECOND)
        if kind == "end":
            copies.finish(now_ns, who, success=True, began_ns=round(end_s * SECOND))
            continue
        if now_s >= end_s:
            continue
        decision = copies.arrive(now_ns)
        if decision.kind in (NOT_READY, THROTTLE):
            rows.append((now_s, now_s + 0.001, False, decision.kind))
            push(now_s + pause_s * (0.9 + 0.2 * rng.random()), "send", (who, end_s))
            continue
        assert decision.copy is not None
        duration_s = answer_s * (0.8 + 0.4 * rng.random())
        rows.append((now_s, now_s + duration_s + delay_s, True, ""))
        push(now_s + duration_s, "end", (decision.copy, now_s))
        push(now_s + duration_s + delay_s, "send", (who, end_s))
    until_s = last_s + 120.0
    copies.advance(round(until_s * SECOND))
    points = []
    for minute in range(int(until_s // 60)):
        counts = copies.counts(minute * 60 * SECOND, (minute + 1) * 60 * SECOND)
        points.append(Point(60.0 * minute, min(counts), max(counts)))
    rows.sort()
    sent, end, ok, why = (np.array(column) for column in zip(*rows, strict=True))
    calls = Calls(sent, end, ok, ok, why == THROTTLE, why == NOT_READY)
    return Seen(calls, points, copies)


@dataclass
class Day:
    """What the emulator made of a day: how many decisions of each kind, calls that were lost, cold starts, the most
    copies at once, and the copies."""

    copies: Copies
    kinds: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    cold_starts: int = 0

    @property
    def most_copies(self) -> int:
        return max((count for _, count in self.copies.changes), default=0)

    @property
    def windows(self) -> int:
        return sum(len(copy.windows) for copy in self.copies.copies)


def drive_day(
    scaling: Scaling, arrivals_s: Sequence[float], service_s: Sequence[float], *, retries: int, cold_waits: bool
) -> Day:
    """An open loop. A throttled call comes again after a growing pause, `retries` times. A call that meets a cold model
    comes again when the model is ready, or is lost."""
    day, ready_s = Day(Copies(scaling)), dict[int, float]()
    sends = [(time_s, 1, which, 0) for which, time_s in enumerate(arrivals_s)]
    heapq.heapify(sends)
    ends: list[tuple[int, int, int]] = []

    def end_by(now_ns: float) -> None:
        while ends and ends[0][0] <= now_ns:
            end_ns, began_ns, number = heapq.heappop(ends)
            day.copies.finish(end_ns, number, success=True, began_ns=began_ns)

    while sends:
        now_s, _, which, attempt = heapq.heappop(sends)
        now_ns, before = round(now_s * SECOND), len(day.copies.copies)
        end_by(now_ns)
        decision = day.copies.arrive(now_ns)
        day.kinds[decision.kind] += 1
        started, cold = len(day.copies.copies) > before, decision.kind == NOT_READY
        if started:
            ready_s[before] = now_s + (scaling.cold_start_s if cold else scaling.scale_up_delay_s)
        day.cold_starts += started and cold
        if decision.copy is not None:
            heapq.heappush(ends, (round((now_s + service_s[which]) * SECOND), now_ns, decision.copy))
        elif cold and cold_waits:
            heapq.heappush(sends, (ready_s[len(day.copies.copies) - 1], 0, which, attempt))
        elif not cold and attempt < retries:
            heapq.heappush(sends, (now_s + backoff_s(attempt), 0, which, attempt + 1))
        else:
            day.lost += 1
    end_by(float("inf"))
    return day
