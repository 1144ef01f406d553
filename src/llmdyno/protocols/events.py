"""What a decoder gives: one event for each chunk of a response's stream, plus what was wrong with it.

A chunk is one event of the stream, not a token. An event knows the place in the body where it was
complete, so that whoever holds the arrival of each byte can say when it arrived.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

OTHER, TEXT, REASONING = 0, 1, 2
"""Kinds of chunk: without text (role, finish reason, usage, end mark), answer text, reasoning text."""

HTTP_STATUS = "http_status"
BROKEN_STREAM = "broken_stream"
MALFORMED_EVENT = "malformed_event"
STREAM_ERROR = "stream_error"
"""Kinds of failure that a response's bytes show; the engine knows more (connect, tls, timeout)."""


class Failure(NamedTuple):
    """What went wrong: a kind, the status or code if there is one, a message for a person, the server's name for it."""

    kind: str
    code: int | None
    message: str
    type: str | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One chunk. `end`: bytes of the body up to and including it. Counts are the server's own, when it gave any;
    `response_id` is its name for the answer, in the first chunk alone; the two latencies are its own measurement of
    the whole answer and of the first byte, where it tells them."""

    end: int
    kind: int = OTHER
    text: str = ""
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    failure: Failure | None = None
    response_id: str | None = None
    server_latency_ms: int | None = None
    server_first_byte_ms: int | None = None


class Decoder(Protocol):
    """One response's decoder; made anew for each response."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that became complete with these bytes."""

    def close(self) -> list[Event]:
        """What the end of the body completes, and a failure if it came too early."""
