"""Requests of Bedrock's runtime, as the emulator reads them. PURE.

In: an operation, headers, a body, the model. Out: what was asked, or a refusal in the service's words. Shapes, ranges
and names are those of the service's model; the messages are those that clients have reported. Unknown fields of
InvokeModel and Converse are ignored, as documented.
"""

from __future__ import annotations

import re
from typing import Any

from llmdyno.emulator import tokens
from llmdyno.emulator.bedrock import (
    CONVERSE,
    CONVERSE_STREAM,
    INVOKE_STREAM,
    Call,
    ImportedModel,
    invalid,
    json_object,
    malformed,
)
from llmdyno.emulator.body import content_text, out_of_range, shown, stops, whole_number, wrong_field
from llmdyno.emulator.converse import message_text, sampling
from llmdyno.emulator.converse_shape import check_shape, violated
from llmdyno.emulator.dialect import CONTEXT
from llmdyno.emulator.tools import TOOL_TOKENS, Tool, tool_call

LONGEST_BODY = 25_000_000
"""Bytes, as the service's model of InvokeModel has it."""
_DEFAULT_TOKENS = 512
"""How many tokens an answer has at most, if its request does not say: the default of Llama's and Mistral's bodies."""
_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "bedrock-completion": {"temperature": (0, 1), "top_p": (0, 1)},
    "mistral": {"temperature": (0, 1), "top_p": (0, 1)},
    "openai-completion": {"temperature": (0, 2), "top_p": (0, 1)},
    "openai-chat": {"temperature": (0, 2), "top_p": (0, 1)},
}
"""By body format, what sampling may be: Llama's and Mistral's documented ranges on Bedrock, and OpenAI's."""
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_LENGTH_FIELDS = ("max_completion_tokens", "max_tokens")

_HEADER_VALUES = {
    "x-amzn-bedrock-trace": ("trace", ("ENABLED", "DISABLED", "ENABLED_FULL")),
    "x-amzn-bedrock-performanceconfig-latency": ("performanceConfigLatency", ("standard", "optimized")),
    "x-amzn-bedrock-service-tier": ("serviceTier", ("priority", "default", "flex", "reserved")),
}
_CONTENT_TYPES = ("", "application/json", "application/octet-stream")
"""Clients that are told nothing else send the second one with a body of bytes."""
_ACCEPTED = ("application/json", "application/*", "*/*")
_LONGEST_IDENTIFIER = 2048
"""Characters, as the service's model has it."""
_NAME = "[a-z0-9-]{1,63}"
_OWN = "|".join(
    (
        rf"custom-model/{_NAME}[.]{_NAME}/[a-z0-9]{{12}}",
        "(imported-model|provisioned-model|custom-model-deployment)/[a-z0-9]{12}",
        "(application-)?inference-profile/[a-zA-Z0-9:.-]+",
        "prompt/[0-9a-zA-Z]{10}(:[0-9]{1,5})?",
        "(default-)?prompt-router/[a-zA-Z0-9:.-]+",
    )
)
_IDENTIFIER = re.compile(
    rf"arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{{1,20}}:(:foundation-model/{_NAME}[.]{_NAME}([.:]?{_NAME})"
    rf"|[0-9]{{12}}:({_OWN}))|arn:aws:sagemaker:[a-z0-9-]+:[0-9]{{12}}:endpoint/[a-zA-Z0-9-]+"
    r"|[a-zA-Z0-9:.-]+|([0-9a-zA-Z][_-]?)+"
)
"""The forms that the service takes for any kind of model; a name may also look like the beginning of an ARN."""
_GUARDRAIL = re.compile(r"[a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+")
_GUARDRAIL_VERSION = re.compile(r"[1-9][0-9]{0,7}|DRAFT")


