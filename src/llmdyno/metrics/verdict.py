"""The verdict: what the instrument says about its own measurement.

In: the measured timeline, what was asked for, samples of the process's CPU time. Out: reasons not to
trust the figures, each with its number and the bound it broke; none means trustworthy. The list of
reasons is closed: :data:`REASONS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics, request_metrics
from llmdyno.metrics.windows import peak_in_flight
from llmdyno.protocols.bedrock import NOT_READY
from llmdyno.protocols.events import OTHER
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import FAILED, KERNEL, OK, SDK

REASONS = (
    "read_lag",
    "cpu_near_limit",
    "concurrency_never_reached",
    "token_counts_disagree",
    "too_few_samples",
    "errors_present",
    "sends_late",
    "plan_under_delivered",
    "connections_churned",
    "chunks_coalesced",
    "cold_start_in_window",
    "loop_lag",
    "sdk_clock",
)

READ_LAG_P99_S = 0.005
CPU_SHARE = 0.9
SAMPLES = 30
SEND_LATENESS_P99_S = 0.005
DELIVERED_SHARE = 0.98
CHURNED_SHARE = 0.1
COALESCED_SHARE = 0.1
LOOP_LAG_S = 0.1
DISAGREEING_SHARE = 0.01
EXACT_DIFFERENCE = 0.02
ROUGH_DIFFERENCE = 0.25
OUTPUT_DIFFERENCE = 0.1
TEMPLATE_TOKENS = 64
"""A chat template wraps a prompt in so many tokens at most; they are the server's, not the prompt's."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its name in :data:`REASONS`, the number met, the bound it broke, and both in words."""

    reason: str
    value: float
    bound: float
    text: str


def verdict(
    measured: Timeline,
    *,
    concurrency: int | None,
    exact_tokens: bool,
    cpu: Sequence[tuple[float, float]],
    max_concurrency: int | None = None,
    loop_lag_s: float | None = None,
) -> dict[str, Any]:
    """The verdict on the measured requests.

    Args:
        measured: the measured requests.
        concurrency: how many users were asked for; None in an open loop.
        exact_tokens: whether prompts were counted with the model's tokenizer, not approximated.
        cpu: (moment s, CPU seconds used by this process until then), ascending, over the measured phase.
        max_concurrency: the bound on what is in flight in an open loop; a request that it holds back is not late.
        loop_lag_s: the longest that the event loop kept a timer waiting.

    Returns:
        ``{"trustworthy": bool, "reasons": [...]}`` as it stands in summary.json.
    """
    figures = request_metrics(measured)
    found = [
        _read_lag(measured),
        _cpu(cpu),
        _concurrency(measured, concurrency) if concurrency is not None else None,
        _tokens(measured, figures, exact_tokens),
        _samples(figures),
        _errors(measured),
        _late(measured, figures, max_concurrency),
        _under_delivered(measured),
        _churned(measured),
        _coalesced(measured),
        _cold(measured),
        _loop_lag(loop_lag_s),
        _sdk_clock(measured, cpu),
    ]
    reasons = [asdict(reason) for reason in found if reason is not None]
    return {"trustworthy": not reasons, "reasons": reasons}


def read_lags_s(timeline: Timeline) -> NDArray[np.float64]:
    """How long each chunk lay in the socket before it was read, where the kernel stamped its arrival; shape (n,)."""
    kernel = timeline.requests["clock"] == KERNEL
    lags = timeline.chunks["read_ns"] - timeline.chunks["arrival_ns"]
    if not kernel.all():
        lags = lags[np.repeat(kernel, np.diff(timeline.first_chunk))]
    return np.asarray(lags / 1e9, np.float64)


def busiest_second(cpu: Sequence[tuple[float, float]]) -> float | None:
    """The highest share of one core used over any second (the whole span where it is shorter); None: no span."""
    if len(cpu) < 2 or cpu[-1][0] <= cpu[0][0]:
        return None
    moments, used = np.array(cpu).T
    length = min(1.0, moments[-1] - moments[0])
    later = np.interp(moments + length, moments, used)
    shares = (later - used)[moments + length <= moments[-1] + 1e-9] / length
    return float(shares.max(initial=0.0))


def mean_share(cpu: Sequence[tuple[float, float]]) -> float | None:
    """The share of one core used over the whole span; None: no span."""
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
        f"read lag: 1 in 100 chunks waited {1e3 * p99:.1f} ms or more to be read (bound {1e3 * READ_LAG_P99_S:g} ms); "
        "arrivals are the kernel's stamps, but this host is near its limit"
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
    text = f"concurrency never reached: at most {peak} requests in flight of {concurrency} asked for"
    return Reason("concurrency_never_reached", peak, concurrency, text)


