"""Model copies over time: what a count of copies is, and copies that the load alone shows. PURE.

In: calls. Out: the lifetime of each copy, with how sure its ends are. It knows no service and no metric of a service.

A copy carries a limited number of calls at a time and refuses more. The time at which more calls are carried than
before is therefore the time at which another copy took its first call. We assume that a new copy takes a call at once.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from llmdyno.services.calls import Calls, Curve, served_in_flight

INFERRED, GIVEN = "inferred from the load", "given"
UNKNOWN = "unknown: the endpoint is no imported model"
"""How copies are known. A service adds names of its own."""
_FIRST_REFUSALS_S = 30.0
_SHORTEST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class CopyLifetime:
    """One copy: ready from `from_s` to `to_s` (None: still there at the end), seconds after the run's origin.

    `from_span_s` and `to_span_s` bound each end; None: the end is exact.
    """

    from_s: float
    to_s: float | None = None
    from_span_s: tuple[float, float] | None = None
    to_span_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of a run, oldest first.

    `source` says how they are known. `calls_per_copy` is how many calls one copy carried when it refused more (None:
    no refusal was seen). `notes` say what limits the result. `alternative` holds the lifetimes if the oldest copy goes
    first instead of the youngest (None: they are the same).
    """

    lives: tuple[CopyLifetime, ...]
    source: str
    calls_per_copy: int | None = None
    notes: tuple[str, ...] = ()
    alternative: tuple[CopyLifetime, ...] | None = None

    def at(self, time_s: float) -> int:
        """How many are ready at a time."""
        return sum(life.from_s <= time_s and (life.to_s is None or time_s < life.to_s) for life in self.lives)

    def mean(self, from_s: float, to_s: float) -> float:
        """How many are ready between two times, on average."""
        if to_s <= from_s:
            return float(self.at(from_s))
        inside = (
            min(to_s, math.inf if life.to_s is None else life.to_s) - max(from_s, life.from_s) for life in self.lives
        )
        return sum(max(0.0, duration_s) for duration_s in inside) / (to_s - from_s)

    def steps(self) -> list[tuple[float, int]]:
        """(time in seconds, how many from then on) at each change, by ascending time."""
        times = {life.from_s for life in self.lives} | {life.to_s for life in self.lives if life.to_s is not None}
        return [(time_s, self.at(time_s)) for time_s in sorted(times)]

    def most(self, before_s: float = math.inf) -> int:
        """The largest count after any change before a time; 0: there was none."""
        return max((count for time_s, count in self.steps() if time_s < before_s), default=0)


NO_COPIES = Copies((), UNKNOWN)
"""Of an endpoint that is not known to have copies."""


def given(count: int, calls: Calls) -> Copies:
    """`count` copies during the whole run, because the user says so."""
    start_s = float(calls.sent_s[0]) if len(calls) else 0.0
    return Copies(tuple(CopyLifetime(start_s) for _ in range(count)), GIVEN)


def refusing_level(calls: Calls, curve: Curve, from_s: float = -math.inf, to_s: float = math.inf) -> int | None:
    """How many calls were in flight, most commonly, when other calls were throttled in [from_s, to_s).

    None: no call was throttled while others were in flight.
    """
    refused = calls.sent_s[calls.throttled & (calls.sent_s >= from_s) & (calls.sent_s < to_s)]
    levels = Counter(level for level in (curve.at(float(time_s)) for time_s in refused) if level > 0)
    return levels.most_common(1)[0][0] if levels else None


def inferred(calls: Calls, idle_s: float, first: int = 1) -> Copies:
    """Copies from the load alone.

    Args:
        calls: what the run sent. Without a throttled call nothing shows how much a copy carries, and no further copy
            is seen.
        idle_s: after how long without a call the service scales to zero; infinite: it does not.
        first: how many copies there were at the beginning.
    """
    served = np.flatnonzero(calls.served)
    if not len(served):
        return Copies((), INFERRED)
    curve = served_in_flight(calls)
    began_s = float(calls.sent_s[served[0]])
    lives = [CopyLifetime(began_s) for _ in range(first)]
    refused_s = calls.sent_s[calls.throttled]
    if not len(refused_s):
        note = "no call was throttled, so the run does not show whether there was more than one copy"
        return Copies(tuple(_ended_by_idling(lives, calls, idle_s)), INFERRED, None, (note,) if first == 1 else ())
    # The first refusals show what the first copies carry: another copy takes longer than that to come.
    first_s = float(refused_s[0])
    level = refusing_level(calls, curve, first_s, first_s + _FIRST_REFUSALS_S) or refusing_level(calls, curve)
    if level is None:
        return Copies(tuple(_ended_by_idling(lives, calls, idle_s)), INFERRED)
    per_copy = max(1, round(level / first))
    usual_s, time_s = usual_duration_s(calls), began_s
    while (next_s := curve.first_above(per_copy * len(lives), usual_s, time_s, math.inf)) is not None:
        time_s = next_s
        lives.append(CopyLifetime(time_s))
    owner = "one copy" if first == 1 else f"{first} copies"
    note = f"the first refusals came with {level} calls in flight; that is taken as the limit of {owner}"
    return Copies(tuple(_ended_by_idling(lives, calls, idle_s)), INFERRED, per_copy, (note,))


def usual_duration_s(calls: Calls) -> float:
    """The median duration of an answer, seconds; 1 if there was none.

    A surplus of calls in flight must last this long to count. The last byte of an answer reaches us a little after its
    slot is free again, so the count can be one too high for an instant.
    """
    durations_s = (calls.end_s - calls.sent_s)[calls.ok]
    return float(np.median(durations_s)) if len(durations_s) else 1.0


def _ended_by_idling(lives: list[CopyLifetime], calls: Calls, idle_s: float) -> list[CopyLifetime]:
    """End the copies where the next call after a pause found the model not ready. It came back with one copy."""
    refused = calls.sent_s[calls.not_ready]
    served_sent, served_end = calls.sent_s[calls.served], np.sort(calls.end_s[calls.served])
    ended = np.searchsorted(served_end, refused, side="right")
    for time_s, before in zip(refused.tolist(), ended.tolist(), strict=True):
        if not before or time_s - served_end[before - 1] < _SHORTEST_PAUSE_S:
            continue
        gone_s = min(float(served_end[before - 1]) + idle_s, time_s)
        if all(life.to_s is not None or life.from_s > gone_s for life in lives):
            continue
        lives = [replace(life, to_s=gone_s) if life.to_s is None and life.from_s <= gone_s else life for life in lives]
        again = int(np.searchsorted(served_sent, time_s, side="right"))
        if again < len(served_sent) and not any(life.from_s >= time_s for life in lives):
            lives.append(CopyLifetime(float(served_sent[again])))
    return lives
