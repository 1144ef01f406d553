"""Amazon Bedrock's runtime: InvokeModelWithResponseStream in the body formats that imported models have.

It takes an envelope whose model is an identifier of the runtime, and messages, or the bytes of an event stream. It
gives an unsigned request, or events. It does not sign. The payload of a chunk frame holds the model's own JSON in
base64. The service tells an imported model's format by the request's fields and answers in the same format:
`generation` (Llama, DeepSeek, Qwen), `outputs` (Mistral), `choices` with `text` or `delta` (the OpenAI formats). One
decoder reads them all, and Titan's and Cohere's chunks, which are alike. An error in mid-stream is a frame of its own,
after a status of 200. What else foundation models write is in :mod:`~llmdyno.protocols.families`.
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
    text_of,
    without_nulls,
)
from llmdyno.protocols.events import OTHER, TEXT, Decoder, Event, finish_reason_of
from llmdyno.protocols.frames import MEDIA_TYPE, METRICS, FrameReader, content_of, object_in_chunk
from llmdyno.protocols.server_error import failure_in
from llmdyno.protocols.usage import usage_in
from llmdyno.protocols.usual import Choice, plain_output
from llmdyno.protocols.values import LARGEST_COUNT, count_of, object_in, object_of, objects_of, text_in
from llmdyno.workload.session import Messages

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

GUARDRAIL = "guardrail_intervened"
"""The finish reason of an answer that a guardrail changed, under Converse's name for it."""

TIER_HEADER = "X-Amzn-Bedrock-Service-Tier"
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
    metrics: Any = msgspec.field(default=None, name=METRICS)


_plain = msgspec.json.Decoder(_Plain).decode


class InvokeDecoder(FrameReader):
    """Decodes InvokeModelWithResponseStream: chunk events around the model's own JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._from_delta = False  # choices hold a delta, so a message beside them is no further output

    def read(self, end: int, event_type: str, payload: bytes) -> list[Event]:
        """Read one chunk, in any body format: one event for each kind of output in it."""
        inner = content_of(event_type, payload)
        if inner is None:
            return [Event(end)]
        if self.events > 1 and (event := _plain_event(end, inner)) is not None:
            return [event]
        chunk = object_in_chunk(inner)
        if (failure := failure_in(chunk)) is not None:
            return [Event(end, failure=failure)]
        choices = objects_of(chunk.get("choices"))
        outputs, stop = _output_of(chunk, choices, whole=not self._from_delta)
        self._from_delta = self._from_delta or any(isinstance(one.get("delta"), dict) for one in choices)
        usage = usage_in(chunk)
        inputs = usage.input or _count_in(chunk, "prompt_token_count", "inputTextTokenCount")
        counted = usage.output or _count_in(chunk, "generation_token_count", "totalOutputTextTokenCount")
        name = text_in(chunk.get("id"))[:300] or None if self.events == 1 else None
        metrics = object_of(chunk.get(METRICS))
        if stop is not None or metrics:
            self.finished = True
        *before, (kind, text) = outputs
        told = _input_of(metrics), count_of(metrics.get("outputTokenCount"))
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


def _output_of(chunk: dict[str, Any], choices: list[dict[str, Any]], *, whole: bool) -> tuple[list[Output], str | None]:
    """The output of a chunk, one pair for each kind, and why the answer ends, if it does.

    `whole`: a choice may hold a message in place of a delta, as Mistral's chat models are documented to write it.
    """
    text = next((one for name in ("generation", "text", "outputText") if (one := text_in(chunk.get(name)))), "")
    found: list[Output] = [(TEXT, text)]
    reasons = [chunk.get(name) for name in ("stop_reason", "finish_reason", "completionReason")]
    if parts := objects_of(chunk.get("outputs")):
        found = [(TEXT, text_in(part.get("text"))) for part in parts]
        reasons = [part.get("stop_reason") for part in parts]
    elif choices:
        found = [pair for choice in choices for pair in outputs_of(choice, whole=whole)]
        reasons = [choice.get("finish_reason") or choice.get("stop_reason") for choice in choices]
    if chunk.get("amazon-bedrock-guardrailAction") == "INTERVENED":
        reasons = [GUARDRAIL]
    stops = (finish_reason_of(reason) for reason in reasons)
    return merged(found) or [(OTHER, "")], next((stop for stop in stops if stop is not None), None)


def _input_of(metrics: dict[str, Any]) -> int | None:
    """All input tokens in invocation metrics, which count those of the cache apart."""
    found = count_of(metrics.get("inputTokenCount"))
    names = ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    return found if found is None else found + sum(count_of(metrics.get(name)) or 0 for name in names)


def _count_in(chunk: dict[str, Any], *names: str) -> int | None:
    return next((count for name in names if (count := count_of(chunk.get(name)))), None)


def encoder(body_format: str) -> Callable[[Envelope, Messages, int], HttpRequest]:
    """The function that encodes requests in one body format."""
    fields = BODY_FORMATS[body_format]

    def encode(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
        """``POST /model/{modelId}/invoke-with-response-stream``; the whole ARN is percent-encoded, slashes too."""
        sampling = {} if envelope.temperature is None else {"temperature": envelope.temperature}
        body = {**fields(messages, max_tokens), **sampling, **envelope.extra_body}
        return invoke_request(envelope, body)

    return encode


def invoke_request(envelope: Envelope, body: dict[str, Any]) -> HttpRequest:
    """The request of InvokeModelWithResponseStream with a body."""
    path = f"{envelope.path}/model/{quote(envelope.model, safe='')}/invoke-with-response-stream"
    tier = {TIER_HEADER: envelope.service_tier} if envelope.service_tier is not None else {}
    headers = request_headers(envelope, {"X-Amzn-Bedrock-Accept": "application/json", **tier})
    return HttpRequest("POST", path, headers, encode_body(body))


def encode_body(body: dict[str, Any]) -> bytes:
    """The bytes of a body; a null removes its field."""
    return msgspec.json.encode(without_nulls(body))


def request_headers(envelope: Envelope, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers before signing: the body's type, `more`, and the user's, which replace ours."""
    return envelope.with_own_headers({"Content-Type": "application/json", **(more or {})})


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
    """The request's ID, the token counts, the service's own latency and the tier, from a response's headers."""
    request_id = headers.get(b"x-request-id") or headers.get(REQUEST_ID_HEADER)
    tier = headers.get(TIER_HEADER.lower().encode())
    return HeaderFacts(
        request_id.decode("latin-1") if request_id is not None else None,
        count_in(headers.get(INPUT_COUNT_HEADER)),
        count_in(headers.get(OUTPUT_COUNT_HEADER)),
        count_in(headers.get(LATENCY_HEADER)),
        tier.decode("latin-1")[:100] if tier else None,
    )


def bedrock_dialect(
    name: str, encode: Callable[[Envelope, Messages, int], HttpRequest], decoder: Callable[[], Decoder]
) -> Dialect:
    """A dialect of Bedrock's runtime: everything but the encoder and the decoder is the same."""
    return Dialect(name, encode, decoder, MEDIA_TYPE, error_type, REFUSALS, header_facts)


def invoke_dialect(body_format: str) -> Dialect:
    """The dialect of one body format."""
    return bedrock_dialect(f"bedrock invoke, {body_format}", encoder(body_format), InvokeDecoder)
