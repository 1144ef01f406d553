"""The check of an HTTP endpoint before the load: does it answer, and does it have the model?

In: a client, what every request carries, an API's name and headers. Out: what the server reports about itself, or an
:class:`~llmdyno.errors.InputError` that says what to do. It sends ``GET /models``. If the list does not have the model,
it also asks the model for an answer of one token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from llmdyno.errors import InputError, hidden
from llmdyno.protocols.dialect import Dialect, Envelope, HttpRequest, error_text
from llmdyno.spec.readers import given_secrets
from llmdyno.timeline.emulated import label_in
from llmdyno.transports.exchange import Exchange, Payload, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.wire import Origin
from llmdyno.workload.session import user_message

_PATIENCE_S = 10.0


class Api(NamedTuple):
    """An API: its name for the user, the headers of a GET, and how the user gives the key."""

    name: str
    headers: Mapping[str, str]
    key_flag: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the endpoint reported: its models (None: it has no list), its Server header, its emulator label."""

    models: list[str] | None
    server: str | None
    emulated: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class _Look(NamedTuple):
    """One check: the client, the endpoint, what every request carries, the API, how long each answer may take."""

    client: Client
    origin: Origin
    envelope: Envelope
    api: Api
    patience_s: float


async def look(
    client: Client, origin: Origin, envelope: Envelope, dialect: Dialect, api: Api, *, timeout_s: float
) -> Found:
    """Ask the endpoint for its models. If `envelope` names no model, the list must have exactly one.

    Raises:
        InputError: the endpoint cannot be reached, does not speak the API, refuses the key or does not have the model.
    """
    one = _Look(client, origin, envelope, api, min(timeout_s, _PATIENCE_S))
    answer = await _get(one, origin.path + "/models")
    models = _models(answer.body) if answer.status == 200 else None
    _check_key(one, answer, f"{origin}/models")
    if models is None:
        await _check_base(one, answer)
    if not envelope.model:
        if models is None or len(models) != 1:
            listed = _listed(models) if models else "has no list of models"
            raise InputError("--model", f"not given, and the server {listed}", "name the model")
    elif models is None or envelope.model not in models:
        await _ask_model(one, dialect, models)
    server = answer.headers.get(b"server")
    return Found(models, server.decode("latin-1") if server else None, label_in(answer.headers))


async def _check_base(one: _Look, answer: _Answer) -> None:
    """Find out why there is no list of models. The API may be under /v1, or this may be a web site.

    Raises:
        InputError: the URL is not the base URL of the API.
    """
    origin = one.origin
    if not origin.path.endswith("/v1"):
        other = await _get(one, origin.path + "/v1/models")
        if other.status == 200 and _models(other.body) is not None:
            raise InputError(str(origin), "is not the API's base URL", f"did you mean --base-url {origin}/v1 ?")
    if answer.status == 200:
        media_type = answer.headers.get(b"content-type", b"no content type").decode("latin-1").partition(";")[0]
        what = f"is not {one.api.name}: /models answered with {media_type}"
        raise InputError(str(origin), what, "check --base-url")


async def _ask_model(one: _Look, dialect: Dialect, models: list[str] | None) -> None:
    """Ask the model itself, because lists leave out aliases and adapters.

    Raises:
        InputError: the server refuses the model.
    """
    origin, envelope = one.origin, one.envelope
    request = dialect.encode(envelope, user_message("Hello"), 1)
    answer = await _send(one, request)
    message = _hidden(error_text(answer.body), envelope)
    _check_key(one, answer, f"{origin}{request.path.removeprefix(origin.path)}")
    if models is None and answer.status in (404, 405) and "model" not in message.lower():
        what = f"is not {one.api.name}: {request.path} answered {answer.status} ({message})"
        raise InputError(str(origin), what, "check --base-url and --route")
    if answer.status in (400, 404, 422):
        listed = f"it {_listed(models)}" if models else "check its name"
        raise InputError("--model", f"the server refuses {envelope.model!r} ({answer.status}: {message})", listed)


def _check_key(one: _Look, answer: _Answer, where: str) -> None:
    if answer.status in (401, 403):
        message = _hidden(error_text(answer.body), one.envelope)
        fits = f"give a valid key with {one.api.key_flag}"
        raise InputError(where, f"the server answered {answer.status} ({message})", fits)


def _listed(models: list[str]) -> str:
    return "lists " + ", ".join(models[:8]) + (", …" if len(models) > 8 else "")


async def _get(one: _Look, path: str) -> _Answer:
    own = {name.lower() for name in one.envelope.headers}
    headers = {name: value for name, value in one.api.headers.items() if name.lower() not in own}
    return await _send(one, HttpRequest("GET", path, {**headers, **one.envelope.headers}, b""))


async def _send(one: _Look, request: HttpRequest) -> _Answer:
    client, origin = one.client, one.origin
    exchange = Exchange(Prepared(0, "preflight", None, 0, 0, Payload(client.serialise(request))), 0)
    try:
        await asyncio.shield(client.perform(exchange, one.patience_s))
    except asyncio.CancelledError:
        client.cancel_all()
        raise
    if exchange.status is None or exchange.failure is not None:
        message = exchange.failure.message if exchange.failure else "no answer"
        remedy = "check the URL and whether the server is up"
        if exchange.failure and exchange.failure.kind == "tls":
            remedy = "check the URL's scheme and the server's certificate; --ca-file trusts another authority"
        raise InputError(str(origin), message, remedy)
    return _Answer(exchange.status, exchange.headers, b"".join(exchange.pieces))


def _models(body: bytes) -> list[str] | None:
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    listed = value.get("data") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return None
    return [item["id"] for item in listed if isinstance(item, dict) and isinstance(item.get("id"), str)]


def _hidden(text: str, envelope: Envelope) -> str:
    return hidden(text, given_secrets(envelope.api_key, envelope.headers))
