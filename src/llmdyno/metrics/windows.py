"""How many requests were in flight, and the window in which the load stood.

In: a timeline. Out: the in-flight curve and its steady window: from the moment the run's highest
concurrency was first reached to the moment it was last left, so that ramp-up and drain are outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmdyno.timeline.columns import MISSING, Timeline


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the run, in seconds after its origin."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.start_s


def in_flight(timeline: Timeline) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The in-flight curve: moments in seconds, ascending, and how many requests were in flight from each on."""
    sent, end = timeline.requests["sent_ns"], timeline.requests["end_ns"]
    known = (sent != MISSING) & (end != MISSING)
    moments = np.concatenate([sent[known], end[known]])
    steps = np.concatenate([np.ones(known.sum(), np.int64), -np.ones(known.sum(), np.int64)])
    # At equal moments an end comes first: a user's next request does not overlap the one before.
    order = np.lexsort((steps, moments))
    return moments[order] / 1e9, np.cumsum(steps[order])


def peak_in_flight(timeline: Timeline) -> int:
    """The most requests that were in flight at once; 0 for an empty timeline."""
    _, curve = in_flight(timeline)
    return int(curve.max(initial=0))


LEAST_STEADY_SHARE = 0.1
"""A window shorter than this share of the run is no steady state: a peak that was only touched, as under throttling."""


def steady_window(timeline: Timeline) -> Window | None:
    """The window in which the load stood; None where that is no tenth of the run.

    Closed loop: from first reaching the highest concurrency to last leaving it. Open loop: from first having as many
    requests in flight as at the median instant, to the last send: what follows is drain.
    """
    moments, curve = in_flight(timeline)
    if len(moments) > 1 and (timeline.requests["planned_ns"] != MISSING).any():
        spans = np.diff(moments)
        order = np.argsort(curve[:-1], kind="stable")
        middle = np.searchsorted(np.cumsum(spans[order]), spans.sum() / 2)
        usual = curve[:-1][order][min(int(middle), len(order) - 1)]
        sent = timeline.requests["sent_ns"]
        start, end = float(moments[np.flatnonzero(curve >= usual)[0]]), float(sent[sent != MISSING].max() / 1e9)
        return Window(start, end) if end - start > LEAST_STEADY_SHARE * (moments[-1] - moments[0]) else None
    at_peak = np.flatnonzero(curve == curve.max(initial=0))
    if not len(at_peak) or at_peak[-1] + 1 >= len(moments):
        return None
    start, end = float(moments[at_peak[0]]), float(moments[at_peak[-1] + 1])
    return Window(start, end) if end - start > LEAST_STEADY_SHARE * (moments[-1] - moments[0]) else None


def whole_window(timeline: Timeline) -> Window | None:
    """From the first send to the last end; None where nothing was sent."""
    sent, end = timeline.requests["sent_ns"], timeline.requests["end_ns"]
    sent, end = sent[sent != MISSING], end[end != MISSING]
    if not len(sent) or not len(end) or end.max() <= sent.min():
        return None
    return Window(float(sent.min()) / 1e9, float(end.max()) / 1e9)
