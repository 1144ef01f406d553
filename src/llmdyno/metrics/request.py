"""The figures of each request, and the gaps between its chunks.

It takes a timeline. It gives arrays, in seconds unless the name says otherwise, with NaN where a request has no such
figure. It does not know what was asked for, only what happened. The definitions are in docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from llmdyno.protocols.events import OTHER
from llmdyno.timeline.columns import MISSING, NO_COUNT, Column, Timeline
from llmdyno.timeline.record import OK

Floats = NDArray[np.float64]

_BLOCK = 1 << 17
"""How many chunks are worked on at a time, to save memory."""

SERVER, TOKENIZER, CHUNKS = "server", "tokenizer", "chunks"
"""Where the count of a request's output tokens comes from, best source first."""


@dataclass(frozen=True)
class RequestMetrics:
    """The figures of each request, all of shape (requests,).

    An output chunk holds answer text, reasoning text or a part of a tool call.

    Attributes:
        succeeded: whether the request was answered whole.
        ttft_s: first output chunk − send.
        time_per_output_token_s: (last output chunk − first) ÷ (output tokens − 1), from two tokens on.
        end_to_end_latency_s: last byte − send.
        request_output_throughput_token_per_s: output tokens ÷ end-to-end latency.
        ttft_with_connection_s, end_to_end_latency_with_connection_s: the same from the start of connecting, where a
            connection was opened for the request.
        ttft_scheduled_s, end_to_end_scheduled_s: the same from the planned instant, in an open loop.
        send_lateness_s: the send, or the start of connecting for it, − the planned instant.
        connect_s, tls_s: how long the TCP connect and the TLS handshake took.
        time_to_headers_s: first byte of the response − send.
        input_tokens: the server's count, or else ours.
        output_tokens: the server's count, or else the tokenizer's, or else `text_chunks`.
        text_chunks: how many output chunks arrived.
        output_tokens_source: :data:`SERVER`, :data:`TOKENIZER` or :data:`CHUNKS`.

    Latencies are NaN for requests that did not succeed; counts, connect times and lateness are there for all.
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

    def only(self, rows: Column | slice) -> RequestMetrics:
        """The figures of some requests: a mask of shape (requests,), indices, or a slice."""
        return RequestMetrics(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def request_metrics(timeline: Timeline) -> RequestMetrics:
    """The figures of every request. This is the only place that computes them: compute once and hand them on."""
    requests = timeline.requests
    succeeded = np.array(requests["state"] == OK, bool)
    first_output, last_output, text_chunks = _output_bounds(timeline)
    sent, end = seconds(requests["sent_ns"]), seconds(requests["end_ns"])
    start = np.where(requests["connect_start_ns"] == MISSING, sent, seconds(requests["connect_start_ns"]))
    ttft = np.where(succeeded, first_output - sent, np.nan)
    e2e = np.where(succeeded, end - sent, np.nan)
    output_tokens, source = _output_token_counts(timeline, text_chunks)
    server_input = requests["server_input_tokens"]
    with np.errstate(divide="ignore", invalid="ignore"):
        tpot = np.where(
            succeeded & (output_tokens > 1) & (text_chunks > 1),
            (last_output - first_output) / (output_tokens - 1),
            np.nan,
        )
        throughput = np.where(e2e > 0, output_tokens / e2e, np.nan)
    connected = seconds(requests["connected_ns"])
    planned = seconds(requests["planned_ns"])
    return RequestMetrics(
        succeeded=succeeded,
        ttft_s=ttft,
        ttft_with_connection_s=np.where(succeeded, first_output - start, np.nan),
        time_per_output_token_s=tpot,
        end_to_end_latency_s=e2e,
        end_to_end_latency_with_connection_s=np.where(succeeded, end - start, np.nan),
        request_output_throughput_token_per_s=throughput,
        ttft_scheduled_s=np.where(succeeded, first_output - planned, np.nan),
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


def _output_token_counts(timeline: Timeline, text_chunks: Column) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """The output tokens of each request and where the count comes from; each of shape (requests,)."""
    server = timeline.requests["server_output_tokens"]
    tokenizer = timeline.requests["tokenizer_output_tokens"]
    counts = np.where(server != MISSING, server, np.where(tokenizer != MISSING, tokenizer, text_chunks))
    source = np.where(server != MISSING, SERVER, np.where(tokenizer != MISSING, TOKENIZER, CHUNKS))
    return counts.astype(np.int64), source.astype(object)


def chunk_tokens(timeline: Timeline, figures: RequestMetrics) -> NDArray[np.int32]:
    """How many tokens each chunk holds; shape (chunks,), 0 for a chunk without output.

    An output chunk is one token, with two exceptions. If the server sends a running count of tokens, that count says
    what each chunk holds. Otherwise, if a request has more tokens than chunks, its tokens are spread over the chunks
    by their characters (largest remainder). One token more than chunks is an end-of-text token: no chunk shows it.

    Args:
        timeline: the requests.
        figures: of the same requests.
    """
    is_output = timeline.chunks["kind"] != OTHER
    tokens = is_output.astype(np.int32)
    totals, counts = figures.output_tokens, figures.text_chunks
    for index in np.flatnonzero((totals > counts + 1) & (counts > 0)):
        start, end = timeline.first_chunk[index], timeline.first_chunk[index + 1]
        outputs = np.flatnonzero(is_output[start:end]) + start
        running = timeline.chunks["cumulative_tokens"][outputs]
        if np.all(running != NO_COUNT) and np.all(np.diff(running) >= 0):
            tokens[outputs] = np.maximum(np.diff(running, prepend=0), 1)
        else:
            tokens[outputs] = _spread(int(totals[index]), timeline.chunks["characters"][outputs])
    return np.asarray(tokens, np.int32)


def _spread(total: int, characters: Column) -> Column:
    """`total` tokens over chunks in proportion to their characters, at least one each; shape (chunks,)."""
    share = characters * (total / characters.sum())
    whole: Column = np.maximum(np.floor(share).astype(np.int64), 1)
    missing = int(total - whole.sum())
    if missing > 0:
        whole[np.argsort(-(share - whole), kind="stable")[:missing]] += 1
    for _ in range(-missing):  # chunks that were raised to one token took it from the largest
        whole[np.argmax(whole)] -= 1
    return whole


def inter_token_gaps(timeline: Timeline, tokens: NDArray[np.int32]) -> tuple[Floats, NDArray[np.int32] | None]:
    """The gaps between consecutive output chunks of requests that succeeded, pooled.

    Args:
        timeline: the requests.
        tokens: of each chunk, from :func:`chunk_tokens`.

    Returns:
        Each gap in seconds, divided by the k tokens of the chunk that ended it, and k: the gap counts k times. None
        instead of k means that every k is 1. Both have the shape (gaps,).
    """
    is_output = timeline.chunks["kind"] != OTHER
    ends = _gap_ends(timeline, is_output)
    gaps = _gaps_s(timeline.chunks["arrival_ns"], is_output, ends)
    if not len(gaps) or tokens.max() <= 1:
        return gaps, None
    counts = np.maximum(tokens[is_output][1:][ends[1:]], 1)
    return gaps / counts, counts


def _gap_ends(timeline: Timeline, is_output: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a gap ends at each output chunk: it is not the first of its request, and the request succeeded.

    The shape is (output chunks,).
    """
    before = np.concatenate([[0], np.cumsum(is_output, dtype=np.int32)])[timeline.first_chunk]
    ends = np.ones(int(before[-1]), bool)
    ends[before[:-1][before[:-1] < len(ends)]] = False
    for index in np.flatnonzero(timeline.requests["state"] != OK):
        ends[before[index] : before[index + 1]] = False
    ends[:1] = False  # there is no chunk before the very first
    return ends


