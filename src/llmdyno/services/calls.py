"""What a run asked of a model, in the service's own time. PURE.

In: a timeline, how the service refuses, and the speed of the endpoint (1 for a real one; an emulator may run faster).
Out: every call that was sent. Warm-up calls and attempts on a cold model are included, because they are billed too.
Times are seconds after the run's origin at real speed, and they are ours: the service has a call a little after we send
it, and is done with it a little before we have its last byte. It knows no service by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmdyno.protocols.dialect import Refusals
from llmdyno.timeline.columns import MISSING, Column, Timeline
from llmdyno.timeline.record import OK

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SHARE, _NOISE_S = 0.1, 0.002
"""What is added to and taken off a round trip that was seen: a share of it, and seconds of our own clock for what the
two hosts take to notice a packet."""
_LONGEST_SEEN = 99.0
"""The percentile of the durations that counts as the longest: one packet that was lost is no round trip."""


class RoundTrip(NamedTuple):
    """How long a call and its answer are on their way between us and the service, both ways together: at least and at
    most, seconds at real speed."""

    least_s: float
    most_s: float

    @property
    def spread_s(self) -> float:
        """How much a call may be faster than another one, seconds."""
        return self.most_s - self.least_s


@dataclass(frozen=True)
class Calls:
    """Calls that were sent, sorted by send time. Every array has the shape (calls,).

    `sent_s`, `first_s`, `end_s`: when it was sent, when the first byte of its answer came, and when the last one came,
    seconds; without a byte the last two are the same. `ok`: the answer was complete. `served`: a copy worked on the
    call, even if the answer failed. `throttled`, `not_ready`: the service refused the call for that reason.
    `round_trip`: how much of these times is the way. `unanswered`: no status came, for example because our timeout
    ended the call (None: there is no such call).
    """

    sent_s: Floats
    first_s: Floats
    end_s: Floats
    ok: Bools
    served: Bools
    throttled: Bools
    not_ready: Bools
    round_trip: RoundTrip
    unanswered: Bools | None = None

    def __len__(self) -> int:
        return len(self.sent_s)

    def only(self, mask: Bools) -> Calls:
        """The calls for which `mask` (shape (calls,)) holds."""
        return Calls(
            self.sent_s[mask],
            self.first_s[mask],
            self.end_s[mask],
            self.ok[mask],
            self.served[mask],
            self.throttled[mask],
            self.not_ready[mask],
            self.round_trip,
            None if self.unanswered is None else self.unanswered[mask],
        )

    @property
    def at_work(self) -> Bools:
        """Which calls a copy may have worked on: all but the refused ones."""
        return ~(self.throttled | self.not_ready)

    @property
    def may_have_succeeded(self) -> Bools:
        """Which calls may be successes in the service's eyes: also those whose end we did not see."""
        return self.served if self.unanswered is None else self.served | self.unanswered


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
    throttled &= ~not_ready & ~accepted
    sent, first, served = requests["sent_ns"][keep], _first_ns(timeline)[keep], ok | accepted
    took_s = (first - sent) / 1e9
    opened = (requests["connect_start_ns"] != MISSING) & (requests["connected_ns"] != MISSING)
    connects = (requests["connected_ns"] - requests["connect_start_ns"])[opened]
    return Calls(
        sent_s=sent / 1e9 * speed,
        first_s=first / 1e9 * speed,
        end_s=requests["end_ns"][keep] / 1e9 * speed,
        ok=ok,
        served=served,
        throttled=throttled,
        not_ready=not_ready,
        round_trip=round_trip(took_s[throttled | not_ready], connects / 1e9, took_s[served], speed),
        unanswered=~ok & (status == MISSING),
    )


def _first_ns(timeline: Timeline) -> Column:
    """When the first byte of each answer came, or its first chunk, or its end, ns; shape (requests,)."""
    first = timeline.requests["headers_ns"].copy()
    arrivals, begin = timeline.chunks["arrival_ns"], timeline.first_chunk
    found = (first == MISSING) & (np.diff(begin) > 0)
    first[found] = arrivals[begin[:-1][found]]
    end = timeline.requests["end_ns"]
    return np.where(first == MISSING, end, np.minimum(first, end))


def round_trip(refused_s: Floats, connect_s: Floats, heads_s: Floats, speed: float = 1.0) -> RoundTrip:
    """How long the way takes, from what a run saw.

    A refusal takes a round trip and next to no work, so the way takes about as long as the refusals did. Connecting
    takes a round trip too, but it may end at a proxy. Without a refusal, the way may take nothing, and at most as long
    as the fastest answer took to begin.

    Args:
        refused_s, connect_s, heads_s: how long each refusal, each connect and the first byte of each call took, in
            seconds of our clock; any shape (n,), also empty.
        speed: how many times faster than ours the service's clock runs.
    """
    longest = [float(np.percentile(part, _LONGEST_SEEN)) for part in (refused_s, connect_s) if len(part)]
    least = float(refused_s.min()) if len(refused_s) else 0.0
    if not len(refused_s) and len(heads_s):
        longest.append(float(heads_s.min()))
    most = max(longest, default=0.0)
    least_s = max(0.0, least * (1 - _SHARE) - _NOISE_S)
    return RoundTrip(least_s * speed, (most * (1 + _SHARE) + _NOISE_S) * speed)


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

    def _area(self) -> Floats:
        """The integral of the count up to each change, call-seconds."""
        return np.concatenate([[0.0], np.cumsum(np.diff(self.time_s) * self.count[:-1])])


def curve_of(start_s: Floats, end_s: Floats) -> Curve:
    """How many of some spans hold at a time. At equal times an end comes before a start. Arrays have the shape (n,)."""
    times = np.concatenate([end_s, start_s])
    steps = np.concatenate([np.full(len(end_s), -1), np.full(len(start_s), 1)])
    order = np.lexsort((steps, times))
    return Curve(times[order], np.cumsum(steps[order]))


def served_in_flight(calls: Calls) -> Curve:
    """The curve of served calls, between our send and our last byte."""
    return curve_of(calls.sent_s[calls.served], calls.end_s[calls.served])
