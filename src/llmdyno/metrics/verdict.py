"""The verdict: what the instrument says about its own measurement.

It takes the measured timeline, its figures, what was asked for and samples of the process's CPU time. It gives reasons
not to trust the figures, each with its number, the bound that it broke, the figures that it touches and what to do. No
reason means that the measurement is trustworthy. It judges the measurement, not the endpoint. The list of reasons is
closed: :data:`~llmdyno.metrics.remedies.REASONS`. The reasons about answers and tokens are in
:mod:`~llmdyno.metrics.answers`, those about this host and the load are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.answers import answer_reasons
from llmdyno.metrics.connections import Churn, churn
from llmdyno.metrics.remedies import NOTHING_ASKED, REASONS, Asked, Reason
from llmdyno.metrics.request import RequestMetrics
from llmdyno.metrics.summary import requests_and_unanswered
from llmdyno.metrics.windows import peak_in_flight
from llmdyno.protocols.dialect import NO_REFUSALS, Refusals
from llmdyno.protocols.events import OTHER
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import FAILED, KERNEL, OK, SDK

__all__ = ["REASONS", "Asked", "Reason", "busiest_second", "closed_by", "mean_share", "read_lags_s", "verdict"]

READ_LAG_P99_S = 0.005
CPU_SHARE = 0.9
SAMPLES = 30
SEND_LATENESS_P99_S = 0.005
DELIVERED_SHARE = 0.98
CHURNED_SHARE = 0.1
COALESCED_SHARE = 0.1
LOOP_LAG_S = 0.1


def verdict(
    measured: Timeline,
    figures: RequestMetrics,
    *,
    concurrency: int | None,
    exact_tokens: bool,
    cpu: Sequence[tuple[float, float]],
    max_concurrency: int | None = None,
    loop_lag_s: float | None = None,
    refusals: Refusals = NO_REFUSALS,
    asked: Asked = NOTHING_ASKED,
) -> dict[str, Any]:
    """The verdict on the measured requests.

    Args:
        measured: the measured requests.
        figures: of the same requests.
        concurrency: how many users were asked for; None in an open loop.
        exact_tokens: whether prompts were counted with the model's tokenizer, not approximated.
        cpu: (time in s, CPU seconds that this process had used by then), ascending, over the measured phase.
        max_concurrency: the limit on requests in flight in an open loop; a request that it holds back is not late.
        loop_lag_s: the longest time for which the event loop was blocked; None: unknown.
        refusals: how the service refuses.
        asked: what was asked of every answer.

    Returns:
        ``{"trustworthy": bool, "reasons": [...]}``, as in summary.json.
    """
    found = [
        _read_lag(measured),
        _cpu(cpu),
        _concurrency(measured, concurrency) if concurrency is not None else None,
        *answer_reasons(measured, figures, asked, exact_tokens=exact_tokens),
        _samples(figures),
        _errors(measured),
        _late(measured, figures, max_concurrency),
        _under_delivered(measured),
        _churned(measured),
        _coalesced(measured),
        _cold(measured, refusals),
        _loop_lag(loop_lag_s),
        _sdk_clock(measured, cpu),
    ]
    reasons = sorted((reason for reason in found if reason is not None), key=lambda one: REASONS.index(one.reason))
    return {"trustworthy": not reasons, "reasons": [reason.as_json() for reason in reasons]}


def read_lags_s(timeline: Timeline) -> NDArray[np.float64]:
    """How long each chunk waited in the socket before this process read it.

    Only of chunks whose arrival the kernel stamped; shape (n,).
    """
    kernel = timeline.requests["clock"] == KERNEL
    lags = timeline.chunks["read_ns"] - timeline.chunks["arrival_ns"]
    if not kernel.all():
        lags = lags[np.repeat(kernel, np.diff(timeline.first_chunk))]
    return np.asarray(lags / 1e9, np.float64)


def busiest_second(cpu: Sequence[tuple[float, float]]) -> float | None:
    """The highest share of one core used in any second, or in all of a shorter span; None: there is no span."""
    if len(cpu) < 2 or cpu[-1][0] <= cpu[0][0]:
        return None
    times, used = np.array(cpu).T
    duration_s = min(1.0, times[-1] - times[0])
    later = np.interp(times + duration_s, times, used)
    shares = (later - used)[times + duration_s <= times[-1] + 1e-9] / duration_s
    return float(shares.max(initial=0.0))


def mean_share(cpu: Sequence[tuple[float, float]]) -> float | None:
    """The share of one core used over the whole span; None: there is no span."""
    if len(cpu) < 2 or cpu[-1][0] <= cpu[0][0]:
        return None
    return (cpu[-1][1] - cpu[0][1]) / (cpu[-1][0] - cpu[0][0])


def _read_lag(timeline: Timeline) -> Reason | None:
    lags = read_lags_s(timeline)
    if not len(lags):
        return None
    p99 = float(np.percentile(lags, 99))
    if p99 <= READ_LAG_P99_S:
        return None
    text = (
        f"read lag: 1 in 100 chunks waited {1e3 * p99:.1f} ms or more before it was read (bound "
        f"{1e3 * READ_LAG_P99_S:g} ms); the kernel stamped their arrival, but this host is near its limit"
    )
    return Reason("read_lag", p99, READ_LAG_P99_S, text)


def _cpu(cpu: Sequence[tuple[float, float]]) -> Reason | None:
    share = busiest_second(cpu)
    if share is None or share <= CPU_SHARE:
        return None
    text = f"CPU near its limit: {100 * share:.0f}% of a core in the busiest second (bound {100 * CPU_SHARE:.0f}%)"
    return Reason("cpu_near_limit", share, CPU_SHARE, text)


def _concurrency(timeline: Timeline, concurrency: int) -> Reason | None:
    peak = peak_in_flight(timeline)
    if peak >= concurrency:
        return None
    text = f"concurrency never reached: at most {peak} requests were in flight, {concurrency} were asked for"
    return Reason("concurrency_never_reached", peak, concurrency, text)


def _samples(figures: RequestMetrics) -> Reason | None:
    count = int(figures.succeeded.sum())
    if count >= SAMPLES:
        return None
    text = f"too few samples: {count} request{'s' * (count != 1)} succeeded, a p90 needs {SAMPLES}"
    return Reason("too_few_samples", count, SAMPLES, text)


def _errors(timeline: Timeline) -> Reason | None:
    states = timeline.requests["state"]
    failed = int(np.sum(states == FAILED))
    if not failed:
        return None
    ended = int(np.sum((states == OK) | (states == FAILED)))
    what = f"{failed} of {ended} requests failed"
    if (timeline.requests["attempt"] > 0).any():
        requests, unanswered = requests_and_unanswered(timeline)
        what = f"{failed} of {ended} attempts failed, {unanswered} of {requests} requests finally got no answer"
    text = f"errors present: {what}; latencies are of the others only"
    return Reason("errors_present", failed, 0, text)


def _late(timeline: Timeline, figures: RequestMetrics, max_concurrency: int | None) -> Reason | None:
    lateness = figures.send_lateness_s
    known = ~np.isnan(lateness)
    if max_concurrency is not None:
        # A request that met a full in-flight limit was held back, not late.
        planned, end = timeline.requests["planned_ns"], timeline.requests["end_ns"]
        rank = np.argsort(np.argsort(planned, kind="stable"))
        ended = np.searchsorted(np.sort(end[end != MISSING]), planned, side="right")
        known &= rank - ended < max_concurrency
    if not known.any():
        return None
    p99 = float(np.percentile(lateness[known], 99))
    if p99 <= SEND_LATENESS_P99_S:
        return None
    text = (
        f"sends late: 1 in 100 requests was sent {1e3 * p99:.1f} ms or more after its planned instant "
        f"(bound {1e3 * SEND_LATENESS_P99_S:g} ms); figures from the planned instant include that delay"
    )
    return Reason("sends_late", p99, SEND_LATENESS_P99_S, text)


def _under_delivered(timeline: Timeline) -> Reason | None:
    requests = timeline.requests
    known = (requests["planned_ns"] != MISSING) & (requests["sent_ns"] != MISSING)
    if known.sum() < 2:
        return None
    planned, sent = np.sort(requests["planned_ns"][known]), np.sort(requests["sent_ns"][known])
    if sent[-1] <= sent[0] or planned[-1] <= planned[0]:
        return None
    share = float((planned[-1] - planned[0]) / (sent[-1] - sent[0]))
    if share >= DELIVERED_SHARE:
        return None
    bound = f"bound {100 * DELIVERED_SHARE:.0f}%"
    text = f"plan under-delivered: requests left at {100 * share:.1f}% of the planned rate ({bound})"
    return Reason("plan_under_delivered", share, DELIVERED_SHARE, text)


def _churned(timeline: Timeline) -> Reason | None:
    """Connections that were opened without need.

    In a closed loop no headline figure has connecting in it. There it is a reason only if nothing explains it.
    """
    found, total = churn(timeline), len(timeline)
    share = found.excess / total if total else 0.0
    if share <= CHURNED_SHARE:
        return None
    ours = found.closed_by_timeouts + found.closed_by_failures
    open_loop = bool((timeline.requests["planned_ns"] != MISSING).any())
    unexplained = max(0, found.excess - ours) / total > CHURNED_SHARE and not found.closed_after_every_answer
    if not open_loop and not unexplained:
        return None
    opened = int(np.sum(timeline.requests["connected_ns"] != MISSING))
    text = (
        f"connections churned: {opened} were opened for {total} requests, though {opened - found.excess} were enough; "
        f"the excess is {100 * share:.0f}% of the requests (bound {100 * CHURNED_SHARE:.0f}%); {closed_by(found)}"
    )
    return Reason("connections_churned", share, CHURNED_SHARE, text)


def closed_by(found: Churn) -> str:
    """Who closes the connections, as a clause."""
    parts = []
    if found.closed_by_timeouts:
        parts.append(f"this client closed {found.closed_by_timeouts} of them, whose requests timed out or were stopped")
    if found.closed_by_failures:
        parts.append(f"{found.closed_by_failures} ended with a failed request")
    if found.closed_after_every_answer:
        parts.append("the server closes each one after its answer")
    elif found.excess > found.closed_by_timeouts + found.closed_by_failures:
        parts.append("the server or a proxy closes them" if not parts else "the server or a proxy closes the others")
    return ", ".join(parts)


def _coalesced(timeline: Timeline) -> Reason | None:
    is_output = timeline.chunks["kind"] != OTHER
    within = np.diff(timeline.chunks["request"][is_output]) == 0
    together = np.diff(timeline.chunks["arrival_ns"][is_output]) == 0
    share = float(together[within].mean()) if within.any() else 0.0
    if share <= COALESCED_SHARE:
        return None
    text = (
        f"chunks coalesced: {100 * share:.0f}% of chunks arrived together with the one before (bound "
        f"{100 * COALESCED_SHARE:.0f}%); the gaps show a buffer on the way, not the model"
    )
    return Reason("chunks_coalesced", share, COALESCED_SHARE, text)


def _cold(timeline: Timeline, refusals: Refusals) -> Reason | None:
    names = timeline.requests["error_type"]
    count = sum(int(np.sum(names == name)) for name in refusals.not_ready)
    if not count:
        return None
    text = f"cold start inside the window: {count} requests found the model not ready"
    return Reason("cold_start_in_window", count, 0, text)


def _loop_lag(lag_s: float | None) -> Reason | None:
    if lag_s is None or lag_s <= LOOP_LAG_S:
        return None
    text = f"loop lag: the event loop was blocked for {1e3 * lag_s:.0f} ms (bound {1e3 * LOOP_LAG_S:.0f} ms)"
    return Reason("loop_lag", lag_s, LOOP_LAG_S, text)


def _sdk_clock(timeline: Timeline, cpu: Sequence[tuple[float, float]]) -> Reason | None:
    share = float(np.mean(timeline.requests["clock"] == SDK)) if len(timeline) else 0.0
    if not share:
        return None
    used = mean_share(cpu)
    core = f"; this process used {100 * used:.0f}% of a core" if used is not None else ""
    text = (
        f"sdk clock: the chunks of {100 * share:.0f}% of requests were stamped at the library's iterator, not at the "
        f"socket; the figures include the library's overhead and its waits for the event loop{core}"
    )
    return Reason("sdk_clock", share, 0, text)