def _gaps_s(arrival_ns: Column, is_output: NDArray[np.bool_], ends: NDArray[np.bool_]) -> Floats:
    """The gap in seconds before each output chunk for which `ends` holds.

    It works with masks and block by block, since a million chunks take eight megabytes an array.
    """
    gaps = np.empty(int(ends.sum()))
    seen, filled, last_ns = 0, 0, np.empty(0, np.int64)
    for start in range(0, len(is_output), _BLOCK):
        block = slice(start, start + _BLOCK)
        arrival = arrival_ns[block][is_output[block]]
        after = ends[seen : seen + len(arrival)] if len(last_ns) else ends[1 : len(arrival)]
        found = np.diff(np.concatenate([last_ns, arrival]))[after]
        gaps[filled : filled + len(found)] = found
        seen, filled, last_ns = seen + len(arrival), filled + len(found), arrival[-1:] if len(arrival) else last_ns
    gaps /= 1e9
    return gaps


def seconds(column: Column) -> Floats:
    """A column of ns in seconds, with NaN where it is missing."""
    return np.where(column == MISSING, np.nan, column / 1e9)


def _output_bounds(timeline: Timeline) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The arrival of each request's first and last output chunk in seconds (NaN: none), and how many it has."""
    seen = np.cumsum(timeline.chunks["kind"] != OTHER, dtype=np.int32)  # output chunks up to and including each chunk
    before = np.concatenate([[0], seen])[timeline.first_chunk]
    counts = np.diff(before).astype(np.int64)
    has_output = counts > 0
    if not has_output.any():
        nothing = np.full(len(counts), np.nan)
        return nothing, nothing, counts
    arrival, largest = timeline.chunks["arrival_ns"], len(seen) - 1
    bounds = np.searchsorted(seen, before[:-1] + 1), np.searchsorted(seen, before[1:])
    first, last = (np.where(has_output, arrival[np.minimum(index, largest)] / 1e9, np.nan) for index in bounds)
    return first, last, counts
