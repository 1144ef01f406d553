"""How many requests were in flight, and the window in which the load was steady.

It takes a timeline. It gives the in-flight curve, the steady window without ramp-up and drain, and the whole window.
It does not know which load was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmdyno.timeline.columns import MISSING, Timeline


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the run, in seconds after its origin."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return self.end_s - self.start_s


def in_flight(timeline: Timeline) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The in-flight curve: times in seconds, ascending, and how many requests were in flight from each time on.

    Both arrays have the shape (2 × requests that were sent and ended,).
    """
    sent, end = timeline.requests["sent_ns"], timeline.requests["end_ns"]
    known = (sent != MISSING) & (end != MISSING)
    times = np.concatenate([sent[known], end[known]])
    steps = np.concatenate([np.ones(known.sum(), np.int64), -np.ones(known.sum(), np.int64)])
    # At equal times an end comes first: a user's next request does not overlap the one before.
    order = np.lexsort((steps, times))
    return times[order] / 1e9, np.cumsum(steps[order])


def peak_in_flight(timeline: Timeline) -> int:
    """The largest number of requests in flight at once; 0 for an empty timeline."""
    _, curve = in_flight(timeline)
    return int(curve.max(initial=0))


LEAST_STEADY_SHARE = 0.1
"""A window shorter than this share of the run is no steady state: the peak was only touched, as under throttling."""


def steady_window(timeline: Timeline) -> Window | None:
    """The window in which the load was steady; None if that is no more than a tenth of the run.

    Closed loop: from first reaching the highest concurrency to last leaving it. Open loop: from first having the
    median number of requests in flight to the last send; what follows is drain.
    """
    times_s, curve = in_flight(timeline)
    if len(times_s) < 2:
        return None
    if (timeline.requests["planned_ns"] != MISSING).any():
        sent = timeline.requests["sent_ns"]
        start_s = float(times_s[np.flatnonzero(curve >= _median_in_flight(times_s, curve))[0]])
        end_s = float(sent[sent != MISSING].max() / 1e9)
    else:
        at_peak = np.flatnonzero(curve == curve.max())
        if at_peak[-1] + 1 == len(times_s):  # no request took any time
            return None
        start_s, end_s = float(times_s[at_peak[0]]), float(times_s[at_peak[-1] + 1])
    enough = end_s - start_s > LEAST_STEADY_SHARE * (times_s[-1] - times_s[0])
    return Window(start_s, end_s) if enough else None


def _median_in_flight(times_s: NDArray[np.float64], curve: NDArray[np.int64]) -> int:
    """The number in flight that at least half of the time was not exceeded."""
    spans = np.diff(times_s)
    order = np.argsort(curve[:-1], kind="stable")
    middle = int(np.searchsorted(np.cumsum(spans[order]), spans.sum() / 2))
    return int(curve[:-1][order][min(middle, len(order) - 1)])


def whole_window(timeline: Timeline) -> Window | None:
    """From the first send to the last end; None if nothing was sent."""
    sent, end = timeline.requests["sent_ns"], timeline.requests["end_ns"]
    sent, end = sent[sent != MISSING], end[end != MISSING]
    if not len(sent) or not len(end) or end.max() <= sent.min():
        return None
    return Window(float(sent.min()) / 1e9, float(end.max()) / 1e9)
