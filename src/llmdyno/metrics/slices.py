"""A run over time: its figures in slices, so that drift, scaling and throttling show.

It takes a timeline, the figures of its requests and the tokens of its chunks. It gives an entry for each slice. A
request counts in the slice in which it was sent (sends, TTFT) or ended (answers, failures), a token in the one in
which it arrived.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics
from llmdyno.metrics.windows import in_flight, whole_window
from llmdyno.timeline.columns import MISSING, Column, Timeline
from llmdyno.timeline.record import FAILED, OK

MAX_SLICES = 40
_DURATIONS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def slice_duration_s(duration_s: float) -> float:
    """The shortest round duration that makes no more than :data:`MAX_SLICES` slices of a run of `duration_s`."""
    fitting = (float(one) for one in _DURATIONS_S if duration_s / one <= MAX_SLICES)
    return next(fitting, duration_s / MAX_SLICES)


def slices(timeline: Timeline, figures: RequestMetrics, tokens: NDArray[np.int32]) -> list[dict[str, Any]]:
    """The slices of a run, from its first send to its last end.

    Args:
        timeline: the measured requests.
        figures: of the same requests.
        tokens: of each chunk, shape (chunks,).

    Returns:
        For each slice: `start_s` after the run's origin, `length_s`, the numbers of `sent`, `succeeded` and `failed`
        requests, `output_token_per_s`, `ttft_p50_s` and `ttft_p99_s` of the requests sent in it (None: there are
        none), and `in_flight`, the mean number of requests in flight.
    """
    whole = whole_window(timeline)
    if whole is None:
        return []
    step = slice_duration_s(whole.duration_s)
    edges = whole.start_s + step * np.arange(int(np.ceil(whole.duration_s / step - 1e-9)) + 1)
    edges[-1] = whole.end_s
    durations = np.diff(edges)
    requests = timeline.requests
    sent_in, ended_in = _slice_of(edges, requests["sent_ns"]), _slice_of(edges, requests["end_ns"])
    arrived, _ = np.histogram(timeline.chunks["arrival_ns"], bins=edges * 1e9, weights=tokens)
    mean_in_flight = _mean_in_flight(timeline, edges)
    found = []
    for index, duration_s in enumerate(durations):
        ended = requests["state"][ended_in == index]
        found.append(
            {
                "start_s": round(float(edges[index]), 6),
                "length_s": round(float(duration_s), 6),
                "sent": int((sent_in == index).sum()),
                "succeeded": int((ended == OK).sum()),
                "failed": int((ended == FAILED).sum()),
                "output_token_per_s": float(arrived[index] / duration_s),
                **_ttft(figures.ttft_s[sent_in == index]),
                "in_flight": float(mean_in_flight[index]),
            }
        )
    return found


def _slice_of(edges: Column, times_ns: Column) -> NDArray[np.int64]:
    """The index of the slice that each time is in; −1 for a missing time. The last edge belongs to the last slice."""
    index = np.clip(np.searchsorted(edges, times_ns / 1e9, side="right") - 1, 0, len(edges) - 2)
    return np.where(times_ns == MISSING, -1, index)


def _mean_in_flight(timeline: Timeline, edges: Column) -> NDArray[np.float64]:
    """The mean number of requests in flight in each slice, from the area under the in-flight curve."""
    times_s, curve = in_flight(timeline)
    area = np.concatenate([[0.0], np.cumsum(np.diff(times_s) * curve[:-1])])
    return np.asarray(np.diff(np.interp(edges, times_s, area)) / np.diff(edges), np.float64)


def _ttft(ttft_s: NDArray[np.float64]) -> dict[str, float | None]:
    ttft_s = ttft_s[~np.isnan(ttft_s)]
    p50, p99 = np.percentile(ttft_s, (50, 99)) if len(ttft_s) else (None, None)
    return {
        "ttft_p50_s": float(p50) if p50 is not None else None,
        "ttft_p99_s": float(p99) if p99 is not None else None,
    }
