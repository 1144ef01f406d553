"""Amazon Bedrock's runtime for imported models: InvokeModelWithResponseStream in every body format.

It takes an envelope whose model is an imported model's ARN or name, and messages, or the bytes of an event stream. It
gives an unsigned request, or events. It does not sign. The payload of a chunk frame holds the model's own JSON in
base64. The service tells a request's format by its fields and answers in the same format: `generation` (Llama,
DeepSeek, Qwen), `outputs` (Mistral), `choices` with `text` or `delta` (the OpenAI formats). One decoder reads them
all. An error in mid-stream is a frame of its own, after a status of 200.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from llmdyno.protocols.choices import Output, merged, outputs_of
from llmdyno.protocols.dialect import (
    Dialect,
    Envelope,
    HeaderFacts,
    HttpRequest,
    Refusals,
    chat_messages,
    count_in,
    error_text,
    text_of,
    without_nulls,
)
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    MALFORMED_EVENT,
    OTHER,
    STREAM_ERROR,
    TEXT,
    Decoder,
    Event,
    Failure,
    finish_reason_of,
)
from llmdyno.protocols.eventstream import EventStreamDecoder, Frame
from llmdyno.protocols.server_error import failure_in
from llmdyno.protocols.usage import usage_in
from llmdyno.protocols.usual import Choice, plain_output
from llmdyno.protocols.values import LARGEST_COUNT, count_of, loads, object_in, object_of, objects_of, text_in
from llmdyno.workload.session import Messages

MEDIA_TYPE = "application/vnd.amazon.eventstream"

REFUSALS = Refusals(
    not_ready=frozenset({"ModelNotReadyException"}),
    throttled=frozenset({"ThrottlingException"}),
    remedies={
        "AccessDeniedException": "allow bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on it",
        "UnrecognizedClientException": "check the access key; is it one of this account?",
        "InvalidSignatureException": "check the secret key and this host's clock",
        "ExpiredTokenException": "log in again: the session token ran out",
        "ResourceNotFoundException": "check the ARN and the region",
        "ValidationException": "check the model, --route, --body-format and --extra-body",
        "MissingAuthenticationTokenException": "set AWS credentials, or name a --profile",
    },
)
"""How the runtime refuses. A cold model and too many calls have the same status; only the name tells them apart."""

LATENCY_HEADER = b"x-amzn-bedrock-invocation-latency"
INPUT_COUNT_HEADER = b"x-amzn-bedrock-input-token-count"
OUTPUT_COUNT_HEADER = b"x-amzn-bedrock-output-token-count"
REQUEST_ID_HEADER = b"x-amzn-requestid"

Body = Callable[[Messages, int], dict[str, Any]]

BODY_FORMATS: dict[str, Body] = {
    "bedrock-completion": lambda messages, tokens: {"prompt": text_of(messages), "max_gen_len": tokens},
    "openai-completion": lambda messages, tokens: {"prompt": text_of(messages), "max_tokens": tokens},
    "openai-chat": lambda messages, tokens: {"messages": chat_messages(messages), "max_tokens": tokens},
    "mistral": lambda messages, tokens: {"prompt": text_of(messages), "max_tokens": tokens},
    "qwen": lambda messages, tokens: {"prompt": text_of(messages), "max_gen_len": tokens},
}
"""Request bodies by format. Mistral and Qwen use fields of other formats, but answer in formats of their own."""


class _Payload(msgspec.Struct):
    content: bytes | None = msgspec.field(default=None, name="bytes")


class _Output(msgspec.Struct):
    text: str | None = None
    stop_reason: str | None = None


class _Plain(msgspec.Struct):
    """A chunk as it nearly always is, for the fast path."""

    generation: str | None = None
    outputs: list[_Output] | None = None
    choices: list[Choice] | None = None
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    stop_reason: Any = None
    usage: Any = None
    error: Any = None
    message: Any = None
    detail: Any = None
    metrics: Any = msgspec.field(default=None, name="amazon-bedrock-invocationMetrics")


_payload = msgspec.json.Decoder(_Payload).decode
_plain = msgspec.json.Decoder(_Plain).decode
_METRICS = "amazon-bedrock-invocationMetrics"


class FrameReader:
    """What both of Bedrock's decoders share.

    It checks the frames, turns error frames into failures and notices a stream that ends early. Nothing counts after
    the end mark or a failure. `events` counts the frames so far; `finished` says that the answer has ended.
    """

    def __init__(self) -> None:
        self.events = 0
        self.finished = False
        self._frames = EventStreamDecoder()
        self._end = 0
        self._reported = False
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes."""
        events: list[Event] = []
        for frame in self._frames.feed(data):
            if not self._over:
                events += self._event(frame)
        if self._over:
            return events
        if self._frames.broken is not None and not self._reported:
            self._reported = self.finished = True
            events.append(Event(self._end, failure=Failure(MALFORMED_EVENT, None, self._frames.broken)))
        return events

    def close(self) -> list[Event]:
        """A failure if the stream ended before the answer."""
        if self.finished:
            return []
        if self._frames.pending:
            what = f"the stream ended inside a frame, after {self.events} events"
        elif self.events:
            what = f"the stream ended after {self.events} events without a stop reason"
        else:
            what = "the answer holds no event"
        kind = BROKEN_STREAM if self.events or self._frames.pending else MALFORMED_EVENT
        return [Event(self._end, failure=Failure(kind, None, what))]

    def _event(self, frame: Frame) -> list[Event]:
        self._end = frame.end
        self.events += 1
        headers = frame.headers
        kind = headers.get(":message-type")
        if kind == "event":
            try:
                events = self.read(frame.end, str(headers.get(":event-type")), frame.payload)
            except (ValueError, RecursionError) as error:
                shown = frame.payload[:80].decode("utf-8", "replace")
                message = f"event {self.events} ({shown!r}): {error}"
                events = [Event(frame.end, failure=Failure(MALFORMED_EVENT, None, message))]
        else:
            events = [Event(frame.end, failure=frame_failure(frame))]
        self._over = events[-1].end_mark or events[-1].failure is not None
        self.finished = self.finished or self._over
        return events

    def read(self, end: int, event_type: str, payload: bytes) -> list[Event]:
        """Read one event frame; each dialect has its own.

        Raises:
            ValueError: the payload cannot be read.
        """
        raise NotImplementedError


