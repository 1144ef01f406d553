"""Model copies as CloudWatch's ModelCopy shows them, with their moments narrowed by the load. PURE.

In: datapoints of a gauge, calls. Out: the lifetime of each copy, with the bounds of its ends.

A minute's datapoint says that a copy came or went within that minute, give or take the time between two samples. The
load says when more exactly, if it refuses or needs: see :mod:`llmdyno.services.flight`. If the two contradict each
other, the bounds hold both. The service does not say which copy goes when one goes. We assume the youngest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.calls import Calls, Floats
from llmdyno.services.copies import (
    Copies,
    CopyLifetime,
    Span,
    carries_note,
    further_life,
    inferred,
    lifetime,
    middle,
    usual_level,
)
from llmdyno.services.flight import (
    Carries,
    Counts,
    Flight,
    Presence,
    Signs,
    carries,
    first_signs,
    flight_of,
    further,
    presences,
    signs_of,
)

MEASURED = "ModelCopy from CloudWatch"
_GAP_S = 180.0
"""A gap this long between datapoints, without a served call in it, means that there were no copies."""
_CLOCKS_S = 5.0
"""How much CloudWatch's clock and ours, and the end of a minute and its datapoint, may differ."""
_SAMPLING_S = 15.0
"""How long the gauge may not have looked. AWS does not document it."""
_SLACK_S = _CLOCKS_S + _SAMPLING_S
_CONFLICT = "CloudWatch's count and the load contradict each other on when a copy was there: the times allow for both"

_NONE_COUNTED = "CloudWatch counts no copy and calls were served: the copies are inferred from the load"


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


class _Copy(NamedTuple):
    """A copy at a level: it was there besides `level` − 1 others."""

    level: int
    life: CopyLifetime


def measured(points: Sequence[Point], calls: Calls) -> Copies:
    """Copies as the gauge says, with each moment narrowed to what the load shows within the gauge's minute.

    Args:
        points: by ascending time. A minute without a point has as many copies as the one before. Several such minutes
            without a served call have none: AWS does not document whether the gauge says 0 or nothing then.
        calls: what the run sent.
    """
    found = [
        _Copy(level, _life(one))
        for level in range(1, round(max((point.maximum for point in points), default=0.0)) + 1)
        for one in presences(_signs(points, level, calls))
    ]
    by_load = inferred(calls, IDLE_S)
    if not found and by_load.lives:
        return replace(by_load, notes=(_NONE_COUNTED, *by_load.notes))
    flight = flight_of(calls)
    seen_until_s = points[-1].end_s - _SLACK_S if points else -math.inf
    least = _least(found, flight, seen_until_s)
    carried = carries(flight, least, _most(found, flight, seen_until_s))
    notes: list[str] = []
    if carried is not None and carried.conflict and by_load.carries is not None:
        carried = Carries(*by_load.carries)
        found = _hull(found, by_load)
        notes.append(_CONFLICT)
    else:
        carried = None if carried is None else further(flight, carried)[0]
        found = [_narrowed(copy, calls, flight, carried, notes) for copy in found]
        found = _covering(found, calls, flight, notes)
    if carried is not None:
        found += _after(found, flight, carried, seen_until_s)
        notes += [carries_note(carried)] if carried.least != carried.most else []
    lives = sorted((copy.life for copy in found), key=lambda life: life.from_s)
    level = None if carried is None else usual_level(flight, carried, least.tolist())
    bounds = None if carried is None else carried.bounds
    possible = tuple(_possible(found, by_load, calls, seen_until_s))
    return Copies(tuple(lives), MEASURED, level, tuple(dict.fromkeys(notes)), bounds, possible)


def _possible(found: Sequence[_Copy], by_load: Copies, calls: Calls, seen_until_s: float) -> Iterator[CopyLifetime]:
    """Copies that may have come after the last datapoint, without being needed."""
    if float(calls.end_s.max(initial=-math.inf)) <= seen_until_s:
        return
    there = sum(copy.life.to_s is None for copy in found) - sum(life.to_s is None for life in by_load.lives)
    late = [life for life in by_load.possible if life.went_s[1] > seen_until_s]
    for life in late[max(0, there) :]:
        yield replace(life, from_s=max(life.from_s, seen_until_s), from_span_s=_later(life.came_s, seen_until_s))


