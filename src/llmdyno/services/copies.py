"""Model copies over time: what a count of copies is, and copies that the load alone shows. PURE.

In: calls. Out: the lifetime of each copy, with the bounds of its ends. It knows no service and no metric of a service.

A copy carries a limited number of calls at a time and refuses more. More calls at work than that are another copy; a
refusal with fewer at work than two copies carry shows that there is one. :mod:`llmdyno.services.flight` has the
reasoning. Where the load does not need a copy, it does not show it: such copies are told apart as possible ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from llmdyno.services.calls import Calls
from llmdyno.services.flight import Carries, Flight, Presence, alone, first_signs, flight_of, further, presences

INFERRED, GIVEN = "inferred from the load", "given"
UNKNOWN = "unknown: the endpoint is no imported model"
"""How copies are known. A service adds names of its own."""
_FIRST_REFUSALS_S = 30.0
"""Another copy does not come sooner than this after the first refusal: it has a model to load."""
DEFAULT_COPIES = 3
"""How many copies a model has at most, unless the load needs more: an account's quota that was not raised."""
_UP_BEFORE = "the model may have been up before the run, so there may have been more copies than the load shows"

Span = tuple[float, float]
"""The earliest and the latest time of a moment, seconds after the run's origin. Infinite: no bound is known."""


def bounded(span: Span) -> list[float | None]:
    """A span as JSON has it: None is no bound."""
    return [None if math.isinf(time_s) else time_s for time_s in span]


