"""What foundation models on Amazon Bedrock take and give on InvokeModel, family by family.

It takes an envelope and messages, or the bytes of an event stream. It gives an unsigned request, or events. It does not
sign. Each family has a body of its own; Bedrock puts the family's own stream into chunk frames. Anthropic's events are
those of its Messages API, and Nova's are Converse's, so their decoders are used here too. Shapes: AWS's user guide of
Bedrock ("Inference request parameters and response fields") and of Nova ("Complete request schema").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from llmdyno.protocols.anthropic import AnthropicDecoder
from llmdyno.protocols.bedrock import (
    REFUSALS,
    Body,
    InvokeDecoder,
    bedrock_dialect,
    error_type,
    header_facts,
    invoke_request,
)
from llmdyno.protocols.converse import ConverseDecoder, converse_messages
from llmdyno.protocols.dialect import Dialect, Envelope, HttpRequest, chat_messages, text_of
from llmdyno.protocols.events import Decoder, Event
from llmdyno.protocols.frames import METRICS, FrameReader, content_of, object_in_chunk, with_latencies
from llmdyno.protocols.openai import CHAT, encode_chat
from llmdyno.protocols.server_error import error_name, failure_in
from llmdyno.protocols.values import loads, object_of
from llmdyno.workload.session import Messages

ANTHROPIC_VERSION = "bedrock-2023-05-31"
"""The field `anthropic_version`, which stands for the header that Anthropic's own API wants."""

_MEMBERS = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
_METRICS_MARK = METRICS.encode()


class AnthropicFramesDecoder(FrameReader):
    """Decodes the events of Anthropic's Messages API in chunk frames."""

    def __init__(self) -> None:
        super().__init__()
        self._messages = AnthropicDecoder()

    def read(self, end: int, event_type: str, payload: bytes) -> list[Event]:
        """Read one event. The last one, `message_stop`, tells the service's latencies too."""
        content = content_of(event_type, payload)
        if content is None:
            return [Event(end)]
        events = self._messages.read((end, b"", content)) or [Event(end)]
        self.finished = self.finished or any(event.finish_reason is not None for event in events)
        if _METRICS_MARK in content:
            events[-1] = with_latencies(events[-1], object_of(loads(content)))
        return events


class NovaDecoder(ConverseDecoder):
    """Decodes Nova's stream: each chunk is an object whose one field is a member of Converse's stream."""

    def read(self, end: int, event_type: str, payload: bytes) -> list[Event]:
        """Read one chunk."""
        content = content_of(event_type, payload)
        if content is None:
            return [Event(end)]
        chunk = object_in_chunk(content)
        name = next((name for name in _MEMBERS if name in chunk), "")
        if not name and (failure := failure_in(chunk)) is not None:
            return [Event(end, failure=failure)]
        events = self.events_of(end, name, object_of(chunk.get(name)))
        events[-1] = with_latencies(events[-1], chunk)
        return events


def _anthropic(messages: Messages, max_tokens: int) -> dict[str, Any]:
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    return {
        "anthropic_version": ANTHROPIC_VERSION,
        "max_tokens": max_tokens,
        "system": system or None,
        "messages": chat_messages(tuple(message for message in messages if message.role != "system")),
    }


def _nova(messages: Messages, max_tokens: int) -> dict[str, Any]:
    return {
        "schemaVersion": "messages-v1",
        **converse_messages(messages),
        "inferenceConfig": {"maxTokens": max_tokens},
    }


def _titan(messages: Messages, max_tokens: int) -> dict[str, Any]:
    return {"inputText": text_of(messages), "textGenerationConfig": {"maxTokenCount": max_tokens}}