def frame_failure(frame: Frame) -> Failure:
    """The failure in an exception frame or an error frame.

    An exception's name begins with a capital here, as in the header of an HTTP error.
    """
    headers = frame.headers
    if headers.get(":message-type") == "exception":
        name = str(headers.get(":exception-type"))
        text = error_text(frame.payload)
        return Failure(STREAM_ERROR, None, text or "no message", name[:1].upper() + name[1:100])
    text = str(headers.get(":error-message", "no message"))
    return Failure(STREAM_ERROR, None, text[:300], str(headers.get(":error-code", "unknown"))[:100])


class InvokeDecoder(FrameReader):
    """Decodes InvokeModelWithResponseStream: chunk events around the model's own JSON."""

    def read(self, end: int, event_type: str, payload: bytes) -> list[Event]:
        """Read one chunk, in any body format: one event for each kind of output in it."""
        inner = _payload(payload).content
        if event_type != "chunk" or inner is None:
            return [Event(end)]
        if self.events > 1 and (event := _plain_event(end, inner)) is not None:
            return [event]
        chunk = loads(inner)
        if not isinstance(chunk, dict):
            raise ValueError("it is not an object")
        if (failure := failure_in(chunk)) is not None:
            return [Event(end, failure=failure)]
        outputs, stop = _output_of(chunk)
        usage = usage_in(chunk)
        inputs = usage.input or count_of(chunk.get("prompt_token_count"))
        counted = usage.output or count_of(chunk.get("generation_token_count"))
        name = text_in(chunk.get("id"))[:300] or None if self.events == 1 else None
        metrics = object_of(chunk.get(_METRICS))
        if stop is not None or metrics:
            self.finished = True
        *before, (kind, text) = outputs
        told = count_of(metrics.get("inputTokenCount")), count_of(metrics.get("outputTokenCount"))
        last = Event(
            end,
            kind,
            text,
            stop,
            told[0] if told[0] is not None else inputs,
            told[1] if told[1] is not None else counted,
            None,
            name,
            count_of(metrics.get("invocationLatency")),
            count_of(metrics.get("firstByteLatency")),
            usage.cached if usage.cached is not None else count_of(metrics.get("cacheReadInputTokenCount")),
            usage.reasoning,
            bool(metrics),  # the service's last chunk
        )
        return [*(Event(end, *output) for output in before), last]


