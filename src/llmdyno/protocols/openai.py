"""The OpenAI API's two streaming routes, as its many compatible servers speak them.

It takes an envelope and messages, or the bytes of a streamed response in any pieces. It gives a request, or events. It
does not know which server it talks to. Shapes: the OpenAI API reference (chat completion chunk, completion), and what
`docs/real-servers.md` lists. An error may be an event of its own after the stream began.
"""

from __future__ import annotations

import re
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
    EMPTY,
    MALFORMED_EVENT,
    OTHER,
    TEXT,
    Event,
    Failure,
    cut_off,
    first_reason,
)
from llmdyno.protocols.server_error import (
    LIMIT,
    failure_at_the_start,
    failure_in,
    failure_in_choices,
    failure_in_words,
    message_of,
    says_error,
    stray_failure,
)
from llmdyno.protocols.sse import STRAY, SseDecoder, SseEvent
from llmdyno.protocols.usage import NO_USAGE, usage_in
from llmdyno.protocols.usual import Choice, Chunk, decode_plain, decode_usual, plain_output
from llmdyno.protocols.values import LARGEST_COUNT, loads, objects_of, text_in
from llmdyno.workload.session import Messages

_DONE = b"[DONE]"
_MARKS = re.compile(rb'["\[\s]*DONE["\]\s]*', re.IGNORECASE)


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
        self._only_text = True  # the next chunk is probably text and nothing else
        self._other = False  # the last chunk with output was not text
        self._from_delta = False  # choices hold a delta, as they should, and not a whole message
        self._half = ""  # the first half of a character that a server cut in two
        self._said = ""  # what the server wrote beside the protocol
        self._told = False  # there was a count of output tokens

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes."""
        events: list[Event] = []
        usual = self._written and not self._over
        for found in self._sse.feed(data):
            # Nearly every chunk is a piece of text and nothing else; this path is written out for speed.
            if usual and not found[1]:
                if self._only_text:
                    try:
                        text = decode_usual(found[2]).choices[0].delta.content
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                        text = ""
                    if text:
                        self._counted = False
                        self._events += 1
                        self._end = end = found[0]
                        events.append(Event(end, TEXT, text))
                        continue
                    self._only_text = False
                try:
                    chunk = decode_plain(found[2])
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    events += self._read(found)
                    usual = not self._over
                    continue
                choices = chunk.choices
                alone = choices and len(choices) == 1 and not chunk.error and chunk.object != "error"
                if choices and alone and (event := self._plain(found[0], chunk, choices[0])) is not None:
                    # After reasoning, say, the next chunk of text may be a usual one; a server's own shape never is.
                    self._only_text = event.kind == TEXT and self._other
                    self._other = event.kind != TEXT
                    events.append(event)
                    continue
            events += self._read(found)
            usual = self._written and not self._over
        return events

    def _plain(self, end: int, chunk: Chunk, choice: Choice) -> Event | None:
        """The event of a chunk with one kind of output, perhaps with running counts; None: there is more in it."""
        usage = chunk.usage
        output = plain_output(choice)
        if output is None or chunk.base_resp is not None or chunk.x_groq is not None:
            return None
        if usage is None:
            event = Event(end, *output)
        else:
            read, written = usage.prompt_tokens, usage.completion_tokens
            if usage.prompt_tokens_details or usage.completion_tokens_details:
                return None
            if usage.cache_read_input_tokens is not None or usage.prompt_cache_hit_tokens is not None:
                return None
            if not (read and written and 0 < read <= LARGEST_COUNT and 0 < written <= LARGEST_COUNT):
                return None
            event = Event(end, output[0], output[1], None, read, written)
        self._note(end)
        self._counted = False
        return event

    def close(self) -> list[Event]:
        """The last event, if its blank line is missing, and a failure if the answer did not end."""
        events = [event for found in self._sse.close() for event in cut_off(self._read(found), self._events)]
        if self._over or self._finished or (self._counted and self._written):
            return events if self._over else events + self._unexplained()
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
        if len(payload) < 32 and _MARKS.fullmatch(payload):
            self._note(end)
            self._over = True
            return self._unexplained() or [Event(end, end_mark=True)]
        if kind and says_error(kind):
            return self._failed(end, failure_in_words(payload))
        try:
            value = loads(payload)
            problem = "" if isinstance(value, dict) else "it is not an object"
        except ValueError as error:
            value, problem = None, str(error)
        if kind and (
            not isinstance(value, dict) or not (value.get("choices") or value.get("usage") or failure_in(value))
        ):
            return []  # of another type, so no message; some gateways give their chunks types of their own
        if not isinstance(value, dict):
            if (failure := failure_in(value) or failure_at_the_start(payload)) is not None:
                return self._failed(end, failure)
            shown = payload[:LIMIT].decode("utf-8", "replace")
            message = f"event {self._events + 1} ({shown!r}): {problem}"
            return self._failed(end, Failure(MALFORMED_EVENT, None, message))
        return self._chunk(end, value)

    def _note(self, end: int) -> None:
        self._events += 1
        self._end = end

    def _unexplained(self) -> list[Event]:
        """The failure of an answer that says nothing of its end, or holds nothing, but in which the server wrote
        something beside the protocol: it is probably an error in a shape that is not known."""
        if not self._said or self._told or (self._finished and self._written):
            return []
        kind, what = (BROKEN_STREAM, "has no finish reason") if self._written else (EMPTY, "holds no output")
        return [Event(self._end, failure=Failure(kind, None, f"the answer {what}; the server wrote {self._said!r}"))]

    def _failed(self, end: int, failure: Failure) -> list[Event]:
        self._note(end)
        self._over = True
        return [Event(end, failure=failure)]

    def _stray(self, end: int, lines: bytes) -> list[Event]:
        """Lines of no known field: an error without its frame, or something to mention if the answer is not whole."""
        failure = stray_failure(lines)
        if failure is not None:
            return self._failed(end, failure)
        self._said = self._said or " ".join(lines[: 4 * LIMIT].decode("utf-8", "replace").split())[:LIMIT]
        return []

    def _chunk(self, end: int, value: dict[str, Any]) -> list[Event]:
        choices = objects_of(value.get("choices"))
        failure = failure_in(value) or failure_in_choices(choices)
        if failure is not None:
            return self._failed(end, failure)
        usage = usage_in(value)
        if not choices and not self._said and usage == NO_USAGE and any(isinstance(one, str) for one in value.values()):
            self._said = message_of(value)[:LIMIT]
        self._note(end)
        reason = first_reason([*choices, value])
        outputs = merged(pair for one in choices for pair in outputs_of(one, whole=not self._from_delta))
        outputs = [(kind, self._whole_characters(text)) for kind, text in outputs] or [(OTHER, "")]
        self._from_delta = self._from_delta or any(isinstance(one.get("delta"), dict) for one in choices)
        self._finished = self._finished or reason is not None
        self._written = self._written or outputs[0][0] != OTHER
        if not self._written and not self._finished:
            usage = usage._replace(output=None)  # nothing was written yet, so this is no count of it
        self._told = self._told or usage.output is not None
        self._counted = outputs[0][0] == OTHER and (usage.output is not None or (self._counted and usage == NO_USAGE))
        name = text_in(value.get("id"))[:300] or None if self._events == 1 else None
        *before, (kind, text) = outputs
        last = Event(
            end,
            kind,
            text,
            reason,
            usage.input,
            usage.output,
            None,
            name,
            None,
            None,
            usage.cached,
            usage.reasoning,
            service_tier=text_in(value.get("service_tier"))[:100] or None,
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
    return Dialect(name, encode, OpenAIDecoder, "text/event-stream", error_type_in_body, end_mark=_DONE)


CHAT = _dialect("openai chat", encode_chat)
COMPLETIONS = _dialect("openai completions", encode_completions)
DIALECTS = {"chat": CHAT, "completions": COMPLETIONS}
"""The dialects by the name of their route."""
