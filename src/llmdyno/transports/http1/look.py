"""The check of an HTTP endpoint before the load: does it answer, and does it have the model?

In: a client, what every request carries, an API's name and headers. Out: what the server reports about itself, or an
:class:`~llmdyno.errors.InputError` that says what to do. It sends ``GET /models``. If the list does not have the model,
it also asks the model for an answer of one token. Only what the load would be refused too is an error. Everything else
that is odd is a note.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from llmdyno.errors import InputError
from llmdyno.protocols.dialect import Dialect, Envelope, HttpRequest, error_text
from llmdyno.protocols.events import Failure
from llmdyno.spec.masking import NOTHING, Masker
from llmdyno.timeline.emulated import label_in
from llmdyno.timeline.record import TIMEOUT
from llmdyno.transports.advice import adapted, change_for, redirect_text, remedy_for
from llmdyno.transports.exchange import Exchange, Payload, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.wire import Origin
from llmdyno.workload.session import user_message

_PATIENCE_S = 10.0
_CHANGES = 3  # so often the request of one token is changed as the server asks
_BUSY = (408, 409, 425, 429)


class Api(NamedTuple):
    """An API: its name for the user, the headers of a GET, and how the user gives the key."""

    name: str
    headers: Mapping[str, str]
    key_flag: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the endpoint reported.

    `models`: its models (None: it has no list). `server`: its Server header. `emulated`: its emulator label. `notes`:
    what was odd. `renamed`: fields of the body that the server wants under another name, or left out (None).
    """

    models: list[str] | None
    server: str | None
    emulated: str | None
    notes: tuple[str, ...] = ()
    renamed: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer. `status` is 0 if there was none; `failure` says why. `advice`: what helps against a redirect."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    failure: Failure | None = None
    connected: bool = True
    advice: str | None = None

    @property
    def media_type(self) -> str:
        return self.headers.get(b"content-type", b"no content type").decode("latin-1").partition(";")[0].strip()


class _Look(NamedTuple):
    """One check: the client, the endpoint, what every request carries, the API, how long each answer may take, the
    notes so far, and the mask for what the server says."""

    client: Client
    origin: Origin
    envelope: Envelope
    api: Api
    patience_s: float
    notes: list[str]
    mask: Masker


async def look(
    client: Client,
    origin: Origin,
    envelope: Envelope,
    dialect: Dialect,
    api: Api,
    *,
    timeout_s: float,
    mask: Masker = NOTHING,
) -> Found:
    """Ask the endpoint for its models. If `envelope` names no model, the list must have exactly one. `mask` masks
    secrets in all that the server says.

    Raises:
        InputError: the endpoint cannot be reached, does not speak the API, refuses the key or does not have the model.
    """
    one = _Look(client, origin, envelope, api, min(timeout_s, _PATIENCE_S), [], mask)
    answer = await _get(one, origin.path + "/models")
    if answer.failure is not None and not answer.connected:
        raise _unreachable(one, answer.failure)
    models = _models(answer.body) if answer.status == 200 else None
    renamed: dict[str, str | None] = {}
    if not envelope.model:
        if models is None or len(models) != 1:
            raise await _nameless(one, answer, models)
    elif models is None or envelope.model not in models:
        if models is None:
            one.notes.append(f"no list of models: GET {origin.path}/models {_outcome(one, answer)}")
        renamed = await _ask_model(one, dialect, models)
    query = f"?{origin.query}" if origin.query else ""
    gets = {f"{origin.path}{path}{query}" for path in ("/models", "/v1/models")}
    one.notes.extend(map(one.mask.text, client.asked.redirects(gets)))
    server = answer.headers.get(b"server")
    return Found(
        models, server.decode("latin-1") if server else None, label_in(answer.headers), tuple(one.notes), renamed
    )


async def _nameless(one: _Look, answer: _Answer, models: list[str] | None) -> InputError:
    """The error for a run without a model's name, at a server that does not list exactly one."""
    where = one.origin.at(one.origin.path + "/models")
    if models is not None:
        listed = _listed(models) if models else "lists no models"
        return InputError("--model", f"not given, and the server {listed}", "name the model")
    if answer.failure is not None and answer.failure.kind != TIMEOUT:
        return _unreachable(one, answer.failure)
    if answer.status in (401, 403):
        return _refused_key(one, answer, where)
    if 300 <= answer.status < 400:
        return _redirected(answer, where)
    if answer.status == 200:
        what = f"is not {one.api.name}: /models answered with {answer.media_type}"
        return await _other_base(one) or InputError(str(one.origin), what, "check --base-url, or name the model")
    no_list = InputError("--model", "not given, and the server has no list of models", "name the model")
    return await _other_base(one) or no_list


async def _other_base(one: _Look) -> InputError | None:
    """The error that names the base URL under /v1, if the API is there; None: it is not."""
    origin = one.origin
    if origin.path.endswith("/v1"):
        return None
    other = await _get(one, origin.path + "/v1/models")
    if other.status != 200 or _models(other.body) is None:
        return None
    return InputError(
        str(origin), "is not the API's base URL", f"did you mean --base-url {origin.at(origin.path + '/v1')} ?"
    )