def check_identifier(identifier: str, region: str) -> None:
    """Check the form of a model's identifier; one that does not exist is not found later.

    Raises:
        ServiceError: a ValidationException: it fits no pattern, or names another region.
    """
    if not 1 <= len(identifier) <= _LONGEST_IDENTIFIER or not _IDENTIFIER.fullmatch(identifier):
        where = f"'{shown(identifier)}' at 'modelId'"
        raise violated(where, f"Member must satisfy regular expression pattern: {_IDENTIFIER.pattern}")
    if identifier.startswith("arn:") and identifier.split(":")[3] != region:
        raise invalid("The provided model identifier is invalid.")


def check_request(operation: str, body: bytes, headers: dict[str, str]) -> None:
    """Check what no family of models changes: the headers, whose names are in lower case, and the body's length.

    Raises:
        ServiceError: a ValidationException in the service's words.
    """
    _check_headers(operation, headers)
    if len(body) > LONGEST_BODY:
        raise violated("at 'body'", f"Member must have length less than or equal to {LONGEST_BODY}")


def read_call(operation: str, body: bytes, model: ImportedModel, headers: dict[str, str] | None = None) -> Call:
    """Read a request; names of headers are in lower case.

    Raises:
        ServiceError: a ValidationException in the service's words.
    """
    check_request(operation, body, headers or {})
    value = json_object(body)
    if operation in (CONVERSE, CONVERSE_STREAM):
        return _converse(operation, value, model)
    wrong = wrong_field(value, ("stop", "stop_sequences"))
    if wrong is not None:
        raise malformed(wrong)
    if "messages" in value:
        length = next((value[name] for name in _LENGTH_FIELDS if value.get(name) is not None), None)
        return _invoke(operation, "openai-chat", _chat_text(value["messages"]), length, value)
    prompt = value.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise malformed("#: required key [prompt] not found")
    if "max_gen_len" in value or "max_tokens" not in value:
        return _invoke(operation, "bedrock-completion", prompt, value.get("max_gen_len"), value)
    body_format = "mistral" if model.mistral else "openai-completion"
    return _invoke(operation, body_format, prompt, value["max_tokens"], value)


# --- InvokeModel


def _invoke(operation: str, body_format: str, text: str, max_tokens: Any, value: dict[str, Any]) -> Call:
    wrong = out_of_range(value, _RANGES[body_format])
    if wrong is not None:
        name, bound = wrong
        raise malformed(f"#/{name}: {shown(value[name])} is not {bound.replace('than or equal', 'or equal')}")
    stopping = (*stops(value.get("stop")), *stops(value.get("stop_sequences")))
    return _call(operation, body_format, text, max_tokens, value, stopping)


def _call(
    operation: str,
    body_format: str,
    text: str,
    max_tokens: Any,
    value: dict[str, Any],
    stopping: tuple[str, ...],
    tool: Tool | None = None,
) -> Call:
    max_tokens = _DEFAULT_TOKENS if max_tokens is None else max_tokens
    if not whole_number(max_tokens):
        name = "max_gen_len" if body_format == "bedrock-completion" else "max_tokens"
        raise malformed(f"#/{name}: {shown(max_tokens)} is not greater or equal to 1")
    input_tokens = tokens.count(text)
    if input_tokens + max_tokens > CONTEXT:
        raise invalid(f"This model's maximum context length is {CONTEXT} tokens.")
    return Call(
        operation=operation,
        format=body_format,
        stream=operation in (INVOKE_STREAM, CONVERSE_STREAM),
        input_tokens=input_tokens,
        max_tokens=max_tokens,
        ignore_eos=value.get("ignore_eos") is True,
        text=text,
        temperature=value.get("temperature"),
        own_tokens=None if tool is None else TOOL_TOKENS,
        stops=stopping,
        tool=tool,
    )


