"""A run over time: its figures in slices, so that drift, scaling and throttling show.

In: a timeline and its requests' figures. Out: one entry a slice. A request counts where it was sent (sends, TTFT) or
where it ended (answers, failures); a token where it arrived.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics
from llmdyno.metrics.windows import in_flight, whole_window
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import FAILED, OK

_MOST = 40
_LENGTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def slice_length_s(length_s: float) -> float:
    """The shortest round length that makes no more than forty slices."""
    return next((float(length) for length in _LENGTHS_S if length_s / length <= _MOST), length_s / _MOST)


def slices(timeline: Timeline, figures: RequestMetrics, tokens: NDArray[np.int32]) -> list[dict[str, Any]]:
    """The slices of a run, from its first send to its last end.

    Args:
        timeline: the measured requests.
        figures: theirs.
        tokens: of each chunk, shape (chunks,).

    Returns:
        For each: `start_s` (after the run's origin), `length_s`, `sent`, `succeeded`, `failed` requests,
        `output_token_per_s`, `ttft_p50_s` and `ttft_p99_s` of the requests sent in it (None: none), `in_flight` on
        average.
    """
    whole = whole_window(timeline)
    if whole is None:
        return []
    step = slice_length_s(whole.length_s)
    edges = whole.start_s + step * np.arange(int(np.ceil(whole.length_s / step - 1e-9)) + 1)
    edges[-1] = whole.end_s
    requests = timeline.requests
    sent, end = requests["sent_ns"] / 1e9, requests["end_ns"] / 1e9
    was_sent = requests["sent_ns"] != MISSING
    sent_in = np.where(was_sent, _place(edges, sent), -1)
    ended_in = np.where(requests["end_ns"] != MISSING, _place(edges, end), -1)
    count = len(edges) - 1
    by_tokens, _ = np.histogram(timeline.chunks["arrival_ns"], bins=edges * 1e9, weights=tokens)
    moments, curve = in_flight(timeline)
    area = np.concatenate([[0.0], np.cumsum(np.diff(moments) * curve[:-1])])
    mean_in_flight = np.diff(np.interp(edges, moments, area)) / np.diff(edges)
    found = []
    for place in range(count):
        ttft = figures.ttft_s[sent_in == place]
        ttft = ttft[~np.isnan(ttft)]
        length_s = float(edges[place + 1] - edges[place])
        ended = requests["state"][ended_in == place]
        found.append(
            {
                "start_s": round(float(edges[place]), 6),
                "length_s": round(length_s, 6),
                "sent": int((sent_in == place).sum()),
                "succeeded": int((ended == OK).sum()),
                "failed": int((ended == FAILED).sum()),
                "output_token_per_s": float(by_tokens[place] / length_s),
                "ttft_p50_s": float(np.percentile(ttft, 50)) if len(ttft) else None,
                "ttft_p99_s": float(np.percentile(ttft, 99)) if len(ttft) else None,
                "in_flight": float(mean_in_flight[place]),
            }
        )
    return found


def _place(edges: NDArray[Any], moments: NDArray[Any]) -> NDArray[np.int64]:
    """Which slice a moment falls into; the last moment of all into the last one."""
    return np.clip(np.searchsorted(edges, moments, side="right") - 1, 0, len(edges) - 2)
