"""Amazon Bedrock's ConverseStream: one request shape for every model that has a chat template.

It takes an envelope and messages, or the bytes of an event stream. It gives an unsigned request, or events. It does
not sign. The payload of a frame is plain JSON: contentBlockDelta holds text or reasoning, messageStop the reason,
metadata the usage and the service's latency. The metadata event comes last.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from llmdyno.protocols.bedrock import FrameReader, bedrock_dialect, encode_body, request_headers
from llmdyno.protocols.dialect import Envelope, HttpRequest
from llmdyno.protocols.events import OTHER, REASONING, TEXT, Event
from llmdyno.workload.session import Messages


class _Reasoning(msgspec.Struct):
    text: str | None = None


class _Delta(msgspec.Struct, rename="camel"):
    text: str | None = None
    reasoning_content: _Reasoning | None = None


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Metrics(msgspec.Struct, rename="camel"):
    latency_ms: int | None = None


class _Payload(msgspec.Struct, rename="camel"):
    delta: _Delta | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    metrics: _Metrics | None = None


_decode = msgspec.json.Decoder(_Payload).decode


class ConverseDecoder(FrameReader):
    """Decodes ConverseStream."""

    def read(self, end: int, event_type: str, payload: bytes) -> Event:
        """Read one event."""
        value = _decode(payload)
        if event_type == "contentBlockDelta" and value.delta is not None:
            if value.delta.text:
                return Event(end, TEXT, value.delta.text)
            if value.delta.reasoning_content is not None and value.delta.reasoning_content.text:
                return Event(end, REASONING, value.delta.reasoning_content.text)
        elif event_type == "messageStop":
            self.finished = True
            return Event(end, OTHER, "", value.stop_reason)
        elif event_type == "metadata":
            usage = value.usage or _Usage()
            latency_ms = value.metrics.latency_ms if value.metrics is not None else None
            return Event(
                end, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, server_latency_ms=latency_ms
            )
        return Event(end)


def encode_converse(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /model/{modelId}/converse-stream``."""
    sampling = {} if envelope.temperature is None else {"temperature": envelope.temperature}
    body: dict[str, Any] = {
        **_messages(messages),
        "inferenceConfig": {"maxTokens": max_tokens, **sampling},
        **envelope.extra_body,
    }
    path = f"{envelope.path}/model/{quote(envelope.model, safe='')}/converse-stream"
    return HttpRequest("POST", path, request_headers(envelope, None), encode_body(body))


def _messages(messages: Messages) -> dict[str, Any]:
    """The fields for the messages: Converse keeps system messages apart from the conversation."""
    system = [{"text": message.content} for message in messages if message.role == "system"]
    turns = [
        {"role": message.role, "content": [{"text": message.content}]}
        for message in messages
        if message.role != "system"
    ]
    return {"messages": turns, **({"system": system} if system else {})}


CONVERSE = bedrock_dialect("bedrock converse", encode_converse, ConverseDecoder)