def _later(span: Span, from_s: float) -> Span:
    return max(span[0], from_s), max(span[1], from_s)


def _signs(points: Sequence[Point], level: int, calls: Calls) -> Signs:
    rows = list(_rows(points, level, np.sort(calls.sent_s[calls.served])))
    there, by_s, until_s = zip(*rows, strict=True) if rows else ((), (), ())
    return Signs(np.array(there, bool), np.array(by_s, float), np.array(until_s, float))


def _rows(points: Sequence[Point], level: int, served_s: Floats) -> Iterator[tuple[bool, float, float]]:
    """The gauge's signs of the copy number `level`: (there, by when at the latest, until when at least).

    In a minute with fewer copies and as many as `level`, the copy came or went, whichever fits the minute before.
    """
    there: bool | None = None
    for index, point in enumerate(points):
        before = points[index - 1] if index else None
        if before is not None and point.start_s - before.end_s >= _GAP_S:
            silent = np.searchsorted(served_s, before.end_s) == np.searchsorted(served_s, point.start_s)
            if silent and there:
                there = False
                yield False, before.end_s + point.duration_s + _SLACK_S, before.start_s - _SLACK_S
        least, most = round(point.minimum) >= level, round(point.maximum) >= level
        if least == most:
            there = least
            yield there, point.start_s + _SLACK_S, point.end_s - _SLACK_S
            continue
        around = point.end_s + _CLOCKS_S, point.start_s - _SLACK_S
        if there is None:
            following = points[index + 1] if index + 1 < len(points) else None
            if following is None or round(following.maximum) >= level:
                yield False, *around
        there = not there
        yield there, *around


def _life(one: Presence) -> CopyLifetime:
    """What the gauge says of a copy; its moments are assumed in the middle of their spans."""
    life = further_life(one, 0.0)
    return replace(life, to_span_s=None) if one.went_s is None else life


def _least(found: Sequence[_Copy], flight: Flight, seen_until_s: float) -> Counts:
    """How many copies there were at each refusal at least, shape (refusals,)."""
    count = np.zeros(len(flight.refused_s), np.int64)
    for _, life in found:
        there_until_s = min(life.went_s[0], seen_until_s)
        count += (flight.refused_s >= life.came_s[1]) & (flight.refused_in_s + flight.most_s <= there_until_s)
    return np.maximum(count, 1)


def _most(found: Sequence[_Copy], flight: Flight, seen_until_s: float) -> Floats:
    """How many there were at each change of the calls at work at most, shape (changes,)."""
    time_s = flight.sure.time_s
    count = np.where(time_s + flight.most_s > seen_until_s, np.inf, 0.0)
    for _, life in found:
        count += (time_s + flight.most_s >= life.came_s[0]) & (time_s <= life.went_s[1])
    return count


def _narrowed(copy: _Copy, calls: Calls, flight: Flight, carried: Carries | None, notes: list[str]) -> _Copy:
    """A copy with its spans narrowed by the load."""
    life = copy.life
    if copy.level == 1:
        signs = first_signs(calls, flight)
    elif carried is not None:
        signs = signs_of(flight, copy.level, carried)
    else:
        return copy
    later_s = 0.0 if copy.level == 1 else flight.most_s
    came_s = _inside(life.came_s, signs, later_s, coming=True)
    went_s = life.went_s if life.to_s is None else _inside(life.went_s, signs, later_s, coming=False)
    if came_s[0] > came_s[1] or went_s[0] > went_s[1]:
        notes.append(_CONFLICT)
        came_s, went_s = life.came_s, life.went_s
    from_s = middle(came_s)
    if copy.level == 1:
        first = calls.sent_s[calls.served & (calls.first_s >= came_s[0])][:1]
        from_s = min([came_s[1], *(max(came_s[0], time_s) for time_s in first.tolist())])
    if life.to_s is None:
        return _Copy(copy.level, CopyLifetime(from_s, None, came_s))
    return _Copy(copy.level, lifetime(from_s, came_s, middle(went_s), went_s))


