"""Model copies over time: as CloudWatch's ModelCopy says, as the load itself shows, or as the user knows. PURE.

In: datapoints of a gauge, calls. Out: the life of each copy, with how sure its ends are.

A minute's datapoint says that a copy came or went within that minute. The load says it closer: a copy carries so many
calls at a time and refuses more, so the moment at which more were carried than were before is the moment at which
another copy took its first call. That the next copy takes it at once is an assumption. Which one goes, when one goes,
is not known either: the youngest is assumed to, and that it is the oldest is the alternative.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmdyno.services.calls import Calls, Curve, served_in_flight

MEASURED, INFERRED, GIVEN = "ModelCopy from CloudWatch", "inferred from the load", "given"
UNKNOWN = "unknown: the endpoint is no imported model"
"""How copies are known."""
_GAP_S = 180.0
IDLE_S = 300.0
"""After so long without a call a model scales to zero, as documented; elsewhere an hour is named."""


@dataclass(frozen=True, slots=True)
class Point:
    """One datapoint of ModelCopy: a minute from `start_s` on, seconds after the run's origin; least and most copies."""

    start_s: float
    minimum: float
    maximum: float
    length_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Life:
    """One copy: ready from `from_s` to `to_s` (None: still there at the end of what is known), seconds after the run's
    origin. The two spans say between which moments each of them lies."""

    from_s: float
    to_s: float | None = None
    from_span_s: tuple[float, float] | None = None
    to_span_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of a run, oldest first. `source` says how they are known; `calls_per_copy` how many calls one carried
    when it refused more (None: none was seen to refuse); `notes` what to keep in mind; `alternative` the lives where
    the oldest copy goes first (None: the same)."""

    lives: tuple[Life, ...]
    source: str
    calls_per_copy: int | None = None
    notes: tuple[str, ...] = ()
    alternative: tuple[Life, ...] | None = None

    def at(self, moment_s: float) -> int:
        """How many are ready at a moment."""
        return sum(life.from_s <= moment_s and (life.to_s is None or moment_s < life.to_s) for life in self.lives)

    def mean(self, from_s: float, to_s: float) -> float:
        """How many are ready between two moments, on average."""
        if to_s <= from_s:
            return float(self.at(from_s))
        inside = (
            min(to_s, math.inf if life.to_s is None else life.to_s) - max(from_s, life.from_s) for life in self.lives
        )
        return sum(max(0.0, length_s) for length_s in inside) / (to_s - from_s)

    def steps(self) -> list[tuple[float, int]]:
        """(seconds, how many from then on) at each change."""
        moments = sorted(
            {life.from_s for life in self.lives} | {life.to_s for life in self.lives if life.to_s is not None}
        )
        return [(moment_s, self.at(moment_s)) for moment_s in moments]


def given(count: int, calls: Calls) -> Copies:
    """So many copies all the time, because the user says so."""
    start_s = float(calls.sent_s[0]) if len(calls) else 0.0
    return Copies(tuple(Life(start_s) for _ in range(count)), GIVEN)


def refusing_level(calls: Calls, curve: Curve, from_s: float = -math.inf, to_s: float = math.inf) -> int | None:
    """How many calls were carried, most commonly, when others were throttled between two moments; None: none were."""
    refused = calls.sent_s[calls.throttled & (calls.sent_s >= from_s) & (calls.sent_s < to_s)]
    levels = Counter(level for level in (curve.at(float(moment)) for moment in refused) if level > 0)
    return levels.most_common(1)[0][0] if levels else None


def inferred(calls: Calls, first: int = 1) -> Copies:
    """Copies from the load alone, of which there were `first` at its beginning.

    Without a throttled call nothing shows how much a copy carries, and no further copy is seen.
    """
    served = np.flatnonzero(calls.served)
    if not len(served):
        return Copies((), INFERRED)
    curve = served_in_flight(calls)
    began_s = float(calls.sent_s[served[0]])
    lives = [Life(began_s) for _ in range(first)]
    begun = calls.sent_s[calls.throttled]
    if not len(begun):
        lives = _gone_idle(lives, calls)
        note = "no call was throttled, so nothing shows whether more copies came than one"
        return Copies(tuple(lives), INFERRED, None, (note,) if first == 1 else ())
    usual_s = _usual_s(calls)
    # What one carried is seen in the first minute of refusals: copies that come take longer than that.
    level = refusing_level(calls, curve, float(begun[0]), float(begun[0]) + 30.0) or refusing_level(calls, curve)
    if level is None:
        return Copies(tuple(_gone_idle(lives, calls)), INFERRED)
    per_copy = max(1, round(level / first))
    moment_s = began_s
    while (next_s := curve.first_above(per_copy * len(lives), usual_s, moment_s, math.inf)) is not None:
        moment_s = next_s
        lives.append(Life(moment_s))
    taken = "one copy" if first == 1 else f"{first} copies"
    note = f"the first refusals came with {level} calls carried, which is taken for {taken}"
    return Copies(tuple(_gone_idle(lives, calls)), INFERRED, per_copy, (note,))


def measured(points: Sequence[Point], calls: Calls) -> Copies:
    """Copies as the gauge says, their coming moved to where the load shows it within the gauge's minute.

    Args:
        points: by ascending time. A minute without one has as many copies as the one before; several such minutes in
            which no call was served have none: whether the gauge says 0 or nothing then is not documented.
        calls: what the run sent.
    """
    curve, usual_s = served_in_flight(calls), _usual_s(calls)
    lives: list[Life] = []
    alive: list[int] = []
    per_copy: int | None = None
    since_s = -math.inf

    def go(count: int, from_s: float, to_s: float) -> None:
        while len(alive) > count:
            place = alive.pop()
            gone_s = max(lives[place].from_s, (from_s + to_s) / 2)
            lives[place] = replace(lives[place], to_s=gone_s, to_span_s=(max(lives[place].from_s, from_s), to_s))

    served_s = calls.sent_s[calls.served]
    for place, point in enumerate(points):
        least, most, end_s = round(point.minimum), round(point.maximum), point.start_s + point.length_s
        if place == 0:  # these were up before anything is known
            alive += range(least)
            lives += [Life(min([point.start_s, *served_s[:1].tolist()])) for _ in range(least)]
        else:
            silent_s = points[place - 1].start_s + points[place - 1].length_s
            if point.start_s - silent_s >= _GAP_S and not ((served_s >= silent_s) & (served_s < point.start_s)).any():
                go(0, silent_s - point.length_s, silent_s + point.length_s)
        go(most, point.start_s - point.length_s, point.start_s)  # they went as the minute began
        came = len(alive) < most
        while len(alive) < most:
            before = len(alive)
            if before and per_copy is None and (level := refusing_level(calls, curve, since_s, end_s)) is not None:
                per_copy = max(1, round(level / before))
            life = _coming(calls, curve, point, before, per_copy, usual_s)
            since_s = life.from_s
            alive.append(len(lives))
            lives.append(life)
        # The least of the minute is what it began with, or, where the next minute has no more, what it ended with.
        ahead = round(points[place + 1].maximum) if place + 1 < len(points) else None
        if least < len(alive) and (ahead <= least if ahead is not None else not came):
            go(least, point.start_s, end_s)
    if per_copy is None and lives and (level := refusing_level(calls, curve)) is not None:
        per_copy = max(1, round(level / max(count for _, count in Copies(tuple(lives), MEASURED).steps())))
    oldest_first = _oldest_first(lives)
    return Copies(tuple(lives), MEASURED, per_copy, (), oldest_first if oldest_first != tuple(lives) else None)


def _oldest_first(lives: Sequence[Life]) -> tuple[Life, ...]:
    """The same comings and goings, the oldest copy that is there going each time."""
    goings = sorted((life.to_s, life.to_span_s) for life in lives if life.to_s is not None)
    changed = [replace(life, to_s=None, to_span_s=None) for life in lives]
    for to_s, to_span_s in goings:
        place = next(place for place, life in enumerate(changed) if life.to_s is None and life.from_s <= to_s)
        changed[place] = replace(changed[place], to_s=to_s, to_span_s=to_span_s)
    return tuple(changed)


def _coming(calls: Calls, curve: Curve, point: Point, before: int, per_copy: int | None, usual_s: float) -> Life:
    """When the next copy came, within the minute that the gauge names."""
    end_s = point.start_s + point.length_s
    span = (point.start_s, end_s)
    if before == 0:
        served = calls.sent_s[calls.served]
        first = served[(served >= point.start_s) & (served < end_s + point.length_s)]
        return Life(float(first[0]) if len(first) else end_s, None, span)
    if per_copy is not None:
        # The gauge may lag behind the first call by what passes between two of its samples.
        seen_s = curve.first_above(
            per_copy * before, usual_s, point.start_s - point.length_s / 4, end_s + point.length_s
        )
        if seen_s is not None:
            return Life(seen_s, None, (seen_s, seen_s))
    return Life((point.start_s + end_s) / 2, None, span)


def _usual_s(calls: Calls) -> float:
    """How long an answer usually takes. A surplus in flight is looked at over that long: the last byte of an answer
    reaches us a little after its place is free again, so that there may seem to be one call too many for an instant."""
    lengths = (calls.end_s - calls.sent_s)[calls.ok]
    return float(np.median(lengths)) if len(lengths) else 1.0


def _gone_idle(lives: list[Life], calls: Calls) -> list[Life]:
    """End copies where a pause was long enough and the next call found the model not ready; it came back with one."""
    refused = calls.sent_s[calls.not_ready]
    served_sent, served_end = calls.sent_s[calls.served], np.sort(calls.end_s[calls.served])
    ended = np.searchsorted(served_end, refused, side="right")
    for moment_s, before in zip(refused.tolist(), ended.tolist(), strict=True):
        if not before or moment_s - served_end[before - 1] < 1.0:
            continue
        gone_s = min(float(served_end[before - 1]) + IDLE_S, moment_s)
        if all(life.to_s is not None or life.from_s > gone_s for life in lives):
            continue
        lives = [replace(life, to_s=gone_s) if life.to_s is None and life.from_s <= gone_s else life for life in lives]
        again = int(np.searchsorted(served_sent, moment_s, side="right"))
        if again < len(served_sent) and not any(life.from_s >= moment_s for life in lives):
            lives.append(Life(float(served_sent[again])))
    return lives
