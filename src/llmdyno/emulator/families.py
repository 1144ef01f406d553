"""The bodies of foundation models on InvokeModel, family by family, as the emulator reads them. PURE.

In: a request's body and the model's family. Out: what was asked, or a refusal. Shapes: AWS's user guide of Bedrock
(inference parameters of each provider) and of Nova. Where the service's words for a refusal are not documented, they
are those of imported models.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from llmdyno.emulator import anthropic_request
from llmdyno.emulator.anthropic_request import Message
from llmdyno.emulator.bedrock import (
    CONVERSE,
    INVOKE,
    INVOKE_STREAM,
    Call,
    ImportedModel,
    ServiceError,
    json_object,
)
from llmdyno.emulator.bedrock_request import read_call
from llmdyno.emulator.dialect import Refused
from llmdyno.emulator.foundation import FoundationModel

TIERS = ("priority", "default", "flex", "reserved")
ANTHROPIC_VERSION = "bedrock-2023-05-31"
_API_VERSION = "2023-06-01"
_OPENAI = ("bedrock-completion", "openai-completion", "openai-chat", "mistral")
"""Formats that imported models have too."""


def check_tier(tier: Any) -> str | None:
    """The service tier that a request asks for; None: it asks for none.

    Raises:
        ServiceError: there is no such tier.
    """
    if tier is not None and tier not in TIERS:
        raise _invalid(f"1 validation error detected: the service tier must be one of {', '.join(TIERS)}.")
    return tier if isinstance(tier, str) else None


def read_family_call(operation: str, body: bytes, model: FoundationModel, tier: str | None, number: int) -> Asking:
    """Read the body of request `number` for a foundation model.

    Args:
        operation: InvokeModel, Converse or one of their streams.
        body: the request's.
        model: the model.
        tier: the service tier in a header of InvokeModel.
        number: of the request.

    Raises:
        ServiceError: a ValidationException in the service's words.
    """
    value = json_object(body)
    if operation not in (INVOKE, INVOKE_STREAM):
        named = value.get("serviceTier")
        tier = check_tier(named.get("type") if isinstance(named, dict) else named)
        return Asking(dataclasses.replace(_as_imported(operation, value), tier=tier), None)
    tier = check_tier(tier)
    if model.family == "anthropic":
        return _anthropic(operation, value, model, tier, number)
    if model.family in _OPENAI:
        call = _as_imported(operation, _renamed(value), mistral=model.family == "mistral")
        if call.format != model.family:
            raise _malformed("required keys are missing")
    else:
        call = _READERS[model.family](operation, value)
    return Asking(dataclasses.replace(call, operation=operation, format=model.family, tier=tier), None)


class Asking(NamedTuple):
    """What a request asks for: of the runtime, and for Anthropic's models also in terms of its Messages API."""

    call: Call
    message: Message | None


def _as_imported(operation: str, value: dict[str, Any], *, mistral: bool = False) -> Call:
    """What a body asks for, read as that of an imported model."""
    return read_call(operation, json.dumps(value).encode(), ImportedModel("", "", mistral=mistral))


def _invalid(message: str) -> ServiceError:
    return ServiceError(400, "ValidationException", message)


def _malformed(what: str) -> ServiceError:
    return _invalid(f"Malformed input request: {what}, please reformat your input.")


def _renamed(value: dict[str, Any]) -> dict[str, Any]:
    """A body with `max_tokens` where OpenAI's models have `max_completion_tokens`."""
    if "max_completion_tokens" not in value or "max_tokens" in value:
        return value
    rest = {name: one for name, one in value.items() if name != "max_completion_tokens"}
    return {**rest, "max_tokens": value["max_completion_tokens"]}


def _anthropic(operation: str, value: dict[str, Any], model: FoundationModel, tier: str | None, number: int) -> Asking:
    if value.get("anthropic_version") != ANTHROPIC_VERSION:
        raise _malformed("#: required key [anthropic_version] not found")
    for name in ("model", "stream"):
        if name in value:
            raise _malformed(f"#: extraneous key [{name}] is not permitted")
    stream = operation == INVOKE_STREAM
    rest = {name: one for name, one in value.items() if name != "anthropic_version"}
    whole = json.dumps({**rest, "model": model.base, "stream": stream}).encode()
    try:
        headers = {anthropic_request.VERSION_HEADER: _API_VERSION}
        message = anthropic_request.read_request(headers, whole, model.base, number)
    except Refused as refused:
        raise _invalid(str(refused)) from None
    call = Call(
        operation=operation,
        format="anthropic",
        tier=tier,
        stream=stream,
        input_tokens=message.input_tokens,
        max_tokens=message.max_tokens,
        text=message.text,
    )
    return Asking(call, message)


def _nova(operation: str, value: dict[str, Any]) -> Call:
    config = value.get("inferenceConfig")
    if isinstance(config, dict) and "max_new_tokens" in config:
        config = {**config, "maxTokens": config["max_new_tokens"]}
    found = _as_imported(CONVERSE, {**value, "inferenceConfig": config})
    return dataclasses.replace(found, stream=operation == INVOKE_STREAM)


def _titan(operation: str, value: dict[str, Any]) -> Call:
    if not isinstance(value.get("inputText"), str):
        raise _malformed("#: required key [inputText] not found")
    config = value.get("textGenerationConfig") or {}
    if not isinstance(config, dict):
        raise _malformed("textGenerationConfig is not an object")
    plain = {"prompt": value["inputText"], "max_gen_len": config.get("maxTokenCount")}
    more = {"temperature": config.get("temperature"), "stop": config.get("stopSequences")}
    return _completion(operation, {**plain, **more}, value)


def _cohere(operation: str, value: dict[str, Any]) -> Call:
    if not isinstance(value.get("message"), str):
        raise _malformed("#: required key [message] not found")
    history = value.get("chat_history") or []
    if not isinstance(history, list) or not all(isinstance(one, dict) for one in history):
        raise _malformed("chat_history is not a list of objects")
    parts = [value.get("preamble"), *(one.get("message") for one in history), value["message"]]
    prompt = "\n".join(part for part in parts if isinstance(part, str))
    plain = {"prompt": prompt, "max_gen_len": value.get("max_tokens")}
    more = {"temperature": value.get("temperature"), "stop": value.get("stop_sequences")}
    return _completion(operation, {**plain, **more}, value)


def _completion(operation: str, plain: dict[str, Any], value: dict[str, Any]) -> Call:
    return _as_imported(operation, {**plain, "ignore_eos": value.get("ignore_eos") is True})


_READERS: dict[str, Callable[[str, dict[str, Any]], Call]] = {"nova": _nova, "titan": _titan, "cohere": _cohere}
