"""Each request's figures, and the gaps between its chunks.

In: a timeline. Out: arrays of seconds, NaN where a request has no such figure. The definitions stand in
docs/metrics.md; their source is the project's design.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmdyno.protocols.events import OTHER
from llmdyno.timeline.columns import MISSING, NO_COUNT, Column, Timeline
from llmdyno.timeline.record import OK

Floats = NDArray[np.float64]

_BLOCK = 1 << 17
SERVER, TOKENIZER, CHUNKS = "server", "tokenizer", "chunks"
"""Where a request's token count is from, best first."""


@dataclass(frozen=True)
class RequestMetrics:
    """Figures of each request, all of shape (requests,), seconds unless named otherwise.

    ttft_s: first chunk with text, content or reasoning, after the send. time_per_output_token_s: (last
    text chunk − first) ÷ (output tokens − 1), where there are two tokens or more. end_to_end_latency_s:
    last byte − send. request_output_throughput_token_per_s: output tokens ÷ end-to-end. The two
    `with_connection` figures count from the start of connecting where a connection was opened; the `scheduled` ones
    from the planned instant, in an open loop; send_lateness_s is the send (or the start of connecting) after that.
    Latencies are given for requests that succeeded; counts and lateness for all.
    """

    succeeded: NDArray[np.bool_]
    ttft_s: Floats
    ttft_with_connection_s: Floats
    time_per_output_token_s: Floats
    end_to_end_latency_s: Floats
    end_to_end_latency_with_connection_s: Floats
    request_output_throughput_token_per_s: Floats
    ttft_scheduled_s: Floats
    end_to_end_scheduled_s: Floats
    send_lateness_s: Floats
    connect_s: Floats
    tls_s: Floats
    time_to_headers_s: Floats
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    text_chunks: NDArray[np.int64]
    output_tokens_source: NDArray[np.object_]


def request_metrics(timeline: Timeline) -> RequestMetrics:
    """Every request's figures."""
    requests = timeline.requests
    succeeded = np.array(requests["state"] == OK, bool)
    first_text, last_text, text_chunks = _text_bounds(timeline)
    sent, end = seconds(requests["sent_ns"]), seconds(requests["end_ns"])
    start = np.where(requests["connect_start_ns"] == MISSING, sent, seconds(requests["connect_start_ns"]))
    ttft = np.where(succeeded, first_text - sent, np.nan)
    e2e = np.where(succeeded, end - sent, np.nan)
    output_tokens, source = output_token_counts(timeline, text_chunks)
    server_input = requests["server_input_tokens"]
    with np.errstate(divide="ignore", invalid="ignore"):
        tpot = np.where(
            succeeded & (output_tokens > 1) & (text_chunks > 1),
            (last_text - first_text) / (output_tokens - 1),
            np.nan,
        )
        throughput = np.where(e2e > 0, output_tokens / e2e, np.nan)
    connected = seconds(requests["connected_ns"])
    planned = seconds(requests["planned_ns"])
    return RequestMetrics(
        succeeded=succeeded,
        ttft_s=ttft,
        ttft_with_connection_s=np.where(succeeded, first_text - start, np.nan),
        time_per_output_token_s=tpot,
        end_to_end_latency_s=e2e,
        end_to_end_latency_with_connection_s=np.where(succeeded, end - start, np.nan),
        request_output_throughput_token_per_s=throughput,
        ttft_scheduled_s=np.where(succeeded, first_text - planned, np.nan),
        end_to_end_scheduled_s=np.where(succeeded, end - planned, np.nan),
        send_lateness_s=np.fmin(start, sent) - planned,
        connect_s=connected - seconds(requests["connect_start_ns"]),
        tls_s=seconds(requests["tls_ns"]) - connected,
        time_to_headers_s=np.where(succeeded, seconds(requests["headers_ns"]) - sent, np.nan),
        input_tokens=np.where(server_input == MISSING, requests["input_tokens"], server_input),
        output_tokens=output_tokens,
        text_chunks=text_chunks,
        output_tokens_source=source,
    )


