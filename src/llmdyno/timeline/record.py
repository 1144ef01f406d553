"""The record of one request, as the journal keeps it.

It holds facts and computes no figure. Times are in ns on the host's monotonic clock; a time that did not come is None.
The arrays of the chunks are packed little-endian bytes, so that writing a record costs little even with many chunks.
"""

from __future__ import annotations

from array import array

import msgspec

from llmdyno.protocols.events import TEXT

OK, FAILED, CANCELLED = "ok", "failed", "cancelled"
"""States: answered whole; failed, as `error_kind` says; stopped by the user before its end."""

CONNECT, TLS, TIMEOUT = "connect", "tls", "timeout"
"""Kinds of failure that the transport sees; :mod:`llmdyno.protocols.events` has those that the bytes show."""

KERNEL, USER, SDK = "kernel", "user", "sdk"
"""Clocks: arrivals were stamped by the kernel, at the read of the socket, or at a client library's iterator."""


class RequestRecord(msgspec.Struct, kw_only=True):
    """What happened to one request.

    Attributes:
        request: its number in the run. A throttled request that is sent again has a number that is 10¹² higher for
            each attempt, and `attempt` counts from 0.
        error_type: the server's name for the error.
        connect_start_ns, connected_ns, tls_ns: set if a connection was opened for it: start and end of the TCP
            connect, end of the TLS handshake.
        sent_ns: the time just before its first byte was written.
        headers_ns: the arrival of the first byte of the response.
        end_ns: the arrival of the last byte, or the time at which the request was given up.
        resends, first_sent_ns, resend_reason: how often it was written again because the server closed a kept
            connection at the very moment of the send; when it was first written; why it was written again. `sent_ns`
            is that of the last time.
        cached_input_tokens, reasoning_tokens: the server's counts; None: it gives none.
        reconnects: how many idle connections the server had closed before this request could use one.
        clock: what stamped the arrivals.
        response_id: the server's name for the response, as in the server's own logs.
        server_latency_ms, server_first_byte_ms: the server's own measurement, if it sends one.
        service_tier: the tier that served the request, as the server says; None: it does not say.
        emulated: the label of an emulator, in the first record of a run that has one. If the run is killed, nothing
            else says that its endpoint was emulated.
        sign_ns: how long signing the request took, before `sent_ns`.
        text: the output of all chunks, if it is needed later; see :func:`answer_of`.
        body: the bytes of the response, if they are decoded after the run only. Until then each read is a chunk of
            kind OTHER, with its bytes as `sizes`.
        arrivals, reads: when each chunk reached this host and when it was read; int64, ns.
        kinds: each chunk's kind, as in :mod:`llmdyno.protocols.events`; int8.
        sizes: how many characters of output each chunk holds; int32.
        cumulative_tokens: the server's running count of output tokens at each chunk; int32, and −1 for a chunk
            without a count. Empty if the server sends no such counts.
    """

    request: int
    phase: str
    user: int
    state: str = OK
    error_kind: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    error_type: str | None = None
    http_status: int | None = None
    planned_ns: int | None = None
    connect_start_ns: int | None = None
    connected_ns: int | None = None
    tls_ns: int | None = None
    sent_ns: int | None = None
    headers_ns: int | None = None
    end_ns: int | None = None
    reused: bool = False
    reconnects: int = 0
    resends: int = 0
    first_sent_ns: int | None = None
    resend_reason: str | None = None
    attempt: int = 0
    clock: str = USER
    input_tokens: int = 0
    max_tokens: int = 0
    server_input_tokens: int | None = None
    server_output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    body_bytes: int = 0
    response_id: str | None = None
    server_latency_ms: int | None = None
    server_first_byte_ms: int | None = None
    sign_ns: int | None = None
    service_tier: str | None = None
    emulated: str | msgspec.UnsetType = msgspec.UNSET
    text: str | None = None
    body: bytes | None = None
    arrivals: bytes = b""
    reads: bytes = b""
    kinds: bytes = b""
    sizes: bytes = b""
    cumulative_tokens: bytes = b""


def answer_of(record: RequestRecord) -> str:
    """The answer text alone, without reasoning and tool calls; empty if the text was not kept."""
    text, start, parts = record.text or "", 0, []
    for size, kind in zip(array("i", record.sizes), record.kinds, strict=True):
        if kind == TEXT:
            parts.append(text[start : start + size])
        start += size
    return "".join(parts)