def _inside(span: Span, signs: Signs, later_s: float, *, coming: bool) -> Span:
    """A span in which a copy came or went, narrowed by the signs within it.

    It came after the last sign without it and before the first sign with it; it went the other way round.
    """
    early = signs.until_s[(signs.there != coming) & (signs.until_s > span[0]) & (signs.until_s < span[1])]
    late = signs.by_s[(signs.there == coming) & (signs.by_s >= span[0] - later_s) & (signs.by_s < span[1])] + later_s
    return max([span[0], *early[-1:].tolist()]), min([span[1], *late[late > span[0]][:1].tolist()])


def _hull(found: Sequence[_Copy], by_load: Copies) -> list[_Copy]:
    """The copies of the gauge, whose starts allow for what the load shows alone, which contradicts it.

    If both have as many copies, they are the same in the order of time; else the nearest one counts.
    """
    ordered = sorted(found, key=lambda copy: copy.life.came_s[1])
    spans = sorted((life.came_s for life in by_load.lives), key=lambda span: span[1])
    if not spans:
        return ordered
    if len(spans) != len(ordered):
        spans = [min(spans, key=lambda span: abs(span[1] - copy.life.came_s[1])) for copy in ordered]
    return [_from(copy, _both(copy.life.came_s, span)) for copy, span in zip(ordered, spans, strict=True)]


def _both(one: Span, other: Span) -> Span:
    """A span that holds two."""
    return min(one[0], other[0]), max(one[1], other[1])


def _from(copy: _Copy, came_s: Span) -> _Copy:
    """A copy with another span of its start."""
    if copy.life.to_s is None:
        return _Copy(copy.level, replace(copy.life, from_s=middle(came_s), from_span_s=came_s))
    return _Copy(copy.level, lifetime(middle(came_s), came_s, copy.life.to_s, copy.life.went_s))


def _covering(found: Sequence[_Copy], calls: Calls, flight: Flight, notes: list[str]) -> list[_Copy]:
    """The copies of the gauge, with bounds wide enough for every call that was served."""
    first_s, end_s = calls.first_s[calls.served], calls.end_s[calls.served]
    copies = sorted(found, key=lambda copy: copy.life.came_s[1])
    free = np.ones(len(first_s), bool)
    for copy in copies:
        free &= (first_s < copy.life.came_s[0]) | (first_s > copy.life.went_s[1])
    for index, copy in enumerate(copies):
        before = free & (first_s < copy.life.came_s[0])
        if copy.level == 1 and before.any():
            notes.append(_CONFLICT)
            cold_s = flight.cold_s[flight.cold_s < first_s[before].min()]
            copies[index] = _from(copy, (float(cold_s[-1]) if len(cold_s) else -math.inf, copy.life.came_s[1]))
            free &= ~before
    if free.any():  # the last copy had gone, as the gauge says
        notes.append(_CONFLICT)
        index = max(index for index, copy in enumerate(copies) if copy.level == 1)
        went_s = copies[index].life.went_s[0], float(end_s[free].max())
        life = copies[index].life
        copies[index] = _Copy(1, lifetime(life.from_s, life.came_s, middle(went_s), went_s))
    return copies


def _after(found: Sequence[_Copy], flight: Flight, carried: Carries, seen_until_s: float) -> Iterator[_Copy]:
    """Copies that only the load shows, because the gauge has no datapoint for the end of the run."""
    there = sum(copy.life.to_s is None for copy in found)
    for level in range(there + 1, math.ceil(flight.mostly() / carried.most) + 1):
        for one in presences(signs_of(flight, level, carried)):
            if one.came_s[1] + flight.most_s > seen_until_s:
                life = further_life(one, flight.most_s)
                came_s = _later(life.came_s, seen_until_s)
                yield _Copy(level, replace(life, from_s=max(life.from_s, came_s[0]), from_span_s=came_s))
