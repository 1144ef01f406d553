"""Anthropic's Messages API, streamed.

It takes an envelope and messages, or the bytes of a response's body in any pieces. It gives a request, or events.
It does not know who sends the request or when the bytes arrived. Shapes: Anthropic's API reference ("Messages" and
"Streaming messages"). Each server-sent event is one JSON object, and its `type` says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llmdyno.protocols.choices import tool_text
from llmdyno.protocols.dialect import (
    Dialect,
    Envelope,
    HeaderFacts,
    HttpRequest,
    Refusals,
    chat_messages,
    error_type_in_body,
    without_nulls,
)
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    MALFORMED_EVENT,
    OTHER,
    REASONING,
    TEXT,
    TOOL,
    Event,
    Failure,
    cut_off,
    finish_reason_of,
)
from llmdyno.protocols.server_error import failure_in, failure_in_words, failure_of, says_error, stray_failure
from llmdyno.protocols.sse import STRAY, SseDecoder, SseEvent
from llmdyno.protocols.usage import NO_USAGE, usage_of
from llmdyno.protocols.values import count_of, loads, object_of, text_in, without_surrogates
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


class _Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None


class _Piece(msgspec.Struct):
    type: str
    delta: _Delta | None = None


_decode = msgspec.json.Decoder(_Piece).decode


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
        events: list[Event] = []
        for found in self._sse.feed(data):
            if self._over:
                break
            events += self.read(found)
        return events

    def close(self) -> list[Event]:
        """The last event, if its blank line is missing, and a failure if the answer did not end."""
        events = [event for found in self._sse.close() for event in cut_off(self.read(found), self._events)]
        if self._over or self._stop_reason is not None:
            return events
        if self._events:
            message = f"the stream ended after {self._events} events with neither stop_reason nor message_stop"
            failure = Failure(BROKEN_STREAM, None, message)
        else:
            failure = Failure(MALFORMED_EVENT, None, "the answer holds no event")
        return [*events, Event(self._end, failure=failure)]

    def read(self, found: SseEvent) -> list[Event]:
        """The chunks of one event; Bedrock sends the same events in frames of its own."""
        end, name, payload = found
        if self._over or not payload or payload.isspace():
            return []
        if name == STRAY:
            failure = stray_failure(payload)
            return [self._failed(end, failure)] if failure is not None else []
        self._events += 1
        self._end = end
        try:  # nearly every event is a piece of output
            piece = _decode(payload)
            if piece.type == "content_block_delta" and piece.delta is not None:
                kind, text = _delta_output(piece.delta)
                return [Event(end, kind, text)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        return [self._event(end, name.decode("utf-8", "replace"), payload)]

    def _failed(self, end: int, failure: Failure) -> Event:
        self._over = True
        return Event(end, failure=failure)

    def _event(self, end: int, name: str, payload: bytes) -> Event:
        """Read an event of any type. A server that leaves out the field `type` has it as the name of the event."""
        if payload.strip() == b"[DONE]":  # some gateways end every stream so
            self._over = True
            return Event(end, end_mark=True)
        try:
            value = loads(payload)
            problem = "it is not an object with a type"
        except ValueError as error:
            value, problem = None, str(error)
        kind = text_in(value.get("type")) or name if isinstance(value, dict) else ""
        if kind == "error" or says_error(name.encode()):
            return self._failed(end, failure_of(value) if value is not None else failure_in_words(payload))
        if not isinstance(value, dict) or not kind:
            if (failure := failure_in(value)) is not None:
                return self._failed(end, failure)
            if name == "ping" or (name and name not in _TYPES):
                return Event(end)  # of another type, so no message
            shown = payload[:80].decode("utf-8", "replace")
            return self._failed(end, Failure(MALFORMED_EVENT, None, f"event {self._events} ({shown!r}): {problem}"))
        if (failure := failure_in({"error": value.get("error")})) is not None:
            return self._failed(end, failure)
        return self._known(end, kind, value)

    def _known(self, end: int, kind: str, value: dict[str, Any]) -> Event:
        if kind == "content_block_delta":
            delta = object_of(value.get("delta"))
            names = ("type", "text", "thinking", "partial_json")
            return Event(end, *_delta_output(_Delta(*(without_surrogates(text_in(delta.get(one))) for one in names))))
        if kind == "content_block_start":
            return Event(end, *_block_output(object_of(value.get("content_block"))))
        if kind == "message_start":
            # Its output count is a placeholder. The real one comes with message_delta.
            message = object_of(value.get("message"))
            usage = message.get("usage")
            return Event(
                end,
                input_tokens=self._input_tokens(usage),
                response_id=text_in(message.get("id"))[:300] or None,
                cached_input_tokens=usage_of(usage).cached,
                service_tier=text_in(object_of(usage).get("service_tier"))[:100] or None,
            )
        if kind == "message_delta":
            reason = finish_reason_of(object_of(value.get("delta")).get("stop_reason"))
            self._stop_reason = reason or self._stop_reason
            usage = usage_of(value.get("usage"))
            return Event(
                end,
                finish_reason=reason,
                input_tokens=self._input_tokens(value.get("usage")) if usage != NO_USAGE else None,
                output_tokens=usage.output,
                cached_input_tokens=usage.cached,
                reasoning_tokens=usage.reasoning,
            )
        if kind == "message_stop":
            self._over = True
        return Event(end, end_mark=self._over)

    def _input_tokens(self, usage: Any) -> int | None:
        """All input tokens, cached ones included; None while the server has counted none.

        Counts are cumulative, and some servers know them only at the end: the larger count of each sort holds.
        """
        told = object_of(usage)
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        now = (count_of(told.get(name)) or 0 for name in names)
        known, created, read = (max(before, count) for before, count in zip(self._input, now, strict=True))
        self._input = known, created, read
        return sum(self._input) or None


def _delta_output(delta: _Delta) -> tuple[int, str]:
    """The kind of chunk and the text of a delta; signatures and citations hold no output."""
    if delta.type == "text_delta" and delta.text:
        return TEXT, delta.text
    if delta.type == "thinking_delta" and delta.thinking:
        return REASONING, delta.thinking
    if delta.type == "input_json_delta" and delta.partial_json:
        return TOOL, delta.partial_json
    return OTHER, ""


def _block_output(block: dict[str, Any]) -> tuple[int, str]:
    """The kind of chunk and the text that a block begins with: often none, for a tool call the tool's name.

    The model wrote the name. Most servers send the tool's input afterwards, in deltas; some send it here, whole.
    """
    kind = text_in(block.get("type"))
    if kind == "text" and (text := text_in(block.get("text"))):
        return TEXT, text
    if kind == "thinking" and (text := text_in(block.get("thinking"))):
        return REASONING, text
    if kind in _TOOL_CALLS and (text := tool_text(block)):
        return TOOL, text
    return OTHER, ""


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
