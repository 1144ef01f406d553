"""A look at the endpoint before the load: does it answer, is it what was asked for?

In: an origin, a model name or none. Out: what the server says of itself, or an
:class:`~llmdyno.errors.InputError` with the remedy. Only ``GET /models`` is asked, and, when its list
lacks the model, one answer of one token; the load itself has not begun.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from llmdyno.engine.recorder import emulated_in
from llmdyno.errors import InputError
from llmdyno.protocols.dialect import Dialect, HttpRequest, Target, error_text
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.wire import Origin

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """What the endpoint said of itself: its models (None: it keeps no list), its Server header, what it emulates."""

    models: list[str] | None
    server: str | None
    emulated: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def look(client: Client, origin: Origin, target: Target, dialect: Dialect, *, timeout_s: float) -> Found:
    """Ask the endpoint for its models; without a model in `target` its list must hold exactly one.

    Raises:
        InputError: it cannot be reached, is no OpenAI-compatible server, refuses the key or lacks the model.
    """
    patience_s = min(timeout_s, _PATIENCE_S)
    answer = await _get(client, origin, target, origin.path + "/models", patience_s)
    models = _models(answer.body) if answer.status == 200 else None
    _check_key(answer, f"{origin}/models", target)
    if models is None:
        await _check_base(client, origin, target, answer, patience_s)
    if not target.model:
        if models is None or len(models) != 1:
            listed = _listed(models) if models else "keeps no list of models"
            raise InputError("--model", f"not given, and the server {listed}", "name the model")
    elif models is None or target.model not in models:
        await _ask_model(client, origin, target, dialect, models, patience_s)
    server = answer.headers.get(b"server")
    return Found(models, server.decode("latin-1") if server else None, emulated_in(answer.headers))


async def _check_base(client: Client, origin: Origin, target: Target, answer: _Answer, patience_s: float) -> None:
    """No list of models: perhaps it hangs under /v1, perhaps this is a web site; a server without a list is fine."""
    if not origin.path.endswith("/v1"):
        other = await _get(client, origin, target, origin.path + "/v1/models", patience_s)
        if other.status == 200 and _models(other.body) is not None:
            raise InputError(str(origin), "is not the API's base", f"did you mean --base-url {origin}/v1 ?")
    if answer.status == 200:
        media_type = answer.headers.get(b"content-type", b"no content type").decode("latin-1").partition(";")[0]
        raise InputError(
            str(origin),
            f"is not an OpenAI-compatible server: /models answered with {media_type}",
            "check --base-url",
        )


async def _ask_model(
    client: Client,
    origin: Origin,
    target: Target,
    dialect: Dialect,
    models: list[str] | None,
    patience_s: float,
) -> None:
    """Lists leave aliases and adapters out, so the model itself is asked before it is refused."""
    request = dialect.encode(target, "Hello", 1)
    answer = await _send(client, origin, request, patience_s)
    message = _hidden(error_text(answer.body), target)
    _check_key(answer, f"{origin}{request.path.removeprefix(origin.path)}", target)
    if models is None and answer.status in (404, 405) and "model" not in message.lower():
        raise InputError(
            str(origin),
            f"is not an OpenAI-compatible server: {request.path} answered {answer.status} ({message})",
            "check --base-url and --route",
        )
    if answer.status in (400, 404, 422):
        listed = f"it {_listed(models)}" if models else "check its name"
        raise InputError("--model", f"the server refuses {target.model!r} ({answer.status}: {message})", listed)


def _check_key(answer: _Answer, where: str, target: Target) -> None:
    if answer.status in (401, 403):
        raise InputError(
            where,
            f"the server answered {answer.status} ({_hidden(error_text(answer.body), target)})",
            "give a key that it accepts, with --api-key or OPENAI_API_KEY",
        )


def _listed(models: list[str]) -> str:
    return "lists " + ", ".join(models[:8]) + (", …" if len(models) > 8 else "")


async def _get(client: Client, origin: Origin, target: Target, path: str, patience_s: float) -> _Answer:
    headers = {"Accept": "application/json"}
    if target.api_key:
        headers["Authorization"] = f"Bearer {target.api_key}"
    return await _send(client, origin, HttpRequest("GET", path, {**headers, **target.headers}, b""), patience_s)


async def _send(client: Client, origin: Origin, request: HttpRequest, patience_s: float) -> _Answer:
    exchange = Exchange(Prepared(0, "preflight", None, 0, 0, client.serialise(request)), 0)
    try:
        await asyncio.shield(client.perform(exchange, patience_s))
    except asyncio.CancelledError:
        client.cancel_all()
        raise
    if exchange.status is None or exchange.failure is not None:
        message = exchange.failure.message if exchange.failure else "no answer"
        remedy = "check the URL and whether the server is up"
        if exchange.failure and exchange.failure.kind == "tls":
            remedy = "check the URL's scheme and the server's certificate (--ca-file names another authority)"
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


def _hidden(text: str, target: Target) -> str:
    return text.replace(target.api_key, "***") if target.api_key else text