async def _ask_model(one: _Look, dialect: Dialect, models: list[str] | None) -> dict[str, str | None]:
    """Ask the model itself, because lists leave out aliases and adapters. Returns the fields to rename.

    Raises:
        InputError: the load would be refused too.
    """
    renamed: dict[str, str | None] = {}
    tokens = 1
    for _ in range(_CHANGES + 1):
        request = dialect.encode(one.envelope, user_message("Hello"), tokens)
        answer = await _send(one, adapted(request, renamed) if renamed else request)
        change = change_for(_said(answer), tokens) if answer.status in (400, 422) else None
        if change is None or change.field in renamed:
            break
        if change.minimum:
            tokens = change.minimum
        else:
            renamed[change.field] = change.into
        one.notes.append(change.note)
    if (refusal := await _refusal(one, request, answer, models)) is not None:
        raise refusal
    return renamed


async def _refusal(one: _Look, request: HttpRequest, answer: _Answer, models: list[str] | None) -> InputError | None:
    """The error for an answer that the load would get too; None: the load may do better, or the model answered."""
    origin, status = one.origin, answer.status
    where = origin.at(request.path)
    if answer.failure is not None:
        if answer.failure.kind != TIMEOUT or not answer.connected:
            return _unreachable(one, answer.failure)
        one.notes.append(f"the model did not answer a request within {one.patience_s:g} s")
        return None
    if status in (401, 403):
        return _refused_key(one, answer, where)
    message = _message(one, answer)
    if status in (404, 405) and models is None and "model" not in message.lower():
        what = f"is not {one.api.name}: {where} answered {status} ({message})"
        return await _other_base(one) or InputError(str(origin), what, "check --base-url and --route")
    if 300 <= status < 400:
        return _redirected(answer, where)
    if status == 200 and answer.media_type.lower() == "text/html":
        what = f"is not {one.api.name}: {where} answered with {answer.media_type}"
        return await _other_base(one) or InputError(str(origin), what, "check --base-url and --route")
    if status in (400, 404, 422):
        return _refused_request(one, where, answer, models)
    if status < 200 or (400 <= status < 500 and status not in _BUSY):
        return InputError(where, f"the server answered {status} ({message})", "--no-preflight runs the load anyway")
    if status != 200:
        one.notes.append(f"a request of one token was answered {status} ({message})")
    return None


def _refused_request(one: _Look, where: str, answer: _Answer, models: list[str] | None) -> InputError:
    """The error for a request that the server refuses: a field of the body, or the model."""
    message = _message(one, answer)
    if (remedy := remedy_for(_said(answer))) is not None:
        return InputError(where, f"the server answered {answer.status} ({message})", remedy)
    if models is None and "model" not in message.lower() and answer.status != 404:
        fits = "change the body with --extra-body; a null leaves a field out"
        return InputError(where, f"the server answered {answer.status} ({message})", fits)
    listed = f"it {_listed(models)}" if models else "check its name"
    return InputError("--model", f"the server refuses {one.envelope.model!r} ({answer.status}: {message})", listed)


def _redirected(answer: _Answer, where: str) -> InputError:
    advice = answer.advice or redirect_text(answer.headers.get(b"location", b"").decode("latin-1"))
    return InputError(where, f"the server answered {answer.status}", advice)


def _refused_key(one: _Look, answer: _Answer, where: str) -> InputError:
    fits = f"give a valid key with {one.api.key_flag}"
    return InputError(where, f"the server answered {answer.status} ({_message(one, answer)})", fits)


def _unreachable(one: _Look, failure: Failure) -> InputError:
    remedy = "check the URL and whether the server is up"
    if failure.kind == "tls":
        remedy = "check the URL's scheme and the server's certificate; --ca-file trusts another authority"
    return InputError(str(one.origin), failure.message, remedy)


def _outcome(one: _Look, answer: _Answer) -> str:
    """What came of a GET, for a note."""
    if answer.failure is not None:
        return f"gave no answer ({answer.failure.message})"
    if answer.status == 200:
        return f"answered with {answer.media_type} that is no list"
    return f"answered {answer.status}" + (f" ({message[:100]})" if (message := _message(one, answer)) else "")


def _message(one: _Look, answer: _Answer) -> str:
    return one.mask.text(error_text(answer.body))


def _said(answer: _Answer) -> str:
    return answer.body[:4096].decode("utf-8", "replace")


def _listed(models: list[str]) -> str:
    return "lists " + ", ".join(models[:8]) + (", …" if len(models) > 8 else "")


async def _get(one: _Look, path: str) -> _Answer:
    own = {name.lower() for name in one.envelope.headers}
    headers = {name: value for name, value in one.api.headers.items() if name.lower() not in own}
    return await _send(one, HttpRequest("GET", path, {**headers, **one.envelope.headers}, b""))


async def _send(one: _Look, request: HttpRequest) -> _Answer:
    """Send a request and wait for the end of its answer."""
    client = one.client
    exchange = Exchange(Prepared(0, "preflight", None, 0, 0, Payload(client.serialise(request))), 0)
    try:
        await asyncio.shield(client.perform(exchange, one.patience_s))
    except asyncio.CancelledError:
        client.cancel_all()
        raise
    exchange.conceal(one.mask)
    connected = exchange.sent_ns is not None
    failure = exchange.failure
    if exchange.status is not None and exchange.status != 200:
        failure = None  # the status says more than the reason why the body was cut short
    elif exchange.status is None and failure is None:
        failure = Failure(TIMEOUT, None, "no answer")
    body = b"".join(exchange.pieces)
    return _Answer(exchange.status or 0, exchange.headers, body, failure, connected, exchange.advice)


def _models(body: bytes) -> list[str] | None:
    """The names in a list of models; None: it is no list."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    listed = value.get("data") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return None
    return [item["id"] for item in listed if isinstance(item, dict) and isinstance(item.get("id"), str)]