def _cohere(messages: Messages, max_tokens: int) -> dict[str, Any]:
    """Command R takes the last message alone, and the turns before it under other names of the roles."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    before = [
        {"role": "CHATBOT" if turn.role == "assistant" else "USER", "message": turn.content} for turn in turns[:-1]
    ]
    return {
        "message": turns[-1].content if turns else system,
        "chat_history": before or None,
        "preamble": system if system and turns else None,
        "max_tokens": max_tokens,
    }


def _gpt_oss(messages: Messages, max_tokens: int) -> dict[str, Any]:
    return {"messages": chat_messages(messages), "max_completion_tokens": max_tokens}


class Family(NamedTuple):
    """One format: its body, where its temperature goes (empty: beside the rest), its decoder."""

    fields: Body
    sampling: str
    decoder: Callable[[], Decoder]


FAMILY_FORMATS = {
    "anthropic": Family(_anthropic, "", AnthropicFramesDecoder),
    "nova": Family(_nova, "inferenceConfig", NovaDecoder),
    "titan": Family(_titan, "textGenerationConfig", InvokeDecoder),
    "cohere": Family(_cohere, "", InvokeDecoder),
    "gpt-oss": Family(_gpt_oss, "", InvokeDecoder),
}
"""The formats that only foundation models have. The others are in :data:`~llmdyno.protocols.bedrock.BODY_FORMATS`."""

_FORMATS = (
    ("anthropic.claude-v2", None),  # the older text completions
    ("anthropic.claude-instant", None),
    ("anthropic.", "anthropic"),
    ("amazon.nova-", "nova"),
    ("amazon.titan-t", "titan"),  # titan-text-…, titan-tg1-…
    ("meta.", "bedrock-completion"),
    ("mistral.mistral-7b", "mistral"),
    ("mistral.mixtral", "mistral"),
    ("mistral.mistral-small-2402", "mistral"),
    ("mistral.mistral-large-2402", "mistral"),
    ("mistral.", "openai-chat"),
    ("cohere.command-r", "cohere"),
    ("ai21.jamba", "openai-chat"),
    ("deepseek.r1", "openai-completion"),
    ("deepseek.", "openai-chat"),
    ("openai.", "gpt-oss"),
    ("qwen.", "openai-chat"),
)


def family_format(base_model: str) -> str | None:
    """The body format of a foundation model on InvokeModel, by its ID; None: it is not known, and Converse is better.

    Args:
        base_model: the ID, such as `meta.llama3-1-8b-instruct-v1:0`.
    """
    return next((found for beginning, found in _FORMATS if base_model.lower().startswith(beginning)), None)


def family_dialect(body_format: str) -> Dialect:
    """The dialect of one of :data:`FAMILY_FORMATS`."""
    family = FAMILY_FORMATS[body_format]

    def encode(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
        body = family.fields(messages, max_tokens)
        if envelope.temperature is not None:
            place = body[family.sampling] if family.sampling else body
            place["temperature"] = envelope.temperature
        return invoke_request(envelope, {**body, **envelope.extra_body})

    return bedrock_dialect(f"bedrock invoke, {body_format}", encode, family.decoder)


def _encode_chat(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    """``POST /openai/v1/chat/completions``. Whoever signs it adds the API key, if there is one."""
    tier = {"service_tier": envelope.service_tier} if envelope.service_tier is not None else {}
    bound = {"max_tokens": None, "max_completion_tokens": max_tokens}
    more = {**bound, **tier, **envelope.extra_body}
    place = dataclasses.replace(envelope, path=f"{envelope.path}/openai/v1", api_key=None, extra_body=more)
    return encode_chat(place, messages, max_tokens)


def _error_name(headers: Mapping[bytes, bytes], body: bytes) -> str | None:
    """The error's name: the service's own in a header or the body, or OpenAI's."""
    return error_type(headers, body) or error_name(body)


RUNTIME_CHAT = dataclasses.replace(
    CHAT,
    name="bedrock openai chat",
    encode=_encode_chat,
    error_type=_error_name,
    refusals=REFUSALS,
    header_facts=header_facts,
)
"""OpenAI's Chat Completions as Bedrock's runtime serves them: server-sent events, under the path `/openai/v1`."""
