"""The emulator's routes, in one table.

In: a request and the wire it came on. Out: an answer that is ready, one that begins, or one that has to be fetched. It
decides; the server keeps what is shared, and the connection writes.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from llmdyno.emulator import (
    anthropic,
    anthropic_request,
    bedrock,
    bedrock_request,
    foundation,
    http,
    openai,
    quotas,
    runtime,
    tags,
)
from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.body import shown
from llmdyno.emulator.control import operate
from llmdyno.emulator.copies import HOLD, SERVE, THROTTLE, Copies
from llmdyno.emulator.dialect import Refused
from llmdyno.emulator.faults import BEFORE
from llmdyno.emulator.http import Request
from llmdyno.emulator.outcome import Outcome, Parts, Whole
from llmdyno.emulator.regions import region_of, scope_of
from llmdyno.emulator.reply import Wire
from llmdyno.emulator.truth import Truth
from llmdyno.emulator.unknown import no_answer, unknown

if TYPE_CHECKING:
    from llmdyno.emulator.server import Emulator

Handler = Callable[["Emulator", Request, Wire], Outcome]


class Route(NamedTuple):
    """A method (empty: any) and a path, and their handler. A path that ends in ``…`` fits every longer one."""

    method: str
    path: str
    handler: Handler

    def fits(self, request: Request) -> bool:
        """Whether a request is this route's."""
        method = "GET" if request.method == "HEAD" else request.method
        if self.method not in ("", method):
            return False
        beginning, dots, _ = self.path.partition("…")
        return request.path.startswith(beginning) if dots else request.path == self.path


def handle(server: Emulator, request: Request, wire: Wire) -> Outcome:
    """Decide what a request gets."""
    host = request.headers.get("host")
    if host is not None and not server.hosts.allow(host):
        message = f"the host {shown(host)!r} is not allowed here; llmdyno serve --allow-host NAME allows one"
        return _error(server, 421, "MisdirectedRequestError", message)
    if request.method == "OPTIONS":
        return _options(server, request)
    if not server.authorised(request):
        return _error(server, 401, "AuthenticationError", "the API key is wrong or missing")
    if request.method == "POST" and request.headers.get("x-amz-target", "").startswith(quotas.TARGET):
        return _quotas(server, request)
    for route in ROUTES:
        if route.fits(request):
            return route.handler(server, request, wire)
    allowed = _methods(request)
    if allowed:
        message = f"{request.method} does not work on this path, but {', '.join(allowed)}"
        return _error(server, 405, "MethodNotAllowedError", message, [f"Allow: {', '.join(allowed)}"])
    if request.method in ("CONNECT", "TRACE"):
        return _error(server, 405, "MethodNotAllowedError", f"{request.method} does not work here", ["Allow: OPTIONS"])
    if request.headers.get("authorization", "").startswith("Bearer ") and not request.path.startswith("/v1/"):
        return _unknown(server, request)  # a Bedrock API key: no other service takes one
    if server.services is not None and request.path.startswith("/") and not request.path.startswith("/v1/"):
        return _forward(server, request)
    if scope_of(request.headers) is not None:
        return _unknown(server, request)
    return _error(server, 404, "NotFoundError", f"there is no {request.method} {shown(request.path)}")


