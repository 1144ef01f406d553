"""The figures of each request, and the gaps between its chunks.

It takes a timeline. It gives arrays, in seconds unless the name says otherwise, with NaN where a request has no such
figure. It does not know what was asked for, only what happened. The definitions are in docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from llmdyno.protocols.events import OTHER, REASONING, TOOL
from llmdyno.timeline.columns import MISSING, NO_COUNT, Column, Timeline
from llmdyno.timeline.record import OK

Floats = NDArray[np.float64]

_BLOCK = 1 << 17
"""How many chunks are worked on at a time, to save memory."""

_FRAME_TOKENS = 16
"""This many tokens a server may count for the frame of an answer: its end, the marks around reasoning."""

_LARGEST_COUNT = 1 << 31
"""A larger count is no number of tokens, and the column of a chunk's tokens could not hold it."""

SERVER, TOKENIZER, CHUNKS = "server", "tokenizer", "chunks"
"""Where the count of a request's output tokens comes from, best source first."""


@dataclass(frozen=True)
class RequestMetrics:
    """The figures of each request, all of shape (requests,).

    An output chunk holds answer text, reasoning text, a part of a tool call or a refusal.

    Attributes:
        succeeded: whether the request was answered whole.
        ttft_s: first output chunk − send.
        ttfr_s: first reasoning chunk − send.
        ttfa_s: first chunk of the answer proper (text, tool call or refusal) − send.
        time_per_output_token_s: (last output chunk − first) ÷ (visible output tokens − 1), from two tokens on.
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
        hidden_tokens: output tokens that the server counts and does not stream; see :func:`_hidden_tokens`. The others
            are visible.
        text_chunks: how many output chunks arrived.
        output_tokens_source: :data:`SERVER`, :data:`TOKENIZER` or :data:`CHUNKS`.

    Latencies are NaN for requests that did not succeed; counts, connect times and lateness are there for all.
    """

    succeeded: NDArray[np.bool_]
    ttft_s: Floats
    ttfr_s: Floats
    ttfa_s: Floats
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
    hidden_tokens: NDArray[np.int64]
    text_chunks: NDArray[np.int64]
    output_tokens_source: NDArray[np.object_]

    def only(self, rows: Column | slice) -> RequestMetrics:
        """The figures of some requests: a mask of shape (requests,), indices, or a slice."""
        return RequestMetrics(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def request_metrics(timeline: Timeline) -> RequestMetrics:
    """The figures of every request. This is the only place that computes them: compute once and hand them on."""
    requests = timeline.requests
    succeeded = np.array(requests["state"] == OK, bool)
    first_output, last_output, text_chunks = _bounds(timeline, timeline.chunks["kind"] != OTHER)
    first_reasoning, first_answer, reasoning_chunks = _firsts(timeline, first_output)
    sent, end = seconds(requests["sent_ns"]), seconds(requests["end_ns"])
    start = np.where(requests["connect_start_ns"] == MISSING, sent, seconds(requests["connect_start_ns"]))
    ttft = np.where(succeeded, first_output - sent, np.nan)
    e2e = np.where(succeeded, end - sent, np.nan)
    output_tokens, source = _output_token_counts(timeline, text_chunks)
    hidden = _hidden_tokens(timeline, output_tokens, text_chunks, reasoning_chunks)
    visible = output_tokens - hidden
    server_input = requests["server_input_tokens"]
    with np.errstate(divide="ignore", invalid="ignore"):
        tpot = np.where(
            succeeded & (visible > 1) & (text_chunks > 1),
            (last_output - first_output) / (visible - 1),
            np.nan,
        )
        throughput = np.where(e2e > 0, output_tokens / e2e, np.nan)
    connected = seconds(requests["connected_ns"])
    planned = seconds(requests["planned_ns"])
    return RequestMetrics(
        succeeded=succeeded,
        ttft_s=ttft,
        ttfr_s=np.where(succeeded, first_reasoning - sent, np.nan),
        ttfa_s=np.where(succeeded, first_answer - sent, np.nan),
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
        hidden_tokens=hidden,
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


def _firsts(timeline: Timeline, first_output: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The arrival of each request's first reasoning chunk and first answer chunk in s, and its reasoning chunks."""
    kind = timeline.chunks["kind"]
    reasoning = kind == REASONING
    if not reasoning.any():
        return np.full(len(timeline), np.nan), first_output, np.zeros(len(timeline), np.int64)
    first_reasoning, _, count = _bounds(timeline, reasoning)
    first_answer, _, _ = _bounds(timeline, (kind != OTHER) & ~reasoning)
    return first_reasoning, first_answer, count


def _hidden_tokens(
    timeline: Timeline, output_tokens: Column, text_chunks: Column, reasoning_chunks: Column
) -> NDArray[np.int64]:
    """How many output tokens of each request the server counts and does not stream; shape (requests,).

    - No reasoning was streamed: the reasoning tokens that the server counts. A server may count them beside its output
      tokens rather than among them. So at least one token remains for each output chunk, and none is hidden if there
      are more reasoning tokens than output tokens.
    - Reasoning was streamed with fewer than half a character a token: it is a summary. All but one token for each of
      its chunks are hidden.
    - The server does not name its reasoning tokens, and its output tokens have fewer than half a character each: no
      text is that dense, so all but one token for each chunk are hidden. This is not said of tool calls, whose frame
      is never streamed, or of a count above max_tokens, which is doubtful itself.
    """
    requests = timeline.requests
    room = np.maximum(output_tokens - text_chunks, 0)
    counted = np.where(requests["reasoning_tokens"] == MISSING, 0, np.maximum(requests["reasoning_tokens"], 0))
    counted = np.where(counted <= output_tokens, counted, 0)
    from_server = requests["server_output_tokens"] != MISSING
    hidden = np.where(from_server & (reasoning_chunks == 0), np.minimum(counted, room), 0)
    for index in np.flatnonzero(from_server & (hidden == 0) & (text_chunks > 0) & (room > _FRAME_TOKENS)):
        chunks = slice(timeline.first_chunk[index], timeline.first_chunk[index + 1])
        kinds, characters = timeline.chunks["kind"][chunks], timeline.chunks["characters"][chunks]
        summary = counted[index] > 0 and reasoning_chunks[index] > 0
        doubtful = output_tokens[index] > requests["max_tokens"][index] or bool((kinds == TOOL).any())
        if summary and _too_dense(counted[index], characters[kinds == REASONING]):
            hidden[index] = min(counted[index] - reasoning_chunks[index], room[index])
        elif not summary and not doubtful and _too_dense(output_tokens[index], characters[kinds != OTHER]):
            hidden[index] = room[index]
    return np.asarray(hidden, np.int64)


def _too_dense(tokens: int, characters: Column) -> bool:
    """Whether chunks with these characters have too little text for this number of tokens."""
    return tokens > 2 * int(characters.sum()) + _FRAME_TOKENS


def chunk_tokens(timeline: Timeline, figures: RequestMetrics) -> NDArray[np.int32]:
    """How many tokens each chunk holds; shape (chunks,), 0 for a chunk without output.

    An output chunk is one token, with two exceptions. If the server sends a running count of tokens, that count says
    what each chunk holds. Otherwise, if a request has more visible tokens than chunks, they are spread over the chunks
    by their characters (largest remainder). One token more than chunks, without a running count, is an end-of-text
    token: no chunk shows it.

    Args:
        timeline: the requests.
        figures: of the same requests.
    """
    is_output = timeline.chunks["kind"] != OTHER
    tokens = is_output.astype(np.int32)
    totals, counts = figures.output_tokens, figures.text_chunks
    visible = totals - figures.hidden_tokens
    running_counts = bool((timeline.chunks["cumulative_tokens"] != NO_COUNT).any())
    more = (totals > counts) if running_counts else (visible > counts + 1)
    for index in np.flatnonzero(more & (counts > 0)):
        start, end = timeline.first_chunk[index], timeline.first_chunk[index + 1]
        outputs = np.flatnonzero(is_output[start:end]) + start
        steps = _running_steps(timeline.chunks["cumulative_tokens"][outputs], int(totals[index]))
        if steps is not None:
            hidden = int(figures.hidden_tokens[index])
            if hidden:  # they were counted before the chunk that the count jumps at
                largest = int(np.argmax(steps))
                steps[largest] = max(1, steps[largest] - hidden)
            tokens[outputs] = steps
        elif counts[index] + 1 < visible[index] < _LARGEST_COUNT:
            reasoning = int(timeline.requests["reasoning_tokens"][index] - figures.hidden_tokens[index])
            tokens[outputs] = _spread_by_kind(timeline, outputs, int(visible[index]), reasoning)
    return np.asarray(tokens, np.int32)


def _running_steps(running: Column, total: int) -> Column | None:
    """The tokens of each output chunk by the server's running count; None: there is no such count, or it is no sum.

    A count that does not run, such as the whole answer's count in every chunk, adds up to more than the total.
    """
    if not np.all(running != NO_COUNT) or not np.all(np.diff(running) >= 0):
        return None
    steps: Column = np.maximum(np.diff(running, prepend=0), 1)
    return steps if int(steps.sum()) <= total + 1 else None


def _spread_by_kind(timeline: Timeline, outputs: Column, total: int, reasoning: int) -> Column:
    """`total` tokens over the output chunks of a request.

    The reasoning chunks get `reasoning` of them where that leaves at least one for every chunk.
    """
    characters = timeline.chunks["characters"][outputs]
    is_reasoning = timeline.chunks["kind"][outputs] == REASONING
    count = int(is_reasoning.sum())
    if not 0 < count < len(outputs) or not count <= reasoning <= total - (len(outputs) - count):
        return _spread(total, characters)
    tokens = np.empty(len(outputs), np.int64)
    tokens[is_reasoning] = _spread(reasoning, characters[is_reasoning])
    tokens[~is_reasoning] = _spread(total - reasoning, characters[~is_reasoning])
    return tokens


def _spread(total: int, characters: Column) -> Column:
    """`total` tokens over chunks in proportion to their characters, at least one each; shape (chunks,)."""
    weights = characters if characters.sum() else np.ones(len(characters))
    share = weights * (total / weights.sum())
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


def _bounds(timeline: Timeline, of_kind: NDArray[np.bool_]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The arrival of each request's first and last chunk of a kind in seconds (NaN: none), and how many it has.

    `of_kind`: whether each chunk is of the kind, shape (chunks,).
    """
    seen = np.cumsum(of_kind, dtype=np.int32)  # chunks of the kind up to and including each chunk
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
