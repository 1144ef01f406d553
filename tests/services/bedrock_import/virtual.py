"""Users on the emulator's own copies under a virtual clock: what a client sees, and the emulator's record of it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from random import Random

import numpy as np

from llmdyno.emulator.copies import NOT_READY, THROTTLE, Copies, Scaling
from llmdyno.services.bedrock_import.copies import Point
from llmdyno.services.calls import Calls

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
    """Closed-loop users, (start s, end s, how many) a stage. An answer takes `answer_s`, some more, some less; who is
    refused pauses. `delay_s` passes between an answer's end at the server and at the client."""
    copies, rng = Copies(scaling), Random(seed)
    rows: list[tuple[float, float, bool, str]] = []
    events: list[tuple[float, int, str, tuple[int, float]]] = []
    number = 0

    def push(moment_s: float, kind: str, what: tuple[int, float]) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (moment_s, number, kind, what))

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
        length_s = answer_s * (0.8 + 0.4 * rng.random())
        rows.append((now_s, now_s + length_s + delay_s, True, ""))
        push(now_s + length_s, "end", (decision.copy, now_s))
        push(now_s + length_s + delay_s, "send", (who, end_s))
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
