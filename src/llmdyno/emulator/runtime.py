"""Handlers of Bedrock's runtime for what is no imported model, and who may ask it.

In: a request. Out: a reply that begins now, or a refusal. These models have no copies and are never cold: the service
keeps them running for everybody. The API key of Bedrock is a bearer token in place of a signature.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from llmdyno.emulator import bedrock, families, foundation, http, openai, signatures
from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.bedrock_request import check_identifier, check_request
from llmdyno.emulator.body import read_object
from llmdyno.emulator.dialect import Refused
from llmdyno.emulator.family_answers import answer_of
from llmdyno.emulator.faults import BEFORE
from llmdyno.emulator.foundation import FoundationModel
from llmdyno.emulator.http import Request
from llmdyno.emulator.outcome import Outcome, Whole
from llmdyno.emulator.regions import region_of
from llmdyno.emulator.reply import Wire
from llmdyno.emulator.truth import Truth

if TYPE_CHECKING:
    from llmdyno.emulator.server import Emulator

CHAT_PATH = "/openai" + openai.CHAT_PATH
TIER_HEADER = "x-amzn-bedrock-service-tier"


def check_access(server: Emulator, request: Request) -> None:
    """Check who asks: by an API key, or else by the signature.

    Raises:
        ServiceError: the key or the signature is wrong (403).
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if server.api_key is not None and key != server.api_key:
            message = "Authentication failed: Please make sure your API Key is valid."
            raise ServiceError(403, "AccessDeniedException", message)
    elif server.verify_signatures:
        signatures.check(request.method, request.path, request.headers, request.body, datetime.now(UTC))


def invoke(
    server: Emulator, request: Request, wire: Wire, truth: Truth, model: FoundationModel, operation: str
) -> Outcome:
    """InvokeModel, Converse and their streams."""
    fault = server.faults.of(truth.number)
    try:
        if operation not in bedrock.OPERATIONS:
            raise bedrock.unknown_operation(request.method, request.path)
        check_access(server, request)
        check_identifier(model.identifier, region_of(request.headers, model.identifier))
        check_request(operation, request.body, request.headers)
        tier = request.headers.get(TIER_HEADER)
        asking = families.read_family_call(operation, request.body, model, tier, truth.number)
        if fault in BEFORE:
            raise bedrock.refusal(fault)
    except ServiceError as error:
        server.counts.refused(model.identifier, error)
        return _refuse(server, truth, error)
    asked = asking.message or asking.call
    answer = answer_of(asking, model, truth.number, server.created)
    return server.reply(wire, answer, asked, truth, on_end=partial(_count, server, model, asked.input_tokens))


def chat(server: Emulator, request: Request, wire: Wire) -> Outcome:
    """The OpenAI-compatible route of the runtime."""
    truth = server.remember()
    fault = server.faults.of(truth.number)
    try:
        check_access(server, request)
        value = _object_in(request.body)
        model = foundation.find(str(value.get("model")))
        if model is None:
            raise openai.Refusal(404, "NotFoundError", "The model does not exist or you do not have access to it.")
        tier = families.check_tier(value.get("service_tier"))
        asked = openai.read_request(openai.CHAT_PATH, request.body, model.identifier)
        if fault in BEFORE:
            raise openai.refusal(fault)
    except Refused as refused:
        return _refuse(server, truth, refused)
    answer = openai.Answer(asked, truth.number, server.created, model.identifier, tier)
    answer.headers.append(f"x-amzn-RequestId: {truth.number:08x}-0000-4000-8000-000000000000")
    return server.reply(wire, answer, asked, truth, on_end=partial(_count, server, model, asked.input_tokens))


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        return read_object(body)
    except ValueError as error:
        raise openai.Refusal(400, "BadRequestError", str(error)) from None


def _count(server: Emulator, model: FoundationModel, input_tokens: int, truth: Truth) -> None:
    """Tell CloudWatch that a call is over."""
    if truth.status == 200 and truth.tokens:
        first_ms, last_ms = ((time_ns - truth.arrive_ns) / 1e6 for time_ns in (truth.first_ns, truth.end_ns))
        server.counts.served(model.identifier, last_ms, first_ms, input_tokens, truth.tokens)


def _refuse(server: Emulator, truth: Truth, refused: Refused) -> Whole:
    truth.status, truth.end_ns = refused.status, server.now_ns()
    return Whole(http.whole(refused.status, refused.body, server.label, headers=refused.headers))
