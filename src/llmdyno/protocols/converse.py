"""Amazon Bedrock's ConverseStream: one request shape for every model that has a chat template.

It takes an envelope and messages, or the bytes of an event stream. It gives an unsigned request, or events. It does
not sign. The payload of a frame is plain JSON: contentBlockDelta holds text, reasoning or a part of a tool
call, messageStop the reason, metadata the usage and the service's latency. The metadata event comes last.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from llmdyno.protocols.bedrock import bedrock_dialect, encode_body, request_headers
from llmdyno.protocols.choices import Output, merged, tool_text
from llmdyno.protocols.dialect import Envelope, HttpRequest
from llmdyno.protocols.events import OTHER, REASONING, TEXT, TOOL, Event, finish_reason_of
from llmdyno.protocols.frames import FrameReader
from llmdyno.protocols.usage import usage_of
from llmdyno.protocols.values import count_of, loads, object_of, text_in
from llmdyno.workload.session import Messages


class ConverseDecoder(FrameReader):
    """Decodes ConverseStream. Its last event is `metadata`."""

    def read(self, end: int, event_type: str, payload: bytes) -> list[Event]:
        """Read one event."""
        value = loads(payload)
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        return self.events_of(end, event_type, value)

    def events_of(self, end: int, event_type: str, value: dict[str, Any]) -> list[Event]:
        """The events of one member of the stream, by its name and its value."""
        if event_type == "contentBlockDelta":
            return [Event(end, *output) for output in _outputs_in(object_of(value.get("delta")))] or [Event(end)]
        if event_type == "contentBlockStart":
            text = tool_text(object_of(value.get("start")).get("toolUse"))
            return [Event(end, TOOL, text) if text else Event(end)]
        if event_type == "messageStop":
            self.finished = True
            return [Event(end, OTHER, "", finish_reason_of(value.get("stopReason")))]
        if event_type == "metadata":
            usage = usage_of(value.get("usage"))
            return [
                Event(
                    end,
                    input_tokens=usage.input,
                    output_tokens=usage.output,
                    server_latency_ms=count_of(object_of(value.get("metrics")).get("latencyMs")),
                    cached_input_tokens=usage.cached,
                    reasoning_tokens=usage.reasoning,
                    end_mark=True,
                    service_tier=text_in(object_of(value.get("serviceTier")).get("type"))[:100] or None,
                )
            ]
        return [Event(end)]


def _outputs_in(delta: dict[str, Any]) -> list[Output]:
    """The output in a delta. The input of a tool call comes in pieces of text."""
    reasoning = object_of(delta.get("reasoningContent"))
    thought = text_in(reasoning.get("text")) or text_in(object_of(reasoning.get("reasoningText")).get("text"))
    return merged([(REASONING, thought), (TEXT, text_in(delta.get("text"))), (TOOL, tool_text(delta.get("toolUse")))])


def encode_converse(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /model/{modelId}/converse-stream``."""
    sampling = {} if envelope.temperature is None else {"temperature": envelope.temperature}
    body: dict[str, Any] = {
        **converse_messages(messages),
        "inferenceConfig": {"maxTokens": max_tokens, **sampling},
        "serviceTier": {"type": envelope.service_tier} if envelope.service_tier is not None else None,
        **envelope.extra_body,
    }
    path = f"{envelope.path}/model/{quote(envelope.model, safe='')}/converse-stream"
    return HttpRequest("POST", path, request_headers(envelope), encode_body(body))


def converse_messages(messages: Messages) -> dict[str, Any]:
    """The fields for the messages: Converse keeps system messages apart from the conversation."""
    system = [{"text": message.content} for message in messages if message.role == "system"]
    turns = [
        {"role": message.role, "content": [{"text": message.content}]}
        for message in messages
        if message.role != "system"
    ]
    return {"messages": turns, **({"system": system} if system else {})}


CONVERSE = bedrock_dialect("bedrock converse", encode_converse, ConverseDecoder)
