"""The OpenAI API's two streaming routes, as its many compatible servers speak them.

In: a target and a planned request; the bytes of a streamed answer. Out: the request's bytes; events.
Shapes: the OpenAI API reference (chat completion chunk, completion). Reasoning text stands in
`reasoning_content` (DeepSeek, vLLM, SGLang) or `reasoning` (OpenRouter, newer vLLM). An error may come
as a chunk of its own after the stream began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from llmdyno.protocols.dialect import Dialect, Envelope, HttpRequest, chat_messages, message_of, text_of
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    MALFORMED_EVENT,
    OTHER,
    REASONING,
    STREAM_ERROR,
    TEXT,
    Event,
    Failure,
)
from llmdyno.protocols.sse import SseDecoder
from llmdyno.workload.session import Messages

_DONE = b"[DONE]"


class ChunkDelta(msgspec.Struct):
    """A chat chunk's delta: answer text, or reasoning text under either of its names."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class ChunkChoice(msgspec.Struct):
    """A chunk's choice on either route."""

    delta: ChunkDelta | None = None
    text: str | None = None
    finish_reason: str | None = None


class ChunkUsage(msgspec.Struct):
    """The server's token counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[ChunkChoice] | None = None
    usage: ChunkUsage | None = None
    error: Any = None
    object: str | None = None
    message: Any = None
    code: Any = None


class _Named(msgspec.Struct):
    id: str | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_name = msgspec.json.Decoder(_Named).decode


class OpenAIDecoder:
    """Decodes both routes' streams: a chunk's text stands in `delta` on one and in `text` on the other."""

    def __init__(self) -> None:
        self._sse = SseDecoder()
        self._finished = False
        self._events = 0
        self._end = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes."""
        events: list[Event] = []
        for end, payload in self._sse.feed(data):
            try:
                chunk = _decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError):
                events.append(self._event(end, payload))
                continue
            # What nearly every chunk is, written out: a piece of text and nothing else.
            if self._events and chunk.choices and chunk.usage is None and chunk.error is None:
                choice = chunk.choices[0]
                delta = choice.delta
                if delta is not None and choice.finish_reason is None and chunk.object != "error":
                    text = delta.content
                    if text and type(text) is str:
                        self._events += 1
                        self._end = end
                        events.append(Event(end, TEXT, text))
                        continue
            events.append(self._event(end, payload))
        return events

    def close(self) -> list[Event]:
        """The last event, should its blank line be missing, and a failure if the answer never ended."""
        events = [self._event(end, payload) for end, payload in self._sse.close()]
        if not self._finished:
            what = (
                f"the stream ended after {self._events} events with neither finish_reason nor [DONE]"
                if self._events
                else "the answer holds no event"
            )
            kind = BROKEN_STREAM if self._events else MALFORMED_EVENT
            events.append(Event(self._end, failure=Failure(kind, None, what)))
        return events

    def _event(self, end: int, payload: bytes) -> Event:
        self._events += 1
        self._end = end
        if payload == _DONE or payload.strip() == _DONE:
            self._finished = True
            return Event(end)
        try:
            chunk = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._finished = True
            shown = payload[:80].decode("utf-8", "replace")
            return Event(end, failure=Failure(MALFORMED_EVENT, None, f"event {self._events} ({shown!r}): {error}"))
        if chunk.error is not None or chunk.object == "error":
            self._finished = True
            return Event(end, failure=_stream_error(chunk))
        kind, text, finish_reason = OTHER, "", None
        if chunk.choices:
            kind, text, finish_reason = read_choice(chunk.choices[0])
            if finish_reason is not None:
                self._finished = True
        name = _name(payload) if self._events == 1 else None
        if chunk.usage is None:
            return Event(end, kind, text, finish_reason, response_id=name)
        usage = chunk.usage
        return Event(end, kind, text, finish_reason, usage.prompt_tokens, usage.completion_tokens, None, name)


def read_choice(choice: ChunkChoice) -> tuple[int, str, str | None]:
    """A choice's kind of chunk, its text and its finish reason."""
    delta = choice.delta
    if delta is None:
        text = choice.text or ""
    else:
        content = delta.content
        text = content if isinstance(content, str) else _parts(content) if content else ""
        if not text and (reasoning := delta.reasoning_content or delta.reasoning):
            return REASONING, reasoning, choice.finish_reason
    return TEXT if text else OTHER, text, choice.finish_reason


def _name(payload: bytes) -> str | None:
    try:
        return _decode_name(payload).id
    except msgspec.DecodeError:
        return None  # an id that is no text


def _parts(content: list[Any]) -> str:
    """The text of content given as parts."""
    return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def _stream_error(chunk: _Chunk) -> Failure:
    code = chunk.error.get("code") if isinstance(chunk.error, dict) else chunk.code
    status = code if isinstance(code, int) and not isinstance(code, bool) else None
    if chunk.error is not None:
        text = message_of(chunk.error)
    else:
        text = message_of(chunk.message) if chunk.message else "an error event without a message"
    name = chunk.error.get("type") if isinstance(chunk.error, dict) else None
    return Failure(STREAM_ERROR, status, text[:300], name if isinstance(name, str) else None)


def _error_type(headers: Mapping[bytes, bytes], body: bytes) -> str | None:
    """The type in an error body of OpenAI's shape."""
    try:
        error = msgspec.json.decode(body)["error"]["type"]
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):
        return None
    return error if isinstance(error, str) else None


def _request(envelope: Envelope, suffix: str, fields: dict[str, Any], max_tokens: int) -> HttpRequest:
    """The request; an extra body field wins over ours, and a null one takes ours out (`{"max_tokens": null}`)."""
    body: dict[str, Any] = {
        "model": envelope.model,
        **fields,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if envelope.ignore_eos:
        body["ignore_eos"] = True
    if envelope.temperature is not None:
        body["temperature"] = envelope.temperature
    body.update(envelope.extra_body)
    body = {name: value for name, value in body.items() if value is not None}
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    if envelope.api_key:
        headers["Authorization"] = f"Bearer {envelope.api_key}"
    own = {name.lower() for name in envelope.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in own}
    return HttpRequest("POST", envelope.path + suffix, {**headers, **envelope.headers}, msgspec.json.encode(body))


def encode_chat(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /chat/completions``."""
    return _request(envelope, "/chat/completions", {"messages": chat_messages(messages)}, max_tokens)


def encode_completions(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /completions``, with the messages as one prompt."""
    return _request(envelope, "/completions", {"prompt": text_of(messages)}, max_tokens)


def _dialect(name: str, encode: Callable[[Envelope, Messages, int], HttpRequest]) -> Dialect:
    return Dialect(name, encode, OpenAIDecoder, "text/event-stream", _error_type)


CHAT = _dialect("openai chat", encode_chat)
COMPLETIONS = _dialect("openai completions", encode_completions)
DIALECTS = {"chat": CHAT, "completions": COMPLETIONS}
"""Both routes' dialects by the name of the route."""
