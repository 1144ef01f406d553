"""The OpenAI API's two streaming routes, as its many compatible servers speak them.

It takes an envelope and messages, or the bytes of a streamed response in any pieces. It gives a request, or events. It
does not know which server it talks to. Shapes: the OpenAI API reference (chat completion chunk, completion), and what
`docs/real-servers.md` lists. An error may be an event of its own after the stream began.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from llmdyno.protocols.choices import merged, outputs_of
from llmdyno.protocols.dialect import (
    Dialect,
    Envelope,
    HttpRequest,
    chat_messages,
    error_type_in_body,
    text_of,
    without_nulls,
)
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    MALFORMED_EVENT,
    OTHER,
    REASONING,
    TEXT,
    Event,
    Failure,
    finish_reason_of,
)
from llmdyno.protocols.server_error import failure_in, failure_in_words, stray_failure
from llmdyno.protocols.sse import STRAY, SseDecoder, SseEvent
from llmdyno.protocols.usage import NO_USAGE, usage_in
from llmdyno.protocols.values import loads, objects_of, text_in
from llmdyno.workload.session import Messages

_DONE = b"[DONE]"


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: Any = None
    refusal: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    object: Any = None
    base_resp: Any = None
    x_groq: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class OpenAIDecoder:
    """Decodes one response of either route. Nothing counts after ``[DONE]``, or after an event that is a failure."""

    def __init__(self) -> None:
        self._sse = SseDecoder()
        self._events = 0
        self._end = 0
        self._over = False
        self._finished = False
        self._counted = False  # the last event was usage without output, as at the end of an answer
        self._written = False  # there was output
        self._from_delta = False  # choices hold a delta, as they should, and not a whole message
        self._half = ""  # the first half of a character that a server cut in two
        self._said = ""  # what the server wrote beside the protocol

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes."""
        events: list[Event] = []
        for found in self._sse.feed(data):
            end, kind, payload = found
            # Nearly every chunk is a piece of text and nothing else; this path is written out for speed.
            if self._written and not kind and not self._over:
                try:
                    chunk = _decode(payload)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    events += self._read(found)
                    continue
                choices = chunk.choices
                if (
                    choices
                    and len(choices) == 1
                    and not (chunk.usage or chunk.error or chunk.base_resp or chunk.x_groq)
                ):
                    delta = choices[0].delta
                    if delta is not None and not choices[0].finish_reason and chunk.object != "error":
                        thought, text = delta.reasoning_content or delta.reasoning, delta.content
                        if not delta.tool_calls and not delta.refusal and bool(thought) != bool(text):
                            self._events += 1
                            self._end = end
                            self._counted = False
                            events.append(Event(end, TEXT, text) if text else Event(end, REASONING, thought or ""))
                            continue
            events += self._read(found)
        return events

    def close(self) -> list[Event]:
        """The last event, if its blank line is missing, and a failure if the answer did not end."""
        events = [event for found in self._sse.close() for event in self._read(found)]
        if self._over or self._finished or (self._counted and self._written):
            return events
        if self._events:
            kind = BROKEN_STREAM
            what = f"the stream ended after {self._events} events with neither finish_reason nor [DONE]"
        else:
            kind, what = MALFORMED_EVENT, "the answer holds no event"
        if self._said:
            what += f"; the server wrote {self._said!r}"
        return [*events, Event(self._end, failure=Failure(kind, None, what))]

    def _read(self, found: SseEvent) -> list[Event]:
        """The chunks of one event: one for each kind of output in it, and one if it holds no output."""
        end, kind, payload = found
        if self._over or not payload or payload.isspace():
            return []
        if kind == STRAY:
            return self._stray(end, payload)
        if payload.strip() == _DONE:
            self._note(end)
            self._over = True
            return [Event(end, end_mark=True)]
        if kind == b"error":
            return self._failed(end, failure_in_words(payload))
        try:
            value = loads(payload)
            problem = "" if isinstance(value, dict) else "it is not an object"
        except ValueError as error:
            value, problem = None, str(error)
        if kind and (not isinstance(value, dict) or not (value.get("choices") or failure_in(value))):
            return []  # of another type, so no message; some gateways give their chunks types of their own
        if not isinstance(value, dict):
            shown = payload[:80].decode("utf-8", "replace")
            message = f"event {self._events + 1} ({shown!r}): {problem}"
            return self._failed(end, Failure(MALFORMED_EVENT, None, message))
        return self._chunk(end, value)

    def _note(self, end: int) -> None:
        self._events += 1
        self._end = end

    def _failed(self, end: int, failure: Failure) -> list[Event]:
        self._note(end)
        self._over = True
        return [Event(end, failure=failure)]

    def _stray(self, end: int, lines: bytes) -> list[Event]:
        """Lines of no known field: an error without its frame, or something to mention if the answer is not whole."""
        failure = stray_failure(lines)
        if failure is not None:
            return self._failed(end, failure)
        self._said = self._said or " ".join(lines[:400].decode("utf-8", "replace").split())[:100]
        return []

    def _chunk(self, end: int, value: dict[str, Any]) -> list[Event]:
        choices = objects_of(value.get("choices"))
        failure = failure_in(value)
        for choice in choices:
            failure = failure or failure_in({"error": choice.get("error")})
        if failure is not None:
            return self._failed(end, failure)
        if not choices and not self._said:
            self._said = text_in(value.get("message"))[:100]
        self._note(end)
        reasons = [reason for choice in choices if (reason := finish_reason_of(choice.get("finish_reason")))]
        outputs = merged(pair for one in choices for pair in outputs_of(one, whole=not self._from_delta))
        outputs = [(kind, self._whole_characters(text)) for kind, text in outputs] or [(OTHER, "")]
        self._from_delta = self._from_delta or any(isinstance(one.get("delta"), dict) for one in choices)
        usage = usage_in(value)
        self._finished = self._finished or bool(reasons)
        self._written = self._written or outputs[0][0] != OTHER
        self._counted = outputs[0][0] == OTHER and (usage.output is not None or (self._counted and usage == NO_USAGE))
        name = text_in(value.get("id"))[:300] or None if self._events == 1 else None
        *before, (kind, text) = outputs
        last = Event(
            end,
            kind,
            text,
            reasons[0] if reasons else None,
            usage.input,
            usage.output,
            None,
            name,
            None,
            None,
            usage.cached,
            usage.reasoning,
        )
        return [*(Event(end, *output) for output in before), last]

    def _whole_characters(self, text: str) -> str:
        """The text, with the halves of a character that a server cut in two put together in the later chunk."""
        try:
            text.encode()
        except UnicodeEncodeError:
            if self._half and "\udc00" <= text[:1] <= "\udfff":
                text = self._half + text
            self._half = ""
            if "\ud800" <= text[-1:] <= "\udbff":
                text, self._half = text[:-1], text[-1]
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        self._half = ""
        return text


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
    return Dialect(name, encode, OpenAIDecoder, "text/event-stream", error_type_in_body)


CHAT = _dialect("openai chat", encode_chat)
COMPLETIONS = _dialect("openai completions", encode_completions)
DIALECTS = {"chat": CHAT, "completions": COMPLETIONS}
"""The dialects by the name of their route."""
