"""One request's record, as the engine ends it and the journal keeps it.

Times are ns on the host's monotonic clock. A time that never came is None. The chunks' arrays are
packed little-endian bytes, so that a record costs the same to write however many chunks it has.
"""

from __future__ import annotations

from array import array

import msgspec

from llmdyno.protocols.events import TEXT

OK, FAILED, CANCELLED = "ok", "failed", "cancelled"
"""States: answered whole; failed (see `error_kind`); stopped by the user before its end."""

CONNECT, TLS, TIMEOUT = "connect", "tls", "timeout"
"""Kinds of failure that are the engine's to see; the protocols room names the others."""

KERNEL, USER, SDK = "kernel", "user", "sdk"
"""Clocks: arrival as the kernel stamped it, as the socket was read, or as a client library's iterator gave it out."""


class RequestRecord(msgspec.Struct, kw_only=True):
    """What happened to one request.

    `sent_ns` is the moment before its first byte was written; `connect_start_ns`, `connected_ns` and
    `tls_ns` are set when a connection was opened for it. `headers_ns` is the arrival of the answer's
    first byte, `end_ns` of its last, or the moment it was given up. `clock` says who stamped arrivals.
    `response_id` is the server's name for the answer, for finding it in the server's own logs.
    `server_latency_ms` and `server_first_byte_ms` are the server's own measurement, where it gives one. `sign_ns` is
    what signing the request cost, before `sent_ns`. `error_type` is the server's name for an error.
    `attempt` is 0 but for a throttled request that was sent again, whose number then is 10¹² higher each time.
    `reconnects` counts idle connections that the server had closed before this request could use one.
    `text` is the answer, where it is needed later; `body` its bytes, where they are to be read after the run: until
    then each of its reads stands as a chunk without text, `sizes` in bytes.

    For each chunk (event of the stream), in order: `arrivals` and `reads` (int64, ns; when it reached
    this host, and when the engine read it), `kinds` (int8, see the protocols room) and `sizes` (int32,
    characters of text). `cumulative_tokens` (int32) is there only where the server counts in each chunk.
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
    attempt: int = 0
    clock: str = USER
    input_tokens: int = 0
    max_tokens: int = 0
    server_input_tokens: int | None = None
    server_output_tokens: int | None = None
    finish_reason: str | None = None
    body_bytes: int = 0
    response_id: str | None = None
    server_latency_ms: int | None = None
    server_first_byte_ms: int | None = None
    sign_ns: int | None = None
    text: str | None = None
    body: bytes | None = None
    arrivals: bytes = b""
    reads: bytes = b""
    kinds: bytes = b""
    sizes: bytes = b""
    cumulative_tokens: bytes = b""


def answer_of(record: RequestRecord) -> str:
    """The answer's own text, without reasoning; empty where the text was not kept."""
    sizes, kinds, place, parts = array("i", record.sizes), record.kinds, 0, []
    for size, kind in zip(sizes, kinds, strict=True):
        if kind == TEXT:
            parts.append((record.text or "")[place : place + size])
        place += size
    return "".join(parts)