def _chat_text(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        raise malformed("messages must not be empty")
    texts = []
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise malformed(f"#/messages/{index}/role: {shown(role)} is not a valid enum value")
        called = role == "assistant" and isinstance(message.get("tool_calls"), list)
        text = "" if called and message.get("content") is None else content_text(message.get("content"))
        if text is None:
            raise malformed("each message needs content")
        texts.append(text)
    return "\n".join(texts)


# --- Converse


def _converse(operation: str, value: dict[str, Any], model: ImportedModel) -> Call:
    if not model.instruct:
        raise invalid("This action doesn't support the model that you provided. Try again with a supported model.")
    wrong = wrong_field(value, ())
    if wrong is not None:
        raise malformed(wrong)
    check_shape(value)
    config = sampling(value)
    guardrail = value.get("guardrailConfig") or {}
    if not isinstance(guardrail, dict):
        raise malformed("guardrailConfig is not an object")
    _check_guardrail(guardrail.get("guardrailIdentifier"), guardrail.get("guardrailVersion"))
    text = message_text(value)
    given = {**value, "temperature": config.get("temperature")}
    tool = _forced_tool(value.get("toolConfig"))
    return _call(operation, "converse", text, config.get("maxTokens"), given, stops(config.get("stopSequences")), tool)


def _forced_tool(config: Any) -> Tool | None:
    """The tool that `toolChoice` forces; None if it forces none."""
    if config is None:
        return None
    entries = config.get("tools") if isinstance(config, dict) else None
    if not isinstance(entries, list) or not entries:
        raise violated("at 'toolConfig.tools'", "Member must have length greater than or equal to 1")
    specs = [entry.get("toolSpec") for entry in entries if isinstance(entry, dict)]
    known = {spec["name"]: spec for spec in specs if isinstance(spec, dict) and isinstance(spec.get("name"), str)}
    choice = config.get("toolChoice")
    if not isinstance(choice, dict) or not ("any" in choice or "tool" in choice) or not known:
        return None
    named = choice["tool"].get("name") if isinstance(choice.get("tool"), dict) else next(iter(known))
    if not isinstance(named, str) or named not in known:
        raise invalid(f"The tool {shown(named)} in toolChoice is not in toolConfig.tools.")
    schema = known[named].get("inputSchema")
    return tool_call(named, schema.get("json") if isinstance(schema, dict) else None)


# --- headers


def _check_headers(operation: str, headers: dict[str, str]) -> None:
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _CONTENT_TYPES:
        raise invalid(f"The content type {shown(content_type)} is not supported. Use application/json.")
    if operation in (CONVERSE, CONVERSE_STREAM):
        return
    name = "x-amzn-bedrock-accept" if operation == INVOKE_STREAM else "accept"
    accepted = [one.partition(";")[0].strip().lower() for one in headers.get(name, "*/*").split(",")]
    if not any(one in _ACCEPTED for one in accepted):
        raise invalid(f"The accept type {shown(headers[name])} is not supported. Use application/json.")
    for name, (member, fits) in _HEADER_VALUES.items():
        if headers.get(name, fits[0]) not in fits:
            where = f"'{shown(headers[name])}' at '{member}'"
            raise violated(where, f"Member must satisfy enum value set: [{', '.join(fits)}]")
    guardrail = headers.get("x-amzn-bedrock-guardrailidentifier"), headers.get("x-amzn-bedrock-guardrailversion")
    _check_guardrail(*guardrail)


def _check_guardrail(identifier: Any, version: Any) -> None:
    """No guardrail exists here, so that a request with one is refused in one way or another."""
    if not identifier and not version:
        return
    if not identifier or not version:
        raise invalid("A guardrail needs both its identifier and its version.")
    if not isinstance(identifier, str) or not _GUARDRAIL.fullmatch(identifier):
        raise invalid("The provided guardrail identifier is invalid.")
    if not isinstance(version, str) or not _GUARDRAIL_VERSION.fullmatch(version):
        pattern = "Member must satisfy regular expression pattern: (|([1-9][0-9]{0,7})|(DRAFT))"
        raise violated(f"'{shown(version)}' at 'guardrailVersion'", pattern)
    raise invalid("The guardrail identifier or version provided in the request does not exist.")
