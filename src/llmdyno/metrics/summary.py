"""The summary of a run: every headline figure, with what it rests on.

In: a timeline and the spec's figures that bear on it. Out: plain dictionaries, as they stand in
summary.json. Percentiles interpolate linearly between observations, so none exceeds the largest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics, chunk_tokens, inter_token_gaps, request_metrics
from llmdyno.metrics.slices import slices
from llmdyno.metrics.windows import Window, peak_in_flight, steady_window, whole_window
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import CANCELLED, FAILED, OK

PERCENTILES = (1, 5, 25, 50, 75, 90, 95, 99)
TAIL_SAMPLES = 3
"""A percentile is supported when at least so many observations lie beyond it: 300 for p99, 30 for p90."""

LATENCIES = (
    "ttft_s",
    "inter_token_latency_s",
    "time_per_output_token_s",
    "end_to_end_latency_s",
    "request_output_throughput_token_per_s",
)
"""The distributions a person asks for first, in the field's order."""

SCHEDULED = ("ttft_scheduled_s", "end_to_end_scheduled_s")
"""From the planned instant, for an open loop: the wait that a late send hides is in them, and so are failures."""

_MORE = (
    "ttft_with_connection_s",
    "end_to_end_latency_with_connection_s",
    "time_to_headers_s",
    "connect_s",
    "tls_s",
)


def unsupported(percentile: float, count: int) -> bool:
    """Whether `count` observations are too few for a percentile."""
    tail = min(percentile, 100 - percentile) / 100
    return count * tail < TAIL_SAMPLES - 1e-9


def distribution(values: NDArray[Any], counts: NDArray[Any] | None = None) -> dict[str, Any]:
    """Count, mean, stddev (sample), min, max and percentiles of the values that are not NaN.

    Args:
        values: shape (n,).
        counts: shape (n,); how often each value counts (default: once).

    Returns:
        With `unsupported`: the percentiles that the sample is too small for.
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
    """The distribution of latencies in which failures stand last, as longer than any: who asked never got an answer.

    A percentile that falls among failures is None, and named under `in_failures`; mean and stddev are of the answers.

    Args:
        values: shape (n,), of requests that succeeded; NaN: no figure.
        failed: how many failed.
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


def summarise(measured: Timeline, slo: Mapping[str, float]) -> dict[str, Any]:
    """The figures of the measured requests (warm-up not among them).

    Latencies are of requests that succeeded; counts, rates and throughput have all of them in the
    denominator. Throughput counts each output token at its arrival, also those of requests that failed later.
    """
    figures = request_metrics(measured)
    tokens = chunk_tokens(measured)
    gap_figures = distribution(*inter_token_gaps(measured, tokens))
    steady, whole = steady_window(measured), whole_window(measured)
    states = Counter(measured.requests["state"].tolist())
    total = len(measured)
    latencies = {
        name: gap_figures if name == "inter_token_latency_s" else distribution(getattr(figures, name))
        for name in LATENCIES + _MORE
    }
    if (measured.requests["planned_ns"] != MISSING).any():
        for name in SCHEDULED:
            latencies[name] = with_failures(getattr(figures, name), states[FAILED])
        latencies["send_lateness_s"] = distribution(figures.send_lateness_s)
    return {
        "requests": {
            "total": total,
            "succeeded": states[OK],
            "failed": states[FAILED],
            "cancelled": states[CANCELLED],
            "error_rate": states[FAILED] / total if total else None,
            "retries": int(np.sum(measured.requests["attempt"] > 0)),
            "without_text": int(np.sum(figures.succeeded & (figures.text_chunks == 0))),
        },
        "errors": errors(measured),
        "latency": latencies,
        "tokens": _tokens(figures),
        "throughput": {
            "steady": _throughput(measured, figures, tokens, steady),
            "whole_run": _throughput(measured, figures, tokens, whole),
            "goodput_request_per_s": _goodput(figures, slo, whole),
            "peak_concurrency": peak_in_flight(measured),
        },
        "slices": slices(measured, figures, tokens),
        "connections": {
            "opened": int(np.sum(measured.requests["connected_ns"] != MISSING)),
            "reused": int(np.sum(measured.requests["reused"])),
            "reconnects": int(np.sum(measured.requests["reconnects"])),
        },
        "chunks": {
            "text": int(figures.text_chunks.sum()),
            "all": len(measured.chunks["request"]),
            "tokens_per_text_chunk": _ratio(int(tokens.sum()), int(figures.text_chunks.sum())),
        },
        "finish_reasons": dict(
            Counter(str(reason) for reason in measured.requests["finish_reason"] if reason is not None).most_common()
        ),
    }


def errors(timeline: Timeline) -> list[dict[str, Any]]:
    """Failures grouped by kind, code and the server's name for them, most frequent first, with their commonest message.

    `messages` is how many different ones there are: servers like to put a request's number in.
    """
    requests = timeline.requests
    groups: dict[tuple[str, int, str | None], Counter[str]] = {}
    for place in np.flatnonzero(requests["state"] == FAILED):
        name = requests["error_type"][place]
        key = (str(requests["error_kind"][place]), int(requests["error_code"][place]), name)
        groups.setdefault(key, Counter())[str(requests["error_message"][place])] += 1
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
    timeline: Timeline, figures: RequestMetrics, tokens: NDArray[np.int32], window: Window | None
) -> dict[str, Any] | None:
    if window is None:
        return None
    arrival = timeline.chunks["arrival_ns"] / 1e9
    inside = (arrival >= window.start_s) & (arrival <= window.end_s)
    end = timeline.requests["end_ns"] / 1e9
    ended = figures.succeeded & (end >= window.start_s) & (end <= window.end_s)
    return {
        "start_s": window.start_s,
        "length_s": window.length_s,
        "output_token_per_s": float(tokens[inside].sum() / window.length_s),
        "request_per_s": float(ended.sum() / window.length_s),
    }


def _goodput(figures: RequestMetrics, slo: Mapping[str, float], whole: Window | None) -> float | None:
    """Requests a second that met every bound; a request without a figure meets no bound on it, a failed one none."""
    if not slo or whole is None:
        return None
    good = figures.succeeded.copy()
    for name, bound in slo.items():
        good &= np.nan_to_num(getattr(figures, name), nan=math.inf) <= bound
    return float(good.sum() / whole.length_s)


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
