"""The OpenAI API's two streaming routes, as its many compatible servers speak them.

It takes an envelope and messages, or the bytes of a streamed response. It gives a request, or events. It does not
know which server it talks to. Shapes: the OpenAI API reference (chat completion chunk, completion). Reasoning text
is in `reasoning_content` (DeepSeek, vLLM, SGLang) or `reasoning` (OpenRouter, newer vLLM). An error may be a chunk of
its own after the stream began.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from llmdyno.protocols.dialect import (
    Dialect,
    Envelope,
    HttpRequest,
    chat_messages,
    error_type_in_body,
    message_of,
    text_of,
    without_nulls,
)
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
    """The delta of a chat chunk: answer text, or reasoning text under one of its two names."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class ChunkChoice(msgspec.Struct):
    """A choice of a chunk, on either route."""

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
    """Decodes one response of either route: the text is in `delta` on one route and in `text` on the other."""

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
            # Nearly every chunk is a piece of text and nothing else; this path is written out for speed.
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
        """The last event, if its blank line is missing, and a failure if the answer did not end."""
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
    """The kind of chunk, the text and the finish reason of a choice."""
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
        return None  # the id is not a text


def _parts(content: list[Any]) -> str:
    """The text of content that is a list of parts."""
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


def _request(envelope: Envelope, suffix: str, fields: dict[str, Any], max_tokens: int) -> HttpRequest:
    """The request. A field of the extra body replaces ours; a null removes it (`{"max_tokens": null}`)."""
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
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    if envelope.api_key:
        headers["Authorization"] = f"Bearer {envelope.api_key}"
    encoded = msgspec.json.encode(without_nulls(body))
    return HttpRequest("POST", envelope.path + suffix, envelope.with_own_headers(headers), encoded)


def encode_chat(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /chat/completions``."""
    return _request(envelope, "/chat/completions", {"messages": chat_messages(messages)}, max_tokens)


def encode_completions(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /completions``, with the messages as one prompt."""
    return _request(envelope, "/completions", {"prompt": text_of(messages)}, max_tokens)


def _dialect(name: str, encode: Callable[[Envelope, Messages, int], HttpRequest]) -> Dialect:
    return Dialect(name, encode, OpenAIDecoder, "text/event-stream", error_type_in_body, end_mark=_DONE)


CHAT = _dialect("openai chat", encode_chat)
COMPLETIONS = _dialect("openai completions", encode_completions)
DIALECTS = {"chat": CHAT, "completions": COMPLETIONS}
"""The dialects by the name of their route."""