@dataclass(frozen=True, slots=True)
class CopyLifetime:
    """One copy: ready from `from_s` to `to_s` (None: still there at the end), seconds after the run's origin.

    Both are assumptions within `from_span_s` and `to_span_s`, which bound each moment. None: the moment is exact, or
    given by the user. A copy whose `to_s` is None may have a `to_span_s` all the same: it went after that time, if at
    all.
    """

    from_s: float
    to_s: float | None = None
    from_span_s: Span | None = None
    to_span_s: Span | None = None

    @property
    def came_s(self) -> Span:
        """Between when it came."""
        return self.from_span_s if self.from_span_s is not None else (self.from_s, self.from_s)

    @property
    def went_s(self) -> Span:
        """Between when it went; infinite: it did not go."""
        if self.to_span_s is not None:
            return self.to_span_s
        end_s = math.inf if self.to_s is None else self.to_s
        return end_s, end_s


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of a run, oldest first.

    `source` says how they are known. `calls_per_copy` is how many calls one copy carries, as refusals show (None: no
    refusal was seen), and `carries` bounds it. `notes` say what limits the result. Which copy goes when one goes is not
    known; the youngest is assumed. `possible` are copies that may have been there too: nothing needed them and nothing
    excludes them. `at_least`: there may have been even more.
    """

    lives: tuple[CopyLifetime, ...]
    source: str
    calls_per_copy: int | None = None
    notes: tuple[str, ...] = ()
    carries: tuple[int, int] | None = None
    possible: tuple[CopyLifetime, ...] = ()
    at_least: bool = False

    def at(self, time_s: float) -> int:
        """How many are ready at a time."""
        return sum(life.from_s <= time_s and (life.to_s is None or time_s < life.to_s) for life in self.lives)

    def mean(self, from_s: float, to_s: float) -> float:
        """How many are ready between two times, on average."""
        return _mean([(life.from_s, math.inf if life.to_s is None else life.to_s) for life in self.lives], from_s, to_s)

    def mean_span(self, from_s: float, to_s: float) -> tuple[float, float]:
        """The bounds of :meth:`mean`: with the copies that were surely there, and with all that may have been."""
        surely = [(life.came_s[1], life.went_s[0]) for life in self.lives]
        perhaps = [(life.came_s[0], life.went_s[1]) for life in (*self.lives, *self.possible)]
        return _mean(surely, from_s, to_s), _mean(perhaps, from_s, to_s)

    def steps(self) -> list[tuple[float, int]]:
        """(time in seconds, how many from then on) at each change, by ascending time."""
        times = {life.from_s for life in self.lives} | {life.to_s for life in self.lives if life.to_s is not None}
        return [(time_s, self.at(time_s)) for time_s in sorted(times)]

    def most(self, before_s: float = math.inf) -> int:
        """The largest count after any change before a time; 0: there was none."""
        return max((count for time_s, count in self.steps() if time_s < before_s), default=0)


NO_COPIES = Copies((), UNKNOWN)
"""Of an endpoint that is not known to have copies."""


def _mean(ready_s: Iterable[Span], from_s: float, to_s: float) -> float:
    """How many of some copies are ready between two times, on average; at `from_s`, if the times are the same."""
    if to_s <= from_s:
        return float(sum(begin_s <= from_s < end_s for begin_s, end_s in ready_s))
    inside = (min(to_s, end_s) - max(from_s, begin_s) for begin_s, end_s in ready_s)
    return sum(max(0.0, duration_s) for duration_s in inside) / (to_s - from_s)


def given(count: int, calls: Calls) -> Copies:
    """`count` copies during the whole run, because the user says so."""
    start_s = float(calls.sent_s[0]) if len(calls) else 0.0
    return Copies(tuple(CopyLifetime(start_s) for _ in range(count)), GIVEN)


def usual_level(flight: Flight, carried: Carries, least: Sequence[int] | None = None) -> int:
    """The best guess of what a copy carries, within its bounds: how many calls were most commonly at work when one was
    refused. `least`: the copies there were at each refusal; None: one."""
    counts = flight.at_most if least is None else flight.at_most // np.maximum(least, 1)
    inside = Counter(level for level in counts.tolist() if carried.least <= level <= carried.most)
    return inside.most_common(1)[0][0] if inside else carried.least


def inferred(calls: Calls, idle_s: float) -> Copies:
    """Copies from the load alone.

    Args:
        calls: what the run sent. Without a throttled call nothing shows how much a copy carries, and no further copy
            is seen.
        idle_s: after how long without a call the service scales to zero; infinite: it does not.
    """
    if not calls.served.any():
        return Copies((), INFERRED)
    flight = flight_of(calls)
    first = presences(first_signs(calls, flight))
    pauses = _pauses(calls, idle_s)
    lives = [_first_life(calls, one, pauses, idle_s) for one in first]
    possible = [_replaced(one, pause) for one in first for pause in pauses if _within(pause, one)]
    up_before = (_UP_BEFORE,) if first[0].came_s[0] == -math.inf else ()
    if not len(flight.refused_s):
        when = " while others were at work" if calls.throttled.any() else ""
        note = f"no call was throttled{when}, so the run does not show whether there was more than one copy"
        return Copies(tuple(lives), INFERRED, None, (note,), possible=tuple(possible), at_least=True)
    carried, _ = alone(flight, float(flight.refused_s[0]) + _FIRST_REFUSALS_S)
    assert carried is not None  # there are refusals
    carried, more = further(flight, carried)
    levels = {1: first, **more}
    lives += [further_life(one, flight.most_s) for level in more.values() for one in level]
    lives.sort(key=lambda life: life.from_s)
    possible += _possible(flight, carried, levels, idle_s)
    return Copies(
        tuple(lives),
        INFERRED,
        usual_level(flight, carried),
        (carries_note(carried), *up_before),
        carries=carried.bounds,
        possible=tuple(possible),
        at_least=bool(up_before),
    )


def carries_note(carried: Carries) -> str:
    """What a copy carries, as a note."""
    least, most = carried.bounds
    if carried.conflict:
        return f"the load contradicts itself on what a copy carries at once: {least} or {most} calls, or between them"
    if least == most:
        return f"one copy carries {most} call{'s' * (most != 1)} at once, as the refusals show"
    return f"one copy carries {least} to {most} calls at once, as the refusals show"


def _pauses(calls: Calls, idle_s: float) -> list[Span]:
    """Pauses in which the model may have gone cold: from the last byte of one call to the first byte of the next one
    that was served, if the model was idle long enough."""
    served = calls.only(calls.served)
    until_s = np.maximum.accumulate(served.end_s)
    index = np.flatnonzero(served.sent_s[1:] - until_s[:-1] >= idle_s)
    return list(zip(until_s[index].tolist(), served.first_s[index + 1].tolist(), strict=True))


def _within(pause: Span, one: Presence) -> bool:
    """Whether nothing shows that the copy went in a pause."""
    return one.came_s[1] < pause[1] and (one.went_s is None or pause[1] < one.went_s[0])


def _replaced(one: Presence, pause: Span) -> CopyLifetime:
    """The copy that may have come after a pause: the model may have gone cold, and the call may have waited for it."""
    end_s = math.inf if one.went_s is None else one.went_s[1]
    return CopyLifetime(pause[1], None, pause, (pause[1], end_s))


def _first_life(calls: Calls, one: Presence, pauses: Sequence[Span], idle_s: float) -> CopyLifetime:
    """The first copy of a time in which there was any. It is assumed to have come when its first call was sent, and to
    have gone `idle_s` after its last one."""
    sent_s = calls.sent_s[calls.served & (calls.first_s >= one.came_s[1])]
    from_s = min([one.came_s[1], *(max(time_s, one.came_s[0]) for time_s in sent_s[:1].tolist())])
    last_s = next((pause[0] for pause in pauses if _within(pause, one)), one.last_s)
    if one.went_s is None:
        return CopyLifetime(from_s, None, one.came_s, (last_s, math.inf))
    ends_s = calls.end_s[calls.served & (calls.first_s <= one.went_s[1])]
    gone_s = max(float(ends_s.max(initial=-math.inf)) + idle_s, one.went_s[0])
    return lifetime(from_s, one.came_s, gone_s, (last_s, one.went_s[1]))


def lifetime(from_s: float, came_s: Span, to_s: float, went_s: Span) -> CopyLifetime:
    """A copy that went, with moments assumed as near to `from_s` and `to_s` as their spans and their order allow."""
    from_s = min(max(from_s, came_s[0]), came_s[1])
    to_s = min(max(to_s, went_s[0]), went_s[1])
    if from_s > to_s:  # the spans overlap
        from_s = to_s = min(max(to_s, came_s[0]), came_s[1])
    return CopyLifetime(from_s, to_s, came_s, (went_s[0], max(went_s[1], to_s)))


def middle(span: Span) -> float:
    """The middle of a span; of one that is not bounded, the bound that it has."""
    low_s, high_s = span
    if math.isinf(low_s):
        return high_s
    return low_s if math.isinf(high_s) else (low_s + high_s) / 2


def further_life(one: Presence, most_s: float) -> CopyLifetime:
    """A further copy. The load's times are those of the way out, which may be up to `most_s` earlier than the
    service's. The moments are assumed in the middle of their spans."""
    came_s = (one.came_s[0], one.came_s[1] + most_s)
    if one.went_s is None:
        return CopyLifetime(middle(came_s), None, came_s, (one.last_s, math.inf))
    went_s = (one.went_s[0], one.went_s[1] + most_s)
    return lifetime(middle(came_s), came_s, middle(went_s), went_s)


