"""What the load proves about copies: how many calls were at work, at most and at least, and what that says. PURE.

In: calls. Out: bounds at the moment of each refusal and over time, what one copy carries, and from when to when a copy
was there. It knows no metric and no service.

The service decides on a call and is done with it between our two stamps, and we cannot see when. So all times here are
those of the *way out*: the moment at which a call that the fastest way brings to the service would have left us. A call
that is sent at t is decided on in [t, t + spread]. An answer that ends here at t ended there in [t − most, t − least],
which are the bounds of the round trip. The service's own time is later than these by at most a round trip.

A copy carries a limited number of calls c at a time, and n copies refuse a call only if n × c are at work. Hence every
refusal says n × c ≤ the most that may have been at work, and every moment says n × c ≥ what was surely at work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmdyno.services.calls import Bools, Calls, Curve, Floats, curve_of

Counts = NDArray[np.int64]
_SHORTEST_PAUSE_S = 1.0
"""A model that is not ready so soon after an answer has not gone: the call met a copy that was starting."""


_SHORTEST_LIFE_S = 30.0
"""A further copy does not come and go within this long: it would have been loaded for nothing."""
_MOST_LEVELS = 64


class Carries(NamedTuple):
    """How many calls one copy carries: at least and at most. `conflict`: the load contradicted itself, and the bounds
    are wide enough for all of it."""

    least: int
    most: int
    conflict: bool = False

    @property
    def bounds(self) -> tuple[int, int]:
        """Both, without the rest."""
        return self.least, self.most


@dataclass(frozen=True)
class Flight:
    """Calls at work at the service.

    `refused_s`: when calls were throttled while others were at work; `refused_in_s`: until when the service may have
    decided that; `at_most`: how many may have been at work then; each of shape (refusals,). `sure`: how many were
    surely at work, over time. `cold_s`, `cold_in_s`: between when the model was not ready, and so had no copy; of shape
    (attempts,). `spread_s`, `most_s`: of the round trip.
    """

    refused_s: Floats
    refused_in_s: Floats
    at_most: Counts
    sure: Curve
    cold_s: Floats
    cold_in_s: Floats
    spread_s: float
    most_s: float

    def mostly(self) -> int:
        """The most that was surely at work."""
        return int(self.sure.count.max(initial=0))


def flight_of(calls: Calls) -> Flight:
    """What the calls of a run prove."""
    spread_s, (least_s, most_s) = calls.round_trip.spread_s, calls.round_trip
    begin_s, until_s = sure_spans(calls)
    refused = np.flatnonzero(calls.throttled)
    refused_s = calls.sent_s[refused]
    in_s = np.minimum(refused_s + spread_s, np.maximum(calls.first_s[refused] - least_s, refused_s))
    work = calls.at_work
    begun = np.sort(calls.sent_s[work])
    # We do not know when the service is done with a call that we gave up.
    ended = np.sort(np.where(calls.ok[work], calls.end_s[work] - least_s, calls.end_s[work] + most_s))
    at_most = np.searchsorted(begun, in_s, side="right") - np.searchsorted(ended, refused_s, side="left")
    loaded = at_most > 0
    cold = _cold(calls)
    return Flight(
        refused_s[loaded],
        in_s[loaded],
        at_most[loaded],
        curve_of(begin_s, until_s),
        calls.sent_s[cold],
        calls.sent_s[cold] + spread_s,
        spread_s,
        most_s,
    )


def sure_spans(calls: Calls) -> tuple[Floats, Floats]:
    """From when to when each complete call was surely at work, shape (calls that were so for any time,).

    The first byte of an answer proves that a copy took the call. A call that was sent before any copy answered may have
    waited for one, beyond what a copy carries, and is left out.
    """
    begin_s, until_s = work_spans(calls)
    sure = calls.ok & (begin_s < until_s) & ~_waited(calls)
    return begin_s[sure], until_s[sure]


def work_spans(calls: Calls) -> tuple[Floats, Floats]:
    """From when to when each call was at work at least, if it is complete and the second is later. Shape (calls,)."""
    least_s, most_s = calls.round_trip
    return np.maximum(calls.sent_s, calls.first_s - least_s), calls.end_s - most_s


def _waited(calls: Calls) -> Bools:
    """Which calls were sent when nothing had answered yet since the model was last not ready. Shape (calls,)."""
    firsts = np.sort(calls.first_s[calls.served])
    cold_s = calls.sent_s[_after_a_pause(calls)]
    since_s = np.concatenate([[-np.inf], cold_s])[np.searchsorted(cold_s, calls.sent_s, side="right")]
    answered = np.searchsorted(firsts, calls.sent_s, side="right") - np.searchsorted(firsts, since_s, side="right")
    return np.asarray(answered == 0)


def _after_a_pause(calls: Calls) -> NDArray[np.int64]:
    """Which calls met a model that was not ready, and followed no answer closely. Indices of calls."""
    found = np.flatnonzero(calls.not_ready)
    ends = np.sort(calls.end_s[calls.served])
    last_s = np.concatenate([[-np.inf], ends])[np.searchsorted(ends, calls.sent_s[found], side="right")]
    return np.asarray(found[calls.sent_s[found] - last_s >= _SHORTEST_PAUSE_S])


def _cold(calls: Calls) -> NDArray[np.int64]:
    """Which refusals show that there was no copy at all, as indices of calls.

    A call can also be refused because it met a copy in its start-up while others served.
    """
    found = _after_a_pause(calls)
    sent_s = calls.sent_s[found]
    begin_s, until_s = (np.sort(side[calls.served]) for side in work_spans(calls))
    under_way = np.searchsorted(begin_s, sent_s, side="right") - np.searchsorted(until_s, sent_s, side="right")
    return np.asarray(found[under_way <= 0])


def carries(flight: Flight, least: Counts, most: Floats) -> Carries | None:
    """How many calls one copy carries; None: no refusal shows it.

    Args:
        flight: the calls.
        least: how many copies there were at each refusal at least, shape (refusals,).
        most: how many there were from each change of `flight.sure` on, at most; infinite: unknown. Shape (changes,).
    """
    if not len(flight.refused_s):
        return None
    high = max(1, int((flight.at_most // np.maximum(least, 1)).min()))
    known = np.isfinite(most) & (most >= 1)
    low = max(1, int(np.ceil(flight.sure.count[known] / most[known]).max(initial=1)))
    return Carries(low, high) if low <= high else Carries(high, low, True)


class Presence(NamedTuple):
    """A time during which a copy was there. It came in `came_s` and went in `went_s` (None: it was still there when it
    was last needed or seen, which is at `last_s`). Infinite: no bound."""

    came_s: tuple[float, float]
    last_s: float
    went_s: tuple[float, float] | None


class Signs(NamedTuple):
    """Signs that a copy was there or not, in the order of time, each of shape (signs,). It was so `by_s` at the latest
    and still `until_s` at least."""

    there: Bools
    by_s: Floats
    until_s: Floats


def presences(signs: Signs) -> list[Presence]:
    """When a copy was there, from the signs: it came between the last sign without it and the first one with it."""
    change = np.flatnonzero(np.diff(signs.there.astype(np.int8), prepend=-1) != 0)
    found = []
    for number, start in enumerate(change.tolist()):
        if not signs.there[start]:
            continue
        after = int(change[number + 1]) if number + 1 < len(change) else None
        before_s = float(signs.until_s[start - 1]) if start else -np.inf
        last_s = float(signs.until_s[(after if after is not None else len(signs.there)) - 1])
        went_s = None if after is None else (last_s, float(signs.by_s[after]))
        found.append(Presence((before_s, float(signs.by_s[start])), last_s, went_s))
    return found


def signs_of(flight: Flight, level: int, carried: Carries) -> Signs:
    """The signs of the copy number `level` (from 2 on): it is there when more calls are surely at work than the others
    carry; it is not when a call is refused with fewer at work than it and the others carry."""
    needed = np.flatnonzero(flight.sure.count > (level - 1) * carried.most)
    later_s = np.append(flight.sure.time_s, np.inf)
    few = flight.at_most < level * carried.least
    there_s = np.concatenate([flight.sure.time_s[needed], later_s[needed + 1]])
    by_s = np.concatenate([there_s, flight.refused_in_s[few], flight.cold_in_s])
    until_s = np.concatenate([there_s, flight.refused_s[few], flight.cold_s])
    there = np.arange(len(by_s)) < len(there_s)
    order = np.lexsort((there, until_s))
    return Signs(there[order], by_s[order], until_s[order])


def further(flight: Flight, carried: Carries) -> tuple[Carries, dict[int, list[Presence]]]:
    """When the further copies were there, by level from 2 on, as the load shows it.

    If a copy seems to come and go at once, the bounds of what a copy carries are too narrow: answers may take longer to
    reach us than refusals. They are widened until no copy does.
    """
    while True:
        most = min(_MOST_LEVELS, -(-flight.mostly() // carried.most))
        found = {level: presences(signs_of(flight, level, carried)) for level in range(2, most + 1)}
        if not any(_brief(one) for level in found.values() for one in level):
            return carried, found
        carried = Carries(max(1, carried.least - 1), carried.most + 1, True)


def _brief(one: Presence) -> bool:
    return one.went_s is not None and one.went_s[1] - one.came_s[0] < _SHORTEST_LIFE_S


def first_signs(calls: Calls, flight: Flight) -> Signs:
    """The signs of any copy: answers, and attempts that met a cold model. These times are the service's own."""
    first_s = calls.first_s[calls.served]
    last_s = np.maximum(first_s, calls.end_s[calls.served] - flight.most_s)
    by_s = np.concatenate([first_s, last_s, flight.cold_s + flight.most_s])
    until_s = np.concatenate([first_s, last_s, flight.cold_s])
    there = np.arange(len(by_s)) < 2 * len(first_s)
    order = np.lexsort((there, until_s))
    return Signs(there[order], by_s[order], until_s[order])


def alone(flight: Flight, soon_s: float) -> tuple[Carries | None, float]:
    """What a copy carries if there is one copy at first, and until when there is surely no other one.

    There is one until `soon_s`, and until the last refusal that is too early for two, before the load needs two. The
    longer there is one, the more it shows of what it carries.
    """
    until_s = soon_s
    least = np.ones(len(flight.refused_s), np.int64)
    while True:
        carried = carries(flight, least, np.where(flight.sure.time_s <= until_s, 1.0, np.inf))
        if carried is None:
            return None, until_s
        more = np.flatnonzero(flight.sure.count > carried.most)
        needed_s = flight.sure.time_s[more[0]] if len(more) else np.inf
        early = flight.refused_s[(flight.at_most < 2 * carried.least) & (flight.refused_s < needed_s)]
        if not len(early) or early[-1] <= until_s:
            return carried, until_s
        until_s = float(early[-1])
