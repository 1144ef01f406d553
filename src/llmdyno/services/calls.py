"""What a run asked of a model, in the service's own time. PURE.

In: a timeline, how the service refuses, and the speed of the endpoint (1 for a real one; an emulator may run faster).
Out: every call that was sent. Warm-up calls and attempts on a cold model are included, because they are billed too.
Times are seconds after the run's origin at real speed. It knows no service by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmdyno.protocols.dialect import Refusals
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import OK

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SHORTEST_S = 1e-9
"""Keeps a mean over an empty span finite."""


@dataclass(frozen=True)
class Calls:
    """Calls that were sent, sorted by send time. Every array has the shape (calls,).

    `sent_s`, `end_s`: seconds. `ok`: the answer was complete. `served`: a copy worked on the call, even if the answer
    failed. `throttled`, `not_ready`: the service refused the call for that reason.
    """

    sent_s: Floats
    end_s: Floats
    ok: Bools
    served: Bools
    throttled: Bools
    not_ready: Bools

    def __len__(self) -> int:
        return len(self.sent_s)


def calls_of(timeline: Timeline, refusals: Refusals, speed: float = 1.0) -> Calls:
    """The calls of a timeline; times are `speed` times the measured ones.

    A status of success wins over an error name: a copy that fails in the middle of a stream did work on the call.
    """
    requests = timeline.requests
    keep = np.flatnonzero((requests["sent_ns"] != MISSING) & (requests["end_ns"] != MISSING))
    keep = keep[np.argsort(requests["sent_ns"][keep], kind="stable")]
    status, errors = requests["http_status"][keep], requests["error_type"][keep].tolist()
    ok = np.asarray(requests["state"][keep] == OK, bool)
    accepted = (status >= 200) & (status < 300)
    not_ready = np.array([error in refusals.not_ready for error in errors], bool)
    throttled = np.array([error in refusals.throttled for error in errors], bool) | np.isin(
        status, list(refusals.statuses)
    )
    return Calls(
        sent_s=requests["sent_ns"][keep] / 1e9 * speed,
        end_s=requests["end_ns"][keep] / 1e9 * speed,
        ok=ok,
        served=ok | accepted,
        throttled=throttled & ~not_ready & ~accepted,
        not_ready=not_ready,
    )


@dataclass(frozen=True)
class Curve:
    """How many served calls were in flight: `count[i]` from `time_s[i]` until the next time. Shape (changes,)."""

    time_s: Floats
    count: NDArray[np.int64]

    def at(self, time_s: float) -> int:
        """The count just before a time."""
        index = int(np.searchsorted(self.time_s, time_s, side="left")) - 1
        return int(self.count[index]) if index >= 0 else 0

    def call_seconds(self, edges_s: Floats) -> Floats:
        """The integral of the count between consecutive edges; edges ascend, shape (n + 1,); the result is (n,)."""
        return np.diff(np.interp(edges_s, self.time_s, self._area()))

    def first_above(self, level: int, over_s: float, from_s: float, to_s: float) -> float | None:
        """The first time in [from_s, to_s] at which the count rises above `level` and stays there.

        It stays there if the mean over the next `over_s` seconds is above `level` + 0.5. A shorter peak does not
        count. None: there is no such time.
        """
        rises = np.flatnonzero((self.count > level) & (np.concatenate([[0], self.count[:-1]]) <= level))
        begin_s = self.time_s[rises]
        begin_s = begin_s[(begin_s >= from_s) & (begin_s <= to_s)]
        if not len(begin_s):
            return None
        area = self._area()
        end_s = np.minimum(begin_s + over_s, self.time_s[-1])
        span_s = np.maximum(end_s - begin_s, _SHORTEST_S)
        mean = (np.interp(end_s, self.time_s, area) - np.interp(begin_s, self.time_s, area)) / span_s
        found = np.flatnonzero(mean > level + 0.5)
        return float(begin_s[found[0]]) if len(found) else None

    def _area(self) -> Floats:
        """The integral of the count up to each change, call-seconds."""
        return np.concatenate([[0.0], np.cumsum(np.diff(self.time_s) * self.count[:-1])])


def served_in_flight(calls: Calls) -> Curve:
    """The curve of served calls. At equal times an end comes before a send."""
    sent, end = calls.sent_s[calls.served], calls.end_s[calls.served]
    times = np.concatenate([end, sent])
    steps = np.concatenate([np.full(len(end), -1), np.full(len(sent), 1)])
    order = np.lexsort((steps, times))
    return Curve(times[order], np.cumsum(steps[order]))
