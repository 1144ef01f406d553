"""A dialect: how one kind of API asks and answers. Two pure functions and a reader of error bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from llmdyno.protocols.events import Decoder


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, without the connection: the URL's path, the model, what every request carries."""

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


@dataclass(frozen=True, slots=True)
class Dialect:
    """One row of the table.

    `encode` makes a request from a target, a prompt and max_tokens. `decoder` makes a decoder for one
    response; None where answers are kept and read after the run. `media_type` is the type of a stream's body (empty:
    any). `error_type` reads the server's name for an error from the headers and body of an answer that has an error's
    status.
    """

    name: str
    encode: Callable[[Target, str, int], HttpRequest]
    decoder: Callable[[], Decoder] | None
    media_type: str
    error_type: Callable[[Mapping[bytes, bytes], bytes], str | None] = lambda headers, body: None


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