def _tokens(timeline: Timeline, figures: RequestMetrics, exact: bool) -> Reason | None:
    requests = timeline.requests
    ok = figures.succeeded
    if not ok.any():
        return None
    server_in, server_out = requests["server_input_tokens"], requests["server_output_tokens"]
    counted_in, counted_out = requests["input_tokens"], requests["tokenizer_output_tokens"]
    known_in, known_out = ok & (server_in != MISSING), ok & (server_out != MISSING)
    bound = EXACT_DIFFERENCE if exact else ROUGH_DIFFERENCE
    excess = server_in - counted_in
    checks = {
        "prompts are longer or shorter for the server than asked for": known_in
        & ((excess < -bound * counted_in) | (excess > bound * counted_in + TEMPLATE_TOKENS)),
        "the server counts more output tokens than max_tokens": known_out & (server_out > requests["max_tokens"]),
        "more text chunks arrived than the server counts tokens": known_out & (figures.text_chunks > server_out + 1),
        "the tokenizer counts other lengths than the server": known_out
        & (counted_out != MISSING)
        & (np.abs(server_out - counted_out) > OUTPUT_DIFFERENCE * np.maximum(server_out, 10)),
    }
    what, where = max(checks.items(), key=lambda item: int(item[1].sum()))
    share = float(where.sum() / ok.sum())
    if share <= DISAGREEING_SHARE:
        return None
    counts = "" if not what.startswith("prompts") else _prompt_counts(server_in[where], counted_in[where])
    text = f"token counts disagree in {100 * share:.0f}% of requests: {what}{counts}"
    return Reason("token_counts_disagree", share, DISAGREEING_SHARE, text)


def _prompt_counts(server: NDArray[np.int64], counted: NDArray[np.int64]) -> str:
    return f" (median {np.median(server):.0f} by the server, {np.median(counted):.0f} by our count)"


def _late(timeline: Timeline, figures: RequestMetrics, most: int | None) -> Reason | None:
    lateness = figures.send_lateness_s
    known = ~np.isnan(lateness)
    if most is not None:
        # Those that found as many before them, planned and not ended, as may be in flight were held back, not late.
        planned, end = timeline.requests["planned_ns"], timeline.requests["end_ns"]
        rank = np.argsort(np.argsort(planned, kind="stable"))
        ended = np.searchsorted(np.sort(end[end != MISSING]), planned, side="right")
        known &= rank - ended < most
    if not known.any():
        return None
    p99 = float(np.percentile(lateness[known], 99))
    if p99 <= SEND_LATENESS_P99_S:
        return None
    text = (
        f"sends late: 1 in 100 requests was sent {1e3 * p99:.1f} ms or more after its planned instant "
        f"(bound {1e3 * SEND_LATENESS_P99_S:g} ms); figures from the planned instant have that in them"
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
    requests = timeline.requests
    opened, total = int(np.sum(requests["connected_ns"] != MISSING)), len(timeline)
    # As many connections as were needed at once are no churn.
    share = max(0, opened - peak_in_flight(timeline)) / total if total else 0.0
    if share <= CHURNED_SHARE:
        return None
    text = (
        f"connections churned: {opened} were opened for {total} requests, {100 * share:.0f}% of them beyond what was "
        f"needed at once (bound {100 * CHURNED_SHARE:.0f}%); the server or something before it closes them"
    )
    return Reason("connections_churned", share, CHURNED_SHARE, text)


def _coalesced(timeline: Timeline) -> Reason | None:
    is_text = timeline.chunks["kind"] != OTHER
    within = np.diff(timeline.chunks["request"][is_text]) == 0
    together = np.diff(timeline.chunks["arrival_ns"][is_text]) == 0
    share = float(together[within].mean()) if within.any() else 0.0
    if share <= COALESCED_SHARE:
        return None
    text = (
        f"chunks coalesced: {100 * share:.0f}% of chunks arrived together with the one before (bound "
        f"{100 * COALESCED_SHARE:.0f}%): the gaps are a buffer's on the way, not the model's"
    )
    return Reason("chunks_coalesced", share, COALESCED_SHARE, text)


def _cold(timeline: Timeline) -> Reason | None:
    count = int(np.sum(timeline.requests["error_type"] == NOT_READY))
    if not count:
        return None
    text = f"cold start inside the window: {count} requests found the model not ready"
    return Reason("cold_start_in_window", count, 0, text)


def _loop_lag(lag_s: float | None) -> Reason | None:
    if lag_s is None or lag_s <= LOOP_LAG_S:
        return None
    text = f"loop lag: this process served nothing for {1e3 * lag_s:.0f} ms (bound {1e3 * LOOP_LAG_S:.0f} ms)"
    return Reason("loop_lag", lag_s, LOOP_LAG_S, text)


def _sdk_clock(timeline: Timeline, cpu: Sequence[tuple[float, float]]) -> Reason | None:
    share = float(np.mean(timeline.requests["clock"] == SDK)) if len(timeline) else 0.0
    if not share:
        return None
    used = mean_share(cpu)
    core = f"; this process used {100 * used:.0f}% of a core" if used is not None else ""
    text = (
        f"sdk clock: chunks of {100 * share:.0f}% of requests were stamped at the library's iterator, not at the "
        f"socket: its own overhead and its waits for this process's turn are in the figures{core}"
    )
    return Reason("sdk_clock", share, 0, text)


def _samples(figures: RequestMetrics) -> Reason | None:
    count = int(figures.succeeded.sum())
    if count >= SAMPLES:
        return None
    text = f"too few samples: {count} requests succeeded, {SAMPLES} are needed for a p90"
    return Reason("too_few_samples", count, SAMPLES, text)


def _errors(timeline: Timeline) -> Reason | None:
    states = timeline.requests["state"]
    failed = int(np.sum(states == FAILED))
    if not failed:
        return None
    of = int(np.sum((states == OK) | (states == FAILED)))
    text = f"errors present: {failed} of {of} requests failed; latencies are of the others alone"
    return Reason("errors_present", failed, 0, text)