def _methods(request: Request) -> list[str]:
    """The methods that a path has; none if there is no such path."""
    found = [route.method for route in ROUTES if route.fits(request._replace(method=route.method))]
    if "" in found or not found:
        return []
    return [*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"]


def _options(server: Emulator, request: Request) -> Outcome:
    """What a path can do; ``*`` stands for the whole server (RFC 9110, 9.3.7)."""
    allowed = ["GET", "HEAD", "POST", "OPTIONS"] if request.url == "*" else _methods(request)
    if not allowed:
        if server.services is not None and not request.path.startswith("/v1/"):
            return _forward(server, request)
        return _error(server, 404, "NotFoundError", f"there is no {shown(request.path)}")
    return Whole(http.whole(200, b"", server.label, headers=[f"Allow: {', '.join(allowed)}"]))


def _error(server: Emulator, status: int, kind: str, message: str, headers: Sequence[str] = ()) -> Whole:
    return Whole(http.whole(status, openai.Refusal(status, kind, message).body, server.label, headers=headers))


# --- OpenAI's and Anthropic's APIs


def _models(server: Emulator, request: Request, wire: Wire) -> Outcome:
    shape = anthropic if anthropic_request.VERSION_HEADER in request.headers else openai
    return _ready(server, shape.models_body(server.profile.name, server.created))


def _complete(server: Emulator, request: Request, wire: Wire) -> Outcome:
    truth = server.remember()
    fault = server.faults.of(truth.number)
    try:
        asked = openai.read_request(request.path, request.body, server.profile.name)
        if fault in BEFORE:
            raise openai.refusal(fault)
    except Refused as refused:
        return _refuse(server, truth, refused)
    answer = openai.Answer(asked, truth.number, int(time.time()), server.profile.name)
    return server.reply(wire, answer, asked, truth)


def _message(server: Emulator, request: Request, wire: Wire) -> Outcome:
    truth = server.remember()
    number, fault = truth.number, server.faults.of(truth.number)
    try:
        anthropic_request.check_key(request.headers, server.api_key, number)
        asked = anthropic_request.read_request(request.headers, request.body, server.profile.name, number)
        if fault in BEFORE:
            raise anthropic_request.refusal(fault, number)
    except Refused as refused:
        return _refuse(server, truth, refused)
    answer = anthropic.MessageAnswer(asked, number, server.profile.name)
    return server.reply(wire, answer, asked, truth)


# --- Bedrock


def _invoke(server: Emulator, request: Request, wire: Wire) -> Outcome:
    """The runtime: find the model, read the body, ask the copies."""
    truth = server.remember()
    headers = _service_headers()
    found = bedrock.split_path(request.path)
    if found is None:  # what the service is reported to answer to a raw slash in an ARN
        truth.status, truth.end_ns = 200, server.now_ns()
        return Whole(http.whole(200, bedrock.UNKNOWN_OPERATION, server.label, headers=headers))
    identifier, operation = found
    other = foundation.find(identifier)
    if other is not None:
        return runtime.invoke(server, request, wire, truth, other, operation)
    region = region_of(request.headers, identifier)
    fault = server.faults.of(truth.number)
    try:
        if operation not in bedrock.OPERATIONS:
            raise bedrock.unknown_operation(request.method, request.path)
        runtime.check_access(server, request)
        model = server.find_model(identifier, region)
        call = bedrock_request.read_call(operation, request.body, model, request.headers)
        if fault in BEFORE:
            raise bedrock.refusal(fault)
        copies = server.copies_of(model.arn)
        decision = copies.arrive(truth.arrive_ns)
        if decision.copy is None or decision.kind not in (SERVE, HOLD):
            raise bedrock.refusal("throttle" if decision.kind == THROTTLE else bedrock.NOT_READY)
    except ServiceError as error:
        if not identifier.startswith("arn:"):
            server.counts.refused(server.model_arn, error)
        elif identifier in (model.arn for model in server.regions.models()):
            server.counts.refused(identifier, error)
        return _refuse(server, truth, error, headers)
    return server.reply(
        wire,
        bedrock.BedrockAnswer(call, truth.number, int(time.time()), headers),
        call,
        truth,
        from_ns=decision.from_ns if decision.kind == HOLD else None,
        extra_s=server.scaling.first_inference_s if decision.first else 0.0,
        on_end=partial(_account, server, copies, decision.copy, model.arn, call.input_tokens),
    )


def _service_headers() -> list[str]:
    """What every answer of the service has: an id of its own, and when it was made."""
    return [f"x-amzn-RequestId: {uuid.uuid4()}", f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}"]


def _account(server: Emulator, copies: Copies, copy: int, arn: str, input_tokens: int, truth: Truth) -> None:
    """Tell the copies and CloudWatch that a call on a copy is over."""
    served = truth.status == 200
    copies.finish(truth.end_ns, copy, success=served, began_ns=truth.arrive_ns)
    if served and truth.tokens:
        first_ms, last_ms = ((time_ns - truth.arrive_ns) / 1e6 for time_ns in (truth.first_ns, truth.end_ns))
        server.counts.served(arn, last_ms, first_ms, input_tokens, truth.tokens)


def _operate(server: Emulator, request: Request, wire: Wire) -> Outcome:
    """One operation of the control plane."""
    headers = _service_headers()
    identifier = unquote(request.path.strip("/").partition("/")[2])
    control = server.regions.at(region_of(request.headers, identifier))
    try:
        status, answer = operate(control, request.method, request.url, request.body, time.time())
    except ServiceError as error:
        return Whole(http.whole(error.status, error.body, server.label, headers=[*error.headers, *headers]))
    server.follow_control()
    return Whole(http.whole(status, json.dumps(answer).encode(), server.label, headers=headers))


def _describe(server: Emulator, request: Request, wire: Wire) -> Outcome:
    """What the control plane says of a model that is no imported one."""
    answer = foundation.describe(request.path, server.created)
    if answer is None and server.services is not None:
        return _forward(server, request)
    if answer is None:
        refused = ServiceError(404, "ResourceNotFoundException", "The resource was not found.")
        return Whole(http.whole(refused.status, refused.body, server.label, headers=refused.headers))
    return _ready(server, json.dumps(answer).encode())


def _runtime_chat(server: Emulator, request: Request, wire: Wire) -> Outcome:
    return runtime.chat(server, request, wire)


def _tag(server: Emulator, request: Request, wire: Wire) -> Outcome:
    """Tags of import jobs and imported models; moto knows those of Bedrock's other resources."""
    try:
        foreign = tags.is_foreign(bedrock.json_object(request.body).get("resourceARN"))
    except ServiceError:
        foreign = False  # refused there, in the same words
    return _forward(server, request) if foreign and server.services is not None else _operate(server, request, wire)


def _quotas(server: Emulator, request: Request) -> Outcome:
    """Service Quotas."""
    try:
        answer = quotas.operate(
            server.regions.at(region_of(request.headers)).quotas, request.headers["x-amz-target"], request.body
        )
    except quotas.QuotaError as error:
        return Whole(http.whole(error.status, error.body, server.label, quotas.JSON_1_1, error.headers))
    return Whole(http.whole(200, json.dumps(answer).encode(), server.label, quotas.JSON_1_1))


async def _forward(server: Emulator, request: Request) -> Whole:
    """The rest of AWS: moto's answer, unchanged; or a proper refusal, where it has none."""
    assert server.services is not None
    try:
        answer = await server.services.forward(request.method, request.url, request.headers, request.body)
        return _unknown(server, request) if no_answer(request, answer) else Whole(answer, close=True)
    except (OSError, TimeoutError) as error:
        body = json.dumps({"message": f"moto does not answer: {error}"}).encode()
        return Whole(http.whole(503, body, server.label))


def _unknown(server: Emulator, request: Request) -> Whole:
    """An operation of AWS that is not emulated."""
    found = unknown(request)
    headers = [*found.headers, *_service_headers()]
    return Whole(http.whole(found.status, found.body, server.label, found.media_type, headers))


# --- the emulator itself


def _health(server: Emulator, request: Request, wire: Wire) -> Outcome:
    return _ready(server, b'{"status":"ok"}')


def _truth(server: Emulator, request: Request, wire: Wire) -> Outcome:
    dropped = f"X-LLMDyno-Truth-Dropped: {server.truths.dropped}"
    return Parts(200, "application/jsonl", [dropped], server.truths.parts())


def _lateness(server: Emulator, request: Request, wire: Wire) -> Outcome:
    return _ready(server, server.lateness())


def _copies(server: Emulator, request: Request, wire: Wire) -> Outcome:
    return _ready(server, server.copies_truth())


def _reset(server: Emulator, request: Request, wire: Wire) -> Outcome:
    server.forget_truth()
    return _ready(server, b'{"status":"ok"}')


def _ready(server: Emulator, body: bytes, media_type: str = http.JSON) -> Whole:
    return Whole(http.whole(200, body, server.label, media_type))


def _refuse(server: Emulator, truth: Truth, refused: Refused, more: Sequence[str] = ()) -> Whole:
    truth.status, truth.end_ns = refused.status, server.now_ns()
    return Whole(http.whole(refused.status, refused.body, server.label, headers=[*refused.headers, *more]))


ROUTES = (
    Route("GET", openai.MODELS_PATH, _models),
    Route("POST", openai.CHAT_PATH, _complete),
    Route("POST", openai.COMPLETIONS_PATH, _complete),
    Route("POST", anthropic_request.MESSAGES_PATH, _message),
    Route("POST", "/model/…", _invoke),
    Route("POST", runtime.CHAT_PATH, _runtime_chat),
    *(Route("GET", f"{path}…", _describe) for path in foundation.PATHS),
    Route("", "/model-import-jobs", _operate),
    Route("", "/model-import-jobs/…", _operate),
    Route("", "/imported-models", _operate),
    Route("", "/imported-models/…", _operate),
    *(Route("POST", path, _tag) for path in tags.PATHS),
    Route("GET", "/health", _health),
    Route("GET", "/truth", _truth),
    Route("GET", "/truth/lateness", _lateness),
    Route("GET", "/truth/copies", _copies),
    Route("POST", "/reset", _reset),
)