def output_token_counts(timeline: Timeline, text_chunks: Column) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Output tokens of each request and where the count is from: server usage, else the tokenizer, else chunks."""
    server, tokenizer = (
        timeline.requests["server_output_tokens"],
        timeline.requests["tokenizer_output_tokens"],
    )
    counts = np.where(server != MISSING, server, np.where(tokenizer != MISSING, tokenizer, text_chunks))
    source = np.where(server != MISSING, SERVER, np.where(tokenizer != MISSING, TOKENIZER, CHUNKS))
    return counts.astype(np.int64), source.astype(object)


def chunk_tokens(timeline: Timeline) -> NDArray[np.int32]:
    """How many tokens each chunk holds; shape (chunks,), 0 for a chunk without text.

    A text chunk is one token unless something says more: the server's own running count where it gives
    one; else a request's tokens beyond one a chunk are spread over its chunks by their characters
    (largest remainder). One token more than chunks is an end-of-text token, which no chunk shows.
    """
    is_text = timeline.chunks["kind"] != OTHER
    tokens = is_text.astype(np.int32)
    _, _, text_chunks = _text_bounds(timeline)
    totals, _ = output_token_counts(timeline, text_chunks)
    running = timeline.chunks["cumulative_tokens"]
    for place in np.flatnonzero((totals > text_chunks + 1) & (text_chunks > 0)):
        span = slice(timeline.first_chunk[place], timeline.first_chunk[place + 1])
        text = np.flatnonzero(is_text[span]) + span.start
        counted = running[text]
        if np.all(counted != NO_COUNT) and np.all(np.diff(counted) >= 0):
            tokens[text] = np.maximum(np.diff(counted, prepend=0), 1)
            continue
        share = timeline.chunks["characters"][text] * (totals[place] / timeline.chunks["characters"][text].sum())
        whole = np.maximum(np.floor(share).astype(np.int64), 1)
        missing = int(totals[place] - whole.sum())
        if missing > 0:
            whole[np.argsort(-(share - whole), kind="stable")[:missing]] += 1
        while missing < 0:  # chunks that were raised to one token took it from the largest
            whole[np.argmax(whole)] -= 1
            missing += 1
        tokens[text] = whole
    return np.asarray(tokens, np.int32)


def inter_token_gaps(timeline: Timeline, tokens: NDArray[np.int32]) -> tuple[Floats, NDArray[np.int32] | None]:
    """Gaps between consecutive text chunks of requests that succeeded, pooled.

    Args:
        timeline: the requests.
        tokens: of each chunk, from :func:`chunk_tokens`.

    Returns:
        The gap divided by the k tokens of the chunk that ended it, in seconds, and k: the gap counts k times (None:
        every k is 1).
    """
    # Masks, not indices, and block by block: a million chunks are eight megabytes an array.
    is_text = timeline.chunks["kind"] != OTHER
    before = np.concatenate([[0], np.cumsum(is_text, dtype=np.int32)])[timeline.first_chunk]
    ends = np.ones(int(before[-1]), bool)  # a gap ends at each text chunk that is not its request's first
    ends[before[:-1][before[:-1] < len(ends)]] = False
    for place in np.flatnonzero(timeline.requests["state"] != OK):
        ends[before[place] : before[place + 1]] = False
    ends[:1] = False  # nothing is before the very first
    gaps = np.empty(int(ends.sum()))
    seen, filled, last_ns = 0, 0, np.empty(0, np.int64)
    for start in range(0, len(is_text), _BLOCK):
        span = slice(start, start + _BLOCK)
        arrival = timeline.chunks["arrival_ns"][span][is_text[span]]
        after = ends[seen : seen + len(arrival)] if len(last_ns) else ends[1 : len(arrival)]
        spans = np.diff(np.concatenate([last_ns, arrival]))[after]
        gaps[filled : filled + len(spans)] = spans
        seen, filled, last_ns = seen + len(arrival), filled + len(spans), arrival[-1:] if len(arrival) else last_ns
    gaps /= 1e9
    if not len(gaps) or tokens.max() <= 1:
        return gaps, None
    counts = np.maximum(tokens[is_text][1:][ends[1:]], 1)
    return gaps / counts, counts


def seconds(column: Column) -> Floats:
    """A column of ns as seconds, NaN where missing."""
    return np.where(column == MISSING, np.nan, column / 1e9)


def _text_bounds(timeline: Timeline) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Arrival of each request's first and last text chunk in seconds (NaN: none), and how many it has."""
    texts = np.cumsum(timeline.chunks["kind"] != OTHER, dtype=np.int32)  # how many until and with each chunk
    before = np.concatenate([[0], texts])[timeline.first_chunk]
    counts = np.diff(before).astype(np.int64)
    has = counts > 0
    if not has.any():
        nothing = np.full(len(counts), np.nan)
        return nothing, nothing, counts
    arrival, most = timeline.chunks["arrival_ns"], len(texts) - 1
    at = np.searchsorted(texts, before[:-1] + 1), np.searchsorted(texts, before[1:])
    first, last = (np.where(has, arrival[np.minimum(place, most)] / 1e9, np.nan) for place in at)
    return first, last, counts
