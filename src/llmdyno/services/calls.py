"""What a run asked of a model, in the service's own time. PURE.

In: a timeline and the speed of the endpoint (1 for a real one; an emulator may run faster). Out: calls, seconds after
the run's origin at real speed, warm-up and attempts on a cold model among them: all of them are billed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmdyno.protocols.bedrock import NOT_READY, REFUSED_STATUS, THROTTLED
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import OK

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calls:
    """Calls that were sent, sorted by their sends; all of shape (calls,).

    `sent_s`, `end_s`: seconds. `ok`: answered whole. `served`: a copy worked on it, be it in vain. `throttled`,
    `not_ready`: refused for that reason.
    """

    sent_s: Floats
    end_s: Floats
    ok: NDArray[np.bool_]
    served: NDArray[np.bool_]
    throttled: NDArray[np.bool_]
    not_ready: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.sent_s)


def calls_of(timeline: Timeline, speed: float = 1.0) -> Calls:
    """A timeline's calls; spans are `speed` times as long as they were measured."""
    requests = timeline.requests
    keep = np.flatnonzero((requests["sent_ns"] != MISSING) & (requests["end_ns"] != MISSING))
    keep = keep[np.argsort(requests["sent_ns"][keep], kind="stable")]
    status, error = requests["http_status"][keep], requests["error_type"][keep]
    ok = np.asarray(requests["state"][keep] == OK, bool)
    not_ready = np.asarray(error == NOT_READY, bool)
    refused = status == REFUSED_STATUS
    return Calls(
        sent_s=requests["sent_ns"][keep] / 1e9 * speed,
        end_s=requests["end_ns"][keep] / 1e9 * speed,
        ok=ok,
        served=ok | ((status >= 200) & (status < 300)),
        throttled=(refused | np.asarray(error == THROTTLED, bool)) & ~not_ready & ~((status >= 200) & (status < 300)),
        not_ready=not_ready,
    )


@dataclass(frozen=True)
class Curve:
    """How many served calls were in flight: `count[i]` from `moment_s[i]` on, until the next moment."""

    moment_s: Floats
    count: NDArray[np.int64]

    def at(self, moment_s: float) -> int:
        """The count just before a moment."""
        place = int(np.searchsorted(self.moment_s, moment_s, side="left")) - 1
        return int(self.count[place]) if place >= 0 else 0

    def first_above(self, level: int, over_s: float, from_s: float, to_s: float) -> float | None:
        """When, between two moments, the count first went above a level and stayed nearer to the next one than to it,
        on average over a span: what is above it for an instant only is no rise."""
        rises = np.flatnonzero((self.count > level) & (np.concatenate([[0], self.count[:-1]]) <= level))
        begin_s = self.moment_s[rises]
        inside = (begin_s >= from_s) & (begin_s <= to_s)
        begin_s = begin_s[inside]
        if not len(begin_s):
            return None
        area = np.concatenate([[0.0], np.cumsum(np.diff(self.moment_s) * self.count[:-1])])
        end_s = np.minimum(begin_s + over_s, self.moment_s[-1])
        span_s = np.maximum(end_s - begin_s, 1e-9)
        mean = (np.interp(end_s, self.moment_s, area) - np.interp(begin_s, self.moment_s, area)) / span_s
        found = np.flatnonzero(mean > level + 0.5)
        return float(begin_s[found[0]]) if len(found) else None


def served_in_flight(calls: Calls) -> Curve:
    """The curve of served calls."""
    sent, end = calls.sent_s[calls.served], calls.end_s[calls.served]
    moments = np.concatenate([end, sent])
    steps = np.concatenate([np.full(len(end), -1), np.full(len(sent), 1)])
    order = np.lexsort((steps, moments))
    return Curve(moments[order], np.cumsum(steps[order]))
