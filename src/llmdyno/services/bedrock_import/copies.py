"""Model copies as CloudWatch's ModelCopy shows them, with their start made exact by the load. PURE.

In: datapoints of a gauge, calls. Out: the lifetime of each copy, with how sure its ends are.

A minute's datapoint says only that a copy came or went within that minute. The load says when more exactly; see
:mod:`llmdyno.services.copies`. The service does not say which copy goes when one goes. We assume the youngest, and keep
"the oldest" as the alternative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmdyno.services.calls import Calls, served_in_flight
from llmdyno.services.copies import Copies, CopyLifetime, refusing_level, usual_duration_s

MEASURED = "ModelCopy from CloudWatch"
IDLE_S = 300.0
"""A model without a call scales to zero after this long, as AWS documents it. One AWS page says an hour."""
_GAP_S = 180.0
"""A gap this long between datapoints, without a served call in it, means that there were no copies."""


@dataclass(frozen=True, slots=True)
class Point:
    """One datapoint of ModelCopy: the minute from `start_s` on, seconds after the run's origin, and the lowest and
    highest count of copies in it."""

    start_s: float
    minimum: float
    maximum: float
    duration_s: float = 60.0

    @property
    def end_s(self) -> float:
        """The end of the minute."""
        return self.start_s + self.duration_s


def measured(points: Sequence[Point], calls: Calls) -> Copies:
    """Copies as the gauge says, with each start moved to the time that the load shows within the gauge's minute.

    Args:
        points: by ascending time. A minute without a point has as many copies as the one before. Several such minutes
            without a served call have none: AWS does not document whether the gauge says 0 or nothing then.
        calls: what the run sent.
    """
    return _Gauge(calls).follow(points)


class _Gauge:
    """Follows the gauge from minute to minute and keeps which copies are there."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._curve = served_in_flight(calls)
        self._usual_s = usual_duration_s(calls)
        self._served_s = calls.sent_s[calls.served]
        self._lives: list[CopyLifetime] = []
        self._alive: list[int] = []
        self._per_copy: int | None = None
        self._last_start_s = -math.inf

    def follow(self, points: Sequence[Point]) -> Copies:
        """Go through all datapoints."""
        for index, point in enumerate(points):
            if index == 0:
                self._begin(point)
            else:
                self._close_gap(points[index - 1], point)
            self._minute(point, points[index + 1] if index + 1 < len(points) else None)
        lives = tuple(self._lives)
        level = refusing_level(self._calls, self._curve) if self._per_copy is None and lives else None
        if level is not None:
            self._per_copy = max(1, round(level / Copies(lives, MEASURED).most()))
        oldest_first = _oldest_first(lives)
        return Copies(lives, MEASURED, self._per_copy, (), oldest_first if oldest_first != lives else None)

    def _begin(self, point: Point) -> None:
        """The copies of the first minute's minimum were up before anything is known."""
        least = round(point.minimum)
        self._alive += range(least)
        self._lives += [CopyLifetime(min([point.start_s, *self._served_s[:1].tolist()])) for _ in range(least)]

    def _close_gap(self, before: Point, point: Point) -> None:
        silent_s = before.end_s
        served = ((self._served_s >= silent_s) & (self._served_s < point.start_s)).any()
        if point.start_s - silent_s >= _GAP_S and not served:
            self._end_down_to(0, silent_s - point.duration_s, silent_s + point.duration_s)

    def _minute(self, point: Point, following: Point | None) -> None:
        least, most = round(point.minimum), round(point.maximum)
        self._end_down_to(most, point.start_s - point.duration_s, point.start_s)  # they went as the minute began
        came = len(self._alive) < most
        while len(self._alive) < most:
            self._start(point)
        # The minute's minimum is its first count, or its last one if the next minute has no more copies than that.
        ended_low = round(following.maximum) <= least if following is not None else not came
        if least < len(self._alive) and ended_low:
            self._end_down_to(least, point.start_s, point.end_s)

    def _start(self, point: Point) -> None:
        before = len(self._alive)
        if before and self._per_copy is None:
            level = refusing_level(self._calls, self._curve, self._last_start_s, point.end_s)
            self._per_copy = None if level is None else max(1, round(level / before))
        life = self._lifetime(point, before)
        self._last_start_s = life.from_s
        self._alive.append(len(self._lives))
        self._lives.append(life)

    def _lifetime(self, point: Point, before: int) -> CopyLifetime:
        """When copy number `before` + 1 came, within the minute that the gauge names."""
        span = (point.start_s, point.end_s)
        latest_s = point.end_s + point.duration_s
        if before == 0:
            first = self._served_s[(self._served_s >= point.start_s) & (self._served_s < latest_s)]
            return CopyLifetime(float(first[0]) if len(first) else point.end_s, None, span)
        if self._per_copy is not None:
            # The gauge can be late by the time between two of its samples.
            earliest_s = point.start_s - point.duration_s / 4
            seen_s = self._curve.first_above(self._per_copy * before, self._usual_s, earliest_s, latest_s)
            if seen_s is not None:
                return CopyLifetime(seen_s, None, (seen_s, seen_s))
        return CopyLifetime((point.start_s + point.end_s) / 2, None, span)

    def _end_down_to(self, count: int, from_s: float, to_s: float) -> None:
        """End the youngest copies between two times until `count` are left."""
        while len(self._alive) > count:
            index = self._alive.pop()
            life = self._lives[index]
            gone_s = max(life.from_s, (from_s + to_s) / 2)
            self._lives[index] = replace(life, to_s=gone_s, to_span_s=(max(life.from_s, from_s), to_s))


def _oldest_first(lives: Sequence[CopyLifetime]) -> tuple[CopyLifetime, ...]:
    """The same starts and ends, with the oldest living copy going each time."""
    ends = sorted((life.to_s, life.to_span_s) for life in lives if life.to_s is not None)
    changed = [replace(life, to_s=None, to_span_s=None) for life in lives]
    for to_s, to_span_s in ends:
        index = next(index for index, life in enumerate(changed) if life.to_s is None and life.from_s <= to_s)
        changed[index] = replace(changed[index], to_s=to_s, to_span_s=to_span_s)
    return tuple(changed)