def _possible(
    flight: Flight, carried: Carries, levels: dict[int, list[Presence]], idle_s: float
) -> Iterable[CopyLifetime]:
    """Copies that may have been there without being needed.

    Refusals ask for another copy, and only one at a time starts. So the last refusals may have brought one more, and a
    longer time without a refusal may have had one that came and went.
    """
    most = max(DEFAULT_COPIES, len(levels) + 1)
    for one in levels[1]:
        end_s = math.inf if one.went_s is None else one.went_s[1]
        here = (flight.refused_s >= one.came_s[0]) & (flight.refused_s <= end_s)
        since_s = -math.inf
        for level in range(2, most + 1):
            asked = here & (flight.refused_in_s >= since_s) & (flight.at_most >= (level - 1) * carried.least)
            if not asked.any():
                break
            excluded_s = flight.refused_s[here & (flight.at_most < level * carried.least)]
            seen = [copy for copy in levels.get(level, ()) if one.came_s[0] <= copy.came_s[1] <= end_s]
            start_s = max(float(flight.refused_s[asked][0]), *excluded_s[-1:].tolist(), since_s)
            yield from _between(excluded_s, seen, idle_s)
            if seen and seen[-1].last_s >= start_s:
                since_s = seen[-1].came_s[0]
                continue
            since_s = start_s
            yield CopyLifetime(start_s, None, (start_s, end_s), (start_s, end_s))


def _between(excluded_s: np.ndarray, seen: Sequence[Presence], idle_s: float) -> Iterable[CopyLifetime]:
    """Copies that may have come and gone between two moments that exclude them. A copy stays for `idle_s` at least."""
    for index in np.flatnonzero(np.diff(excluded_s) >= idle_s).tolist():
        from_s, to_s = float(excluded_s[index]), float(excluded_s[index + 1])
        if not any(from_s <= copy.came_s[1] <= to_s for copy in seen):
            yield CopyLifetime(from_s, to_s, (from_s, to_s), (from_s, to_s))
