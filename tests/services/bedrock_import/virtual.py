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
from llmdyno.services.calls import Calls, round_trip
from llmdyno.workload.backoff import backoff_s

SECOND = 10**9


@dataclass
class Seen:
    """Calls as a client has them, CloudWatch's datapoints, and the copies that the emulator had.

    `worked`: each served call's copy, and its beginning and end there, in seconds; in the order of the ends.
    """

    calls: Calls
    points: list[Point]
    copies: Copies
    worked: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def windows(self) -> list[int]:
        """The emulator's bill: windows of each copy that was billed at all."""
        return [len(copy.windows) for copy in self.copies.copies if copy.windows]


@dataclass(frozen=True)
class Way:
    """The way between client and server: seconds of the client's clock out and back, a share by which each packet may
    be slower, and how many times faster than the client's clock the emulator's runs."""

    out_s: float = 0.0
    back_s: float = 0.0
    jitter: float = 0.0
    speed: float = 1.0

    def takes(self, base_s: float, rng: Random) -> float:
        """How long a packet takes, in emulated seconds."""
        return base_s * self.speed * (1 + self.jitter * rng.random())


NEAR = Way()


def drive(
    scaling: Scaling,
    stages: list[tuple[float, float, int]],
    *,
    answer_s: float = 5.0,
    pause_s: float = 1.0,
    seed: int = 1,
    way: Way = NEAR,
    late_s: float = 0.0,
) -> Seen:
    """Closed-loop users, (start s, end s, how many) a stage. An answer takes about `answer_s`. A refused user pauses.
    The last byte of an answer comes `late_s` later than the way takes. All times are emulated ones."""
    copies, rng = Copies(scaling), Random(seed)
    rows: list[tuple[float, float, float, str]] = []
    worked: list[tuple[int, float, float]] = []
    events: list[tuple[float, int, str, tuple[int, float]]] = []
    number = 0

    def push(time_s: float, kind: str, what: tuple[int, float]) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (time_s, number, kind, what))

    def send(time_s: float, user: int, until_s: float) -> None:
        if time_s < until_s:
            push(time_s + way.takes(way.out_s, rng), "arrive", (user, until_s))
            sent[user, until_s] = time_s

    sent: dict[tuple[int, float], float] = {}
    for start_s, end_s, users in stages:
        for user in range(users):
            send(start_s + 0.001 * user, user, end_s)
    points = []
    for minute in range(1, int((max(end_s for _, end_s, _ in stages) + 120.0) // 60) + 1):
        push(60.0 * minute, "minute", (minute, 0.0))
    while events:
        now_s, _, kind, (who, end_s) = heapq.heappop(events)
        now_ns = round(now_s * SECOND)
        if kind == "minute":
            counts = copies.counts(now_ns - 60 * SECOND, now_ns)
            points.append(Point(now_s - 60.0, min(counts), max(counts)))
            continue
        if kind == "end":
            worked.append((who, end_s, now_s))
            copies.finish(now_ns, who, success=True, began_ns=round(end_s * SECOND))
            continue
        decision = copies.arrive(now_ns)
        sent_s, back_s = sent[who, end_s], way.takes(way.back_s, rng)
        if decision.kind in (NOT_READY, THROTTLE):
            rows.append((sent_s, now_s + back_s, now_s + back_s, decision.kind))
            send(now_s + back_s + pause_s * (0.9 + 0.2 * rng.random()), who, end_s)
            continue
        assert decision.copy is not None
        from_s = max(now_s, decision.from_ns / SECOND)
        duration_s = answer_s * (0.8 + 0.4 * rng.random())
        first_s = from_s + duration_s * (0.05 + 0.2 * rng.random()) + back_s
        done_s = max(first_s, from_s + duration_s + way.takes(way.back_s, rng) + late_s)
        rows.append((sent_s, first_s, done_s, ""))
        push(from_s + duration_s, "end", (decision.copy, now_s))
        send(done_s, who, end_s)
    return Seen(_calls(rows, way), points, copies, worked)


def _calls(rows: list[tuple[float, float, float, str]], way: Way) -> Calls:
    rows.sort()
    sent, first, end, why = (np.array(column) for column in zip(*rows, strict=True))
    ok = why == ""
    took_s = (first - sent) / way.speed
    trip = round_trip(took_s[~ok], np.zeros(0), took_s[ok], way.speed)
    return Calls(sent, first, end, ok, ok, why == THROTTLE, why == NOT_READY, trip)


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
