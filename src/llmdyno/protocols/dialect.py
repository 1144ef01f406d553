"""A dialect: how one kind of API asks and answers. Two pure functions and a reader of error bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from llmdyno.protocols.events import Decoder
from llmdyno.workload.session import Messages


class Refusals(NamedTuple):
    """How a service refuses: its names for "not ready yet" and for "too many requests", the HTTP status of both, and
    for refusals that waiting does not cure the remedy by name."""

    not_ready: frozenset[str] = frozenset()
    throttled: frozenset[str] = frozenset()
    status: int = 429
    remedies: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every request of a run carries: the URL's path, the model, the key, headers, fields of the body."""

    path: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    ignore_eos: bool = False
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without its connection: what goes into an HTTP/1.1 message besides Host and Content-Length."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes


NO_REFUSALS = Refusals()
"""A service without names of its own: only the status tells."""


class HeaderFacts(NamedTuple):
    """What an answer's headers say of it: the server's name for the answer, its token counts, its own latency in ms."""

    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: int | None = None


def common_header_facts(headers: Mapping[bytes, bytes]) -> HeaderFacts:
    """What most servers' headers say: the request's ID."""
    found = headers.get(b"x-request-id")
    return HeaderFacts(found.decode("latin-1") if found is not None else None)


def count_in(value: bytes | None) -> int | None:
    """A whole number in a header's value; None where it holds something else."""
    return int(value) if value is not None and value.isdigit() and len(value) < 16 else None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One row of the table.

    `encode` makes a request from an envelope, messages and max_tokens. `decoder` makes a decoder for one
    response; None where answers are kept and read after the run. `media_type` is the type of a stream's body (empty:
    any). `error_type` reads the server's name for an error from the headers and body of an answer that has an error's
    status. `refusals` says how its service refuses, `header_facts` what the headers of an answer tell.
    """

    name: str
    encode: Callable[[Envelope, Messages, int], HttpRequest]
    decoder: Callable[[], Decoder] | None
    media_type: str
    error_type: Callable[[Mapping[bytes, bytes], bytes], str | None] = lambda headers, body: None
    refusals: Refusals = NO_REFUSALS
    header_facts: Callable[[Mapping[bytes, bytes]], HeaderFacts] = common_header_facts


def error_text(body: bytes, limit: int = 300) -> str:
    """The server's own message in an error body: OpenAI's, vLLM's, FastAPI's and AWS's shapes, else its first words."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return " ".join(body[: 4 * limit].decode("utf-8", "replace").split())[:limit]
    return message_of(value)[:limit]


def message_of(value: Any) -> str:
    """The message in a decoded error value."""
    for name in ("error", "message", "Message", "detail", "msg", "error_message"):
        if isinstance(value, dict) and value.get(name):
            return message_of(value[name])
    if isinstance(value, list) and len(value) == 1:
        return message_of(value[0])
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return " ".join(text.split())


def text_of(messages: Messages) -> str:
    """All messages as one text, for formats that take a prompt: one message is its own text, several are joined."""
    return messages[0].content if len(messages) == 1 else "\n\n".join(message.content for message in messages)


def chat_messages(messages: Messages) -> list[dict[str, str]]:
    """Messages as chat APIs take them."""
    return [{"role": message.role, "content": message.content} for message in messages]
