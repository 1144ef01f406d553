"""How a deployment answers a step of load: when latency is back within bounds, what was refused meanwhile. PURE.

In: calls, which of them met the bounds, the step. Out: the recovery and a series over time to draw. Seconds are after
the run's origin, at real speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.services.bedrock_import.copies import Copies
from llmdyno.services.calls import Calls, served_in_flight

TARGET = 0.95
"""Latency is back when so many of the requests that are sent from then on meet the bounds."""
_TTFT_TIMES, _TPOT_TIMES = 3.0, 2.0


@dataclass(frozen=True, slots=True)
class Step:
    """A step of load: looked at from `from_s`, at `up_s` from so many users to more, at `down_s` back, until
    `end_s`."""

    from_s: float
    up_s: float
    down_s: float
    end_s: float
    users_before: int
    users_after: int


def bounds_before(
    ttft_s: NDArray[np.float64], tpot_s: NDArray[np.float64], before: NDArray[np.bool_]
) -> dict[str, float]:
    """Bounds for a step where the user gave none: three times the median TTFT before it, twice the median time per
    output token."""
    found = {}
    for name, values, times in (("ttft_s", ttft_s, _TTFT_TIMES), ("time_per_output_token_s", tpot_s, _TPOT_TIMES)):
        known = values[before & ~np.isnan(values)]
        if len(known):
            found[name] = float(np.median(known)) * times
    return found


def good(figures: Mapping[str, NDArray[np.float64]], bounds: Mapping[str, float]) -> NDArray[np.bool_]:
    """Which requests met every bound; one without a figure, as a failed one, met none."""
    met = [np.nan_to_num(figures[name], nan=np.inf) <= bound for name, bound in bounds.items()]
    return np.asarray(np.logical_and.reduce(met), bool)


def recovered_s(
    sent_s: NDArray[np.float64], met: NDArray[np.bool_], step: Step, *, over_s: float, target: float = TARGET
) -> float | None:
    """From the step up until latency is back within bounds: the send of the first request that met them, of which it
    holds that enough of those sent in the next `over_s`, and until the step down, met them too. None: never.

    Args:
        sent_s: shape (requests,), ascending.
        met: shape (requests,).
    """
    inside = (sent_s >= step.up_s) & (sent_s < step.down_s)
    sent_s, met = sent_s[inside], met[inside]
    if not len(sent_s):
        return None
    sums = np.concatenate([[0], np.cumsum(met)])
    places = np.arange(len(sent_s))
    until = np.searchsorted(sent_s, sent_s + over_s, side="right")
    soon = (sums[until] - sums[places]) / (until - places)
    rest = (sums[-1] - sums[places]) / (len(sent_s) - places)
    whole = sent_s <= step.down_s - over_s  # what follows is too short to tell
    found = np.flatnonzero(met & whole & (soon >= target) & (rest >= target))
    return float(sent_s[found[0]]) - step.up_s if len(found) else None


def series(
    calls: Calls,
    sent_s: NDArray[np.float64],
    ttft_s: NDArray[np.float64],
    met: NDArray[np.bool_],
    token_s: NDArray[np.float64],
    tokens: NDArray[np.int32],
    copies: Copies,
    from_inference: Copies,
    step: Step,
    length_s: float,
) -> list[dict[str, Any]]:
    """What happened over time, slice by slice, to draw.

    Args:
        calls: all calls of the run.
        sent_s, ttft_s, met: of the measured requests, shape (requests,).
        token_s, tokens: of their chunks, shape (chunks,).
        copies, from_inference: as they are known, and as the load alone shows them.
        step: the step.
        length_s: of a slice.

    Returns:
        For each slice: `start_s` after the step, requests sent, share that met the bounds, TTFT p50, calls throttled
        and not ready, tokens a second, calls in flight on average, copies of both kinds, and copies by throughput:
        tokens a second against those of the first slice after the step, where a copy must be full.
    """
    edges = np.arange(
        step.up_s - np.ceil((step.up_s - step.from_s) / length_s) * length_s, step.end_s + length_s, length_s
    )
    rate = np.histogram(token_s, bins=edges, weights=tokens)[0] / length_s
    curve = served_in_flight(calls)
    area = np.concatenate([[0.0], np.cumsum(np.diff(curve.moment_s) * curve.count[:-1])])
    in_flight = np.diff(np.interp(edges, curve.moment_s, area)) / length_s
    after = [value for start, value in zip(edges, rate, strict=False) if start >= step.up_s and value > 0]
    full = after[0] if after else 0.0
    found = []
    for place, start_s in enumerate(edges[:-1].tolist()):
        end_s = start_s + length_s
        here = (sent_s >= start_s) & (sent_s < end_s)
        called = (calls.sent_s >= start_s) & (calls.sent_s < end_s)
        known = ttft_s[here & ~np.isnan(ttft_s)]
        held = step.up_s <= start_s < step.down_s
        found.append(
            {
                "start_s": round(start_s - step.up_s, 3),
                "length_s": length_s,
                "sent": int(here.sum()),
                "within_bounds": float(met[here].mean()) if here.any() else None,
                "ttft_p50_s": float(np.median(known)) if len(known) else None,
                "throttled": int((called & calls.throttled).sum()),
                "not_ready": int((called & calls.not_ready).sum()),
                "output_token_per_s": float(rate[place]),
                "in_flight": float(in_flight[place]),
                "copies": round(copies.mean(start_s, end_s), 3),
                "copies_inferred": round(from_inference.mean(start_s, end_s), 3),
                "copies_by_throughput": max(1, round(rate[place] / full)) if full and held else None,
            }
        )
    return found