def _plain_event(end: int, inner: bytes) -> Event | None:
    """The event of a chunk with one piece of output and perhaps running counts; None: there is more in it."""
    try:
        chunk = _plain(inner)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if chunk.stop_reason or chunk.usage or chunk.metrics or chunk.error or chunk.message or chunk.detail:
        return None
    output: Output | None = (TEXT, chunk.generation) if chunk.generation else None
    if chunk.outputs and len(chunk.outputs) == 1:
        [part] = chunk.outputs
        output = (TEXT, part.text) if part.text and not part.stop_reason else None
    elif chunk.choices and len(chunk.choices) == 1:
        output = plain_output(chunk.choices[0])
    read, written = chunk.prompt_token_count, chunk.generation_token_count
    if output is None or not (read is None or 0 < read <= LARGEST_COUNT):
        return None
    if not (written is None or 0 < written <= LARGEST_COUNT):
        return None
    return Event(end, output[0], output[1], None, read, written)


def _output_of(chunk: dict[str, Any]) -> tuple[list[Output], str | None]:
    """The output of a chunk, one pair for each kind, and why the answer ends, if it does."""
    found: list[Output] = [(TEXT, text_in(chunk.get("generation")) or text_in(chunk.get("text")))]
    reasons = [chunk.get("stop_reason")]
    if parts := objects_of(chunk.get("outputs")):
        found = [(TEXT, text_in(part.get("text"))) for part in parts]
        reasons = [part.get("stop_reason") for part in parts]
    elif choices := objects_of(chunk.get("choices")):
        found = [pair for choice in choices for pair in outputs_of(choice, whole=False)]
        reasons = [choice.get("finish_reason") or choice.get("stop_reason") for choice in choices]
    stops = (finish_reason_of(reason) for reason in reasons)
    return merged(found) or [(OTHER, "")], next((stop for stop in stops if stop is not None), None)


def encoder(body_format: str) -> Callable[[Envelope, Messages, int], HttpRequest]:
    """The function that encodes requests in one body format."""
    fields = BODY_FORMATS[body_format]

    def encode(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
        """``POST /model/{modelId}/invoke-with-response-stream``; the whole ARN is percent-encoded, slashes too."""
        sampling = {} if envelope.temperature is None else {"temperature": envelope.temperature}
        body = {**fields(messages, max_tokens), **sampling, **envelope.extra_body}
        path = f"{envelope.path}/model/{quote(envelope.model, safe='')}/invoke-with-response-stream"
        return HttpRequest("POST", path, request_headers(envelope, "X-Amzn-Bedrock-Accept"), encode_body(body))

    return encode


def encode_body(body: dict[str, Any]) -> bytes:
    """The bytes of a body; a null removes its field."""
    return msgspec.json.encode(without_nulls(body))


def request_headers(envelope: Envelope, accept: str | None) -> dict[str, str]:
    """The headers before signing; the user's replace ours. `accept` names the header that asks for JSON, if any."""
    headers = {"Content-Type": "application/json"}
    if accept is not None:
        headers[accept] = "application/json"
    return envelope.with_own_headers(headers)


def error_type(headers: Mapping[bytes, bytes], body: bytes) -> str | None:
    """The exception's name: from the error-type header, up to its colon, or else from the body.

    Only this name tells a model that is not ready from a throttled one: both have the status 429.
    """
    value = headers.get(b"x-amzn-errortype", b"").decode("latin-1")
    if not value:
        found = object_in(body) or {}
        value = next(
            (str(found[key])[:100] for key in ("code", "__type") if isinstance(found.get(key), (str, int))), ""
        ).rpartition("#")[2]
    return value.partition(":")[0] or None


def header_facts(headers: Mapping[bytes, bytes]) -> HeaderFacts:
    """The request's ID, the token counts and the service's own latency, from a response's headers."""
    request_id = headers.get(b"x-request-id") or headers.get(REQUEST_ID_HEADER)
    return HeaderFacts(
        request_id.decode("latin-1") if request_id is not None else None,
        count_in(headers.get(INPUT_COUNT_HEADER)),
        count_in(headers.get(OUTPUT_COUNT_HEADER)),
        count_in(headers.get(LATENCY_HEADER)),
    )


def bedrock_dialect(
    name: str, encode: Callable[[Envelope, Messages, int], HttpRequest], decoder: Callable[[], Decoder]
) -> Dialect:
    """A dialect of Bedrock's runtime: everything but the encoder and the decoder is the same."""
    return Dialect(name, encode, decoder, MEDIA_TYPE, error_type, REFUSALS, header_facts)


def invoke_dialect(body_format: str) -> Dialect:
    """The dialect of one body format."""
    return bedrock_dialect(f"bedrock invoke, {body_format}", encoder(body_format), InvokeDecoder)
