"""The summary of a run: every headline figure, with the counts behind it.

It takes the measured timeline, the figures of its requests and the bounds that they should meet. It gives plain
dictionaries, as they are in summary.json. It does not judge the figures; the verdict does. Percentiles interpolate
linearly between observations, so none exceeds the largest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.connections import churn
from llmdyno.metrics.request import RequestMetrics, chunk_tokens, inter_token_gaps
from llmdyno.metrics.slices import slices
from llmdyno.metrics.tokens import chunks_by_kind, token_figures
from llmdyno.metrics.windows import Window, peak_in_flight, steady_window, whole_window
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import CANCELLED, FAILED, OK

PERCENTILES = (1, 5, 25, 50, 75, 90, 95, 99)
TAIL_SAMPLES = 3
"""A percentile needs this many observations beyond it: 300 in all for p99, 30 for p90."""

LATENCIES = (
    "ttft_s",
    "inter_token_latency_s",
    "time_per_output_token_s",
    "end_to_end_latency_s",
    "request_output_throughput_token_per_s",
)
"""The figures that people ask for first, in the usual order."""

SCHEDULED = ("ttft_scheduled_s", "end_to_end_scheduled_s")
"""Open loop, from the planned instant: they include the wait that a late send hides, and the failures."""

_MORE = (
    "ttft_with_connection_s",
    "end_to_end_latency_with_connection_s",
    "time_to_headers_s",
    "connect_s",
    "tls_s",
    "ttfr_s",
    "ttfa_s",
)
ATTEMPT = 10**12
"""An attempt has a request number that is this much higher than that of the attempt before."""


def unsupported(percentile: float, count: int) -> bool:
    """Whether `count` observations are too few for a percentile (0 to 100)."""
    tail = min(percentile, 100 - percentile) / 100
    return count * tail < TAIL_SAMPLES - 1e-9


def distribution(values: NDArray[Any], counts: NDArray[Any] | None = None) -> dict[str, Any]:
    """Count, mean, stddev (of a sample), min, percentiles and max of the values that are not NaN.

    Args:
        values: shape (n,).
        counts: shape (n,); how often each value counts (default: once).

    Returns:
        The figures, and under `unsupported` the percentiles for which the sample is too small. Only
        ``{"count": 0}`` if there are no values.
    """
    if counts is not None:
        values = np.repeat(values, counts)
    values = np.asarray(values, np.float64)
    if np.isnan(values).any():
        values = values[~np.isnan(values)]
    if not len(values):
        return {"count": 0}
    quantiles = np.percentile(values, PERCENTILES)
    return {
        "count": len(values),
        "mean": float(values.mean()),
        "stddev": float(values.std(ddof=1)) if len(values) > 1 else None,
        "min": float(values.min()),
        **{f"p{p}": float(q) for p, q in zip(PERCENTILES, quantiles, strict=True)},
        "max": float(values.max()),
        "unsupported": [f"p{p}" for p in PERCENTILES if unsupported(p, len(values))],
    }


def with_failures(values: NDArray[np.float64], failed: int) -> dict[str, Any]:
    """The distribution of latencies, with each failure as a latency longer than any other.

    A percentile that falls among the failures is None, and its name is under `in_failures`. Mean, stddev and min are
    of the requests that succeeded.

    Args:
        values: shape (n,), of requests that succeeded; NaN: no figure.
        failed: how many requests failed.
    """
    values = values[~np.isnan(values)]
    found = distribution(values)
    if not failed:
        return found
    total = len(values) + failed
    ordered = np.append(np.sort(values), np.full(failed, np.inf))
    with np.errstate(invalid="ignore"):
        quantiles = {f"p{p}": float(np.percentile(ordered, p)) for p in PERCENTILES}
    known = {name: value if math.isfinite(value) else None for name, value in quantiles.items()}
    return {
        "mean": None,
        "stddev": None,
        "min": None,
        **found,
        "count": total,
        **known,
        "max": None,
        "unsupported": [f"p{p}" for p in PERCENTILES if unsupported(p, total)],
        "in_failures": [name for name, value in known.items() if value is None] + ["max"],
    }


def summarise(measured: Timeline, figures: RequestMetrics, slo: Mapping[str, float]) -> dict[str, Any]:
    """The figures of the measured requests, as they are in summary.json.

    Latencies are of requests that succeeded. Counts, rates and throughput are of all requests. Throughput counts each
    output token at its arrival, also the tokens of requests that failed later.

    Args:
        measured: the measured requests, without warm-up.
        figures: of the same requests.
        slo: upper bounds by the name of a latency in `figures`, in seconds.
    """
    tokens = chunk_tokens(measured, figures)
    requests = measured.requests
    output_chunks = int(figures.text_chunks.sum())
    return {
        "requests": _requests(measured, figures),
        "errors": errors(measured),
        "latency": _latencies(measured, figures, tokens),
        "tokens": {**_tokens(figures), **token_figures(measured, figures, tokens)},
        "throughput": _throughput(measured, figures, tokens, slo),
        "slices": slices(measured, figures, tokens),
        "connections": {
            "opened": int(np.sum(requests["connected_ns"] != MISSING)),
            "reused": int(np.sum(requests["reused"])),
            "reconnects": int(np.sum(requests["reconnects"])),
            **churn(measured)._asdict(),
        },
        "chunks": {
            "text": output_chunks,
            "all": len(measured.chunks["request"]),
            "tokens_per_text_chunk": _ratio(int(tokens.sum()), output_chunks),
            "by_kind": chunks_by_kind(measured),
        },
        "finish_reasons": _counted(requests["finish_reason"]),
        **({"service_tiers": tiers} if (tiers := _counted(requests["service_tier"])) else {}),
    }


def _counted(column: NDArray[Any]) -> dict[str, int]:
    """How often each text is in a column, the most frequent first."""
    return dict(Counter(str(text) for text in column if text is not None).most_common())


def _requests(measured: Timeline, figures: RequestMetrics) -> dict[str, Any]:
    states = Counter(measured.requests["state"].tolist())
    asked, unanswered = requests_and_unanswered(measured)
    return {
        "total": len(measured),
        "succeeded": states[OK],
        "failed": states[FAILED],
        "cancelled": states[CANCELLED],
        "error_rate": _ratio(states[FAILED], len(measured)),
        "retries": int(np.sum(measured.requests["attempt"] > 0)),
        "without_text": int(np.sum(figures.succeeded & (figures.text_chunks == 0))),
        "asked": asked,
        "unanswered": unanswered,
        "resends": int(np.sum(np.maximum(measured.requests["resends"], 0))),
    }


def requests_and_unanswered(timeline: Timeline) -> tuple[int, int]:
    """How many requests there are, all attempts of one counted once, and how many of them finally got no answer.

    A request that was cancelled is neither answered nor unanswered.
    """
    numbers, states = timeline.requests["request"] % ATTEMPT, timeline.requests["state"]
    failed, ok = set(numbers[states == FAILED].tolist()), set(numbers[states == OK].tolist())
    cancelled = set(numbers[states == CANCELLED].tolist())
    return len(failed | ok | cancelled), len(failed - ok - cancelled)


def _latencies(measured: Timeline, figures: RequestMetrics, tokens: NDArray[np.int32]) -> dict[str, Any]:
    gaps = distribution(*inter_token_gaps(measured, tokens))
    found = {
        name: gaps if name == "inter_token_latency_s" else distribution(getattr(figures, name))
        for name in LATENCIES + _MORE
    }
    if (measured.requests["planned_ns"] != MISSING).any():
        failed = int(np.sum(measured.requests["state"] == FAILED))
        for name in SCHEDULED:
            found[name] = with_failures(getattr(figures, name), failed)
        found["send_lateness_s"] = distribution(figures.send_lateness_s)
    return found


def errors(timeline: Timeline) -> list[dict[str, Any]]:
    """Failures grouped by kind, code and the server's name for them, most frequent first.

    Each group has its most frequent message. `messages` is the number of different messages, since many servers put
    an ID of the request into theirs.
    """
    requests = timeline.requests
    groups: dict[tuple[str, int, str | None], Counter[str]] = {}
    for index in np.flatnonzero(requests["state"] == FAILED):
        name = requests["error_type"][index]
        key = (str(requests["error_kind"][index]), int(requests["error_code"][index]), name)
        groups.setdefault(key, Counter())[str(requests["error_message"][index])] += 1
    return [
        {
            "kind": kind,
            "code": None if code == MISSING else code,
            "type": name,
            "count": messages.total(),
            "message": messages.most_common(1)[0][0],
            "messages": len(messages),
        }
        for (kind, code, name), messages in sorted(groups.items(), key=lambda group: -group[1].total())
    ]


def _tokens(figures: RequestMetrics) -> dict[str, Any]:
    succeeded = figures.succeeded
    return {
        "input_tokens": distribution(figures.input_tokens[succeeded]),
        "output_tokens": distribution(figures.output_tokens[succeeded]),
        "total_input_tokens": int(figures.input_tokens[succeeded].sum()),
        "total_output_tokens": int(figures.output_tokens.sum()),
        "output_tokens_from": dict(Counter(figures.output_tokens_source[succeeded].tolist()).most_common()),
    }


def _throughput(
    measured: Timeline, figures: RequestMetrics, tokens: NDArray[np.int32], slo: Mapping[str, float]
) -> dict[str, Any]:
    whole = whole_window(measured)
    return {
        "steady": _throughput_in(steady_window(measured), measured, figures, tokens),
        "whole_run": _throughput_in(whole, measured, figures, tokens),
        "goodput_request_per_s": _goodput(figures, slo, whole),
        "peak_concurrency": peak_in_flight(measured),
        "planned_request_per_s": planned_rate(measured),
    }


def planned_rate(timeline: Timeline) -> float | None:
    """The rate of an open loop's own plan, in requests a second: its planned instants, from the first to the last.

    A random plan of 2 requests a second may well hold 1.5. None: a closed loop, or fewer than two instants.
    """
    planned = timeline.requests["planned_ns"]
    planned = planned[planned != MISSING]
    if len(planned) < 2 or planned.max() <= planned.min():
        return None
    return float((len(planned) - 1) / (planned.max() - planned.min()) * 1e9)


def _throughput_in(
    window: Window | None, measured: Timeline, figures: RequestMetrics, tokens: NDArray[np.int32]
) -> dict[str, Any] | None:
    if window is None:
        return None
    arrival = measured.chunks["arrival_ns"] / 1e9
    inside = (arrival >= window.start_s) & (arrival <= window.end_s)
    end = measured.requests["end_ns"] / 1e9
    ended = figures.succeeded & (end >= window.start_s) & (end <= window.end_s)
    return {
        "start_s": window.start_s,
        "length_s": window.duration_s,
        "output_token_per_s": float(tokens[inside].sum() / window.duration_s),
        "request_per_s": float(ended.sum() / window.duration_s),
    }


def _goodput(figures: RequestMetrics, slo: Mapping[str, float], whole: Window | None) -> float | None:
    """Requests a second that met every bound. A failed request, and one without a figure, do not meet the bound."""
    if not slo or whole is None:
        return None
    good = figures.succeeded.copy()
    for name, bound in slo.items():
        good &= np.nan_to_num(getattr(figures, name), nan=math.inf) <= bound
    return float(good.sum() / whole.duration_s)


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
