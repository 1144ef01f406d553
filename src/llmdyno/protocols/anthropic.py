"""Anthropic's Messages API, streamed.

It takes an envelope and messages, or the bytes of a response's body in any pieces. It gives a request, or events.
It does not know who sends the request or when the bytes arrived. Shapes: Anthropic's API reference ("Messages" and
"Streaming messages"). Each server-sent event is one JSON object, and its `type` says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llmdyno.protocols.dialect import (
    Dialect,
    Envelope,
    HeaderFacts,
    HttpRequest,
    Refusals,
    chat_messages,
    error_type_in_body,
    message_of,
    without_nulls,
)
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    MALFORMED_EVENT,
    OTHER,
    REASONING,
    STREAM_ERROR,
    TEXT,
    TOOL,
    Event,
    Failure,
)
from llmdyno.protocols.sse import SseDecoder
from llmdyno.workload.session import Messages

VERSION = "2023-06-01"
"""The version of the API, in the header `anthropic-version`."""

REFUSALS = Refusals(
    throttled=frozenset({"rate_limit_error", "overloaded_error"}),
    statuses=frozenset({429, 529}),
    remedies={
        "authentication_error": "check the API key",
        "permission_error": "check that the API key may use this model",
        "not_found_error": "check the model and the base URL",
        "invalid_request_error": "check the model, max_tokens and --extra-body",
        "request_too_large": "ask for shorter prompts",
        "billing_error": "check the account's billing",
    },
)
"""A rate limit is 429, an overloaded service is 529. A model is always ready."""

_TOOL_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_TYPES = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    usage: _Usage | None = None


class _Block(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    name: str | None = None
    input: Any = None


class _Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


class _Typed(msgspec.Struct):
    type: str


_decode = msgspec.json.Decoder(_Event).decode
_decode_type = msgspec.json.Decoder(_Typed).decode


class AnthropicDecoder:
    """Decodes one response. Nothing counts after `message_stop`, or after an event that is a failure."""

    def __init__(self) -> None:
        self._sse = SseDecoder()
        self._events = 0
        self._end = 0
        self._over = False
        self._stop_reason: str | None = None
        self._input = (0, 0, 0)

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes."""
        return self._read(self._sse.feed(data))

    def close(self) -> list[Event]:
        """The last event, if its blank line is missing, and a failure if the answer did not end."""
        events = self._read(self._sse.close())
        if self._over or self._stop_reason is not None:
            return events
        if self._events:
            message = f"the stream ended after {self._events} events with neither stop_reason nor message_stop"
            failure = Failure(BROKEN_STREAM, None, message)
        else:
            failure = Failure(MALFORMED_EVENT, None, "the answer holds no event")
        return [*events, Event(self._end, failure=failure)]

    def _read(self, found: list[tuple[int, bytes]]) -> list[Event]:
        events: list[Event] = []
        for end, payload in found:
            if self._over:
                break
            self._events += 1
            self._end = end
            events.append(self._event(end, payload))
        return events

    def _event(self, end: int, payload: bytes) -> Event:
        try:
            value = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if _is_of_unknown_type(payload):
                return Event(end)
            self._over = True
            shown = payload[:80].decode("utf-8", "replace")
            return Event(end, failure=Failure(MALFORMED_EVENT, None, f"event {self._events} ({shown!r}): {error}"))
        if value.type == "content_block_delta" and value.delta is not None:
            kind, text = _delta_output(value.delta)
            return Event(end, kind, text)
        if value.type == "content_block_start" and value.content_block is not None:
            kind, text = _block_output(value.content_block)
            return Event(end, kind, text)
        if value.type == "message_start" and value.message is not None:
            # Its output count is a placeholder. The real one comes with message_delta.
            return Event(end, input_tokens=self._input_tokens(value.message.usage), response_id=value.message.id)
        if value.type == "message_delta":
            return self._message_delta(end, value)
        if value.type == "message_stop":
            self._over = True
        elif value.type == "error":
            self._over = True
            return Event(end, failure=_stream_error(value.error))
        return Event(end)

    def _message_delta(self, end: int, value: _Event) -> Event:
        reason = value.delta.stop_reason if value.delta is not None else None
        self._stop_reason = reason or self._stop_reason
        if value.usage is None:
            return Event(end, finish_reason=reason)
        counts = self._input_tokens(value.usage), value.usage.output_tokens
        return Event(end, OTHER, "", reason, *counts)

    def _input_tokens(self, usage: _Usage | None) -> int | None:
        """All input tokens, cached ones included; None while the server has counted none.

        Counts are cumulative, and some servers know them only at the end: the larger count of each sort holds.
        """
        if usage is not None:
            told = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
            known, created, read = (max(before, now or 0) for before, now in zip(self._input, told, strict=True))
            self._input = known, created, read
        return sum(self._input) or None


def _is_of_unknown_type(payload: bytes) -> bool:
    """Whether this is an event of a type that did not exist when this was written; such an event is ignored."""
    try:
        return _decode_type(payload).type not in _TYPES
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _delta_output(delta: _Delta) -> tuple[int, str]:
    """The kind of chunk and the text of a delta; signatures and citations hold no output."""
    if delta.type == "text_delta" and delta.text:
        return TEXT, delta.text
    if delta.type == "thinking_delta" and delta.thinking:
        return REASONING, delta.thinking
    if delta.type == "input_json_delta" and delta.partial_json:
        return TOOL, delta.partial_json
    return OTHER, ""


def _block_output(block: _Block) -> tuple[int, str]:
    """The kind of chunk and the text that a block begins with: often none, for a tool call the tool's name.

    The model wrote the name. Most servers send the tool's input afterwards, in deltas; some send it here, whole.
    """
    if block.type == "text" and block.text:
        return TEXT, block.text
    if block.type == "thinking" and block.thinking:
        return REASONING, block.thinking
    if block.type in _TOOL_CALLS:
        given = msgspec.json.encode(block.input).decode() if block.input else ""
        text = (block.name or "") + given
        return (TOOL if text else OTHER), text
    return OTHER, ""


def _stream_error(error: Any) -> Failure:
    name = error.get("type") if isinstance(error, dict) else None
    text = message_of(error)[:300] if error else "an error event without a message"
    return Failure(STREAM_ERROR, None, text, name if isinstance(name, str) else None)


def encode_messages(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /messages``.

    System messages go into the field `system`. A field of `extra_body` replaces ours, and a null removes it. A header
    of the user's replaces ours. The API has no field for `ignore_eos`.
    """
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    body: dict[str, Any] = {
        "model": envelope.model,
        "max_tokens": max_tokens,
        "system": system or None,
        "messages": chat_messages(tuple(message for message in messages if message.role != "system")),
        "stream": True,
        "temperature": envelope.temperature,
        **envelope.extra_body,
    }
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "anthropic-version": VERSION,
        **({"x-api-key": envelope.api_key} if envelope.api_key else {}),
    }
    encoded = msgspec.json.encode(without_nulls(body))
    return HttpRequest("POST", f"{envelope.path}/messages", envelope.with_own_headers(headers), encoded)


def header_facts(headers: Mapping[bytes, bytes]) -> HeaderFacts:
    """The request's ID, from the header `request-id`."""
    found = headers.get(b"request-id")
    return HeaderFacts(found.decode("latin-1") if found is not None else None)


MESSAGES = Dialect(
    "anthropic messages",
    encode_messages,
    AnthropicDecoder,
    "text/event-stream",
    error_type_in_body,
    REFUSALS,
    header_facts,
    b'{"type":"message_stop"',
)
