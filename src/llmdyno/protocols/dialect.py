"""The contract of a dialect: how one kind of API writes requests and responses.

A dialect takes an envelope and messages and gives a request; it takes the bytes of a response and gives events. It
does not know connections, clocks or credentials other than an API key. The helpers at the end serve several dialects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llmdyno.protocols.events import Decoder
from llmdyno.protocols.server_error import error_name, error_text, message_of
from llmdyno.protocols.values import count_of
from llmdyno.workload.session import Messages

__all__ = [
    "NO_REFUSALS",
    "Dialect",
    "Envelope",
    "HeaderFacts",
    "HttpRequest",
    "Refusals",
    "chat_messages",
    "common_header_facts",
    "count_in",
    "error_text",
    "error_type_in_body",
    "message_of",
    "text_of",
    "without_nulls",
]


class Refusals(NamedTuple):
    """How a service refuses a request.

    `not_ready` and `throttled` are its names for "the model is not ready yet" and "too many requests"; `statuses` are
    the HTTP statuses of both. `remedies` says what to do, by name, about the refusals that waiting does not cure.
    """

    not_ready: frozenset[str] = frozenset()
    throttled: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset({429})
    remedies: Mapping[str, str] = {}


NO_REFUSALS = Refusals()
"""A service that names no refusals: only the status tells."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every request of a run has in common.

    `path` is the path of the base URL, without a slash at its end. `headers` and `extra_body` are the user's: they
    replace what the dialect sets, and a null in `extra_body` removes the field. `service_tier`: the tier that Amazon
    Bedrock is asked for.
    """

    path: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ignore_eos: bool = False
    temperature: float | None = None
    service_tier: str | None = None

    def with_own_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """A dialect's headers with the user's; names are compared without regard to case."""
        own = {name.lower() for name in self.headers}
        return {**{name: value for name, value in headers.items() if name.lower() not in own}, **self.headers}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without its connection: an HTTP/1.1 message except for Host and Content-Length."""

    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HeaderFacts(NamedTuple):
    """What the headers of a response say about it: the server's name for the response, its token counts, its own
    measurement of the latency in ms, the service tier that served it."""

    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: int | None = None
    service_tier: str | None = None


def common_header_facts(headers: Mapping[bytes, bytes]) -> HeaderFacts:
    """The request's ID, from the header `x-request-id`, as most servers send it."""
    found = headers.get(b"x-request-id")
    return HeaderFacts(found.decode("latin-1") if found is not None else None)


def count_in(value: bytes | None) -> int | None:
    """The whole number in a header's value; None if the value is missing or something else."""
    return count_of(value.decode("latin-1")) if value is not None else None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one API is spoken.

    `encode` makes a request from an envelope, messages and max_tokens. `decoder` makes the decoder of one response;
    None where responses are kept and read after the run. `media_type` is the type of a stream's body (empty: any).
    `error_type` finds the server's name for an error in the headers (names in lower case) and the body of a response
    whose status is an error's. `refusals` says how the service refuses. `header_facts` reads a response's headers.
    `end_mark` is how the data of a stream's last event begins, without spaces; empty: the dialect has no end mark.
    """

    name: str
    encode: Callable[[Envelope, Messages, int], HttpRequest]
    decoder: Callable[[], Decoder] | None
    media_type: str
    error_type: Callable[[Mapping[bytes, bytes], bytes], str | None] = lambda headers, body: None
    refusals: Refusals = NO_REFUSALS
    header_facts: Callable[[Mapping[bytes, bytes]], HeaderFacts] = common_header_facts
    end_mark: bytes = b""


def error_type_in_body(headers: Mapping[bytes, bytes], body: bytes) -> str | None:
    """The server's name for an error, from ``{"error": {"type": …}}``, as OpenAI's and Anthropic's bodies have it."""
    return error_name(body)


def without_nulls(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body that are not None: that is how a user's null removes a field."""
    return {name: value for name, value in body.items() if value is not None}


def text_of(messages: Messages) -> str:
    """The texts of all messages with a blank line between them, for formats that take one prompt."""
    return messages[0].content if len(messages) == 1 else "\n\n".join(message.content for message in messages)


def chat_messages(messages: Messages) -> list[dict[str, str]]:
    """Messages as chat APIs take them: objects with `role` and `content`."""
    return [{"role": message.role, "content": message.content} for message in messages]
