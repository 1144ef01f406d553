"""What a decoder gives: an event for each chunk of a response's stream, and the failure if there was one.

A chunk is one event of the stream, not a token. An event says at which byte of the body it was complete. A
transport knows when each byte arrived, so it can tell when the event arrived. This module does not know that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

OTHER, TEXT, REASONING, TOOL, REFUSAL = 0, 1, 2, 3, 4
"""Kinds of chunk: no output (role, finish reason, usage, end mark), answer text, reasoning text, part of a tool call.
Every kind but OTHER is output of the model and counts as such."""

HTTP_STATUS = "http_status"
BROKEN_STREAM = "broken_stream"
MALFORMED_EVENT = "malformed_event"
STREAM_ERROR = "stream_error"
ABORTED = "aborted"
EMPTY = "empty_answer"
"""Kinds of failure that a response's bytes show. The transport adds those of the connection (connect, tls, timeout).
`aborted`: the server ended the answer early and says so in the finish reason. `empty_answer`: a whole answer without
any output."""

_ABORTS = (
    "abort",
    "cancel",
    "crash",
    "deadline",
    "disconnect",
    "error",
    "evict",
    "exception",
    "expired",
    "fail",
    "insufficient_system_resource",
    "interrupt",
    "killed",
    "malformed",
    "out_of_memory",
    "overload",
    "preempt",
    "timeout",
    "timed_out",
    "timed out",
    "unavailable",
)
"""Words in a finish reason that say that the server gave the answer up."""

_NORMAL_ENDS = frozenset(
    {
        "complete",
        "completed",
        "end",
        "end_of_turn",
        "end_turn",
        "eos",
        "eos_token",
        "finish",
        "finished",
        "stop",
        "stop_sequence",
        "stop_token",
    }
)


def finish_reason_of(value: Any) -> str | None:
    """A finish reason; None where a server sends none, or an empty text or the name of nothing instead.

    A reason may be an object with the reason as its `type`.
    """
    if isinstance(value, dict):
        value = value.get("type")
    if not isinstance(value, str) or value.strip().lower() in ("", "null", "none"):
        return None
    return value[:200]


def first_reason(places: Iterable[Mapping[str, Any]]) -> str | None:
    """The finish reason of a chunk: an abort if one of the places has one, else the first; None: it has none.

    Args:
        places: the choices, and the chunk itself.
    """
    found = None
    for place in places:
        delta = place.get("delta")
        inside = delta.get("finish_reason") if isinstance(delta, dict) else None
        for value in (place.get("finish_reason"), place.get("stop_reason"), inside):
            if value and (reason := finish_reason_of(value)) is not None:
                if is_abort(reason):
                    return reason
                found = found or reason
                break
    return found


def is_abort(finish_reason: str) -> bool:
    """Whether a finish reason says that the server gave the answer up: an abort, an error, a cancellation."""
    reason = finish_reason.lower()
    return any(word in reason for word in _ABORTS)


def is_normal_end(finish_reason: str) -> bool:
    """Whether a finish reason says that the model ended its answer itself."""
    return finish_reason.strip().lower() in _NORMAL_ENDS


class Failure(NamedTuple):
    """What went wrong: its kind, the status or code if there is one, a message for a person, the server's name for
    the error."""

    kind: str
    code: int | None
    message: str
    type: str | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One chunk.

    `end` is the number of bytes of the body up to and including it. `text` is its output, of the given `kind`. The
    token counts are the server's, cumulative; None where this chunk has none. `response_id` is the server's name for
    the answer; only the first chunk has it. `server_latency_ms` and `server_first_byte_ms` are the server's own
    measurement of the whole answer and of its first byte. `cached_input_tokens` came from the server's cache;
    `reasoning_tokens` are those of the output tokens that are reasoning, streamed or not. `end_mark`: the
    stream's own end, such as ``[DONE]``; nothing counts after it. `service_tier`: the tier that served the request, as
    the server says. An event with a `failure` is no chunk.
    """

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
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    end_mark: bool = False
    service_tier: str | None = None


def cut_off(events: list[Event], number: int) -> list[Event]:
    """The events of a stream's last event, which has no end: if it cannot be read, the stream ended inside it.

    Args:
        events: what was decoded from it.
        number: its number in the stream, for the message.
    """
    failure = events[-1].failure if events else None
    if failure is None or failure.kind != MALFORMED_EVENT:
        return events
    message = f"the stream ended inside event {number}"
    return [Event(events[-1].end, failure=Failure(BROKEN_STREAM, None, message))]


class Decoder(Protocol):
    """The decoder of one response; each response needs a new one. It gives the same events for every split of the
    same bytes."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that became complete with these bytes."""

    def close(self) -> list[Event]:
        """The events that the end of the body completes, and a failure if the body ended too early."""
