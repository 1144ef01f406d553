"""Requests of Anthropic's Messages API, as the emulator reads them. PURE.

In: a request's headers and body. Out: what was asked, or an error in the API's shape. Shapes: the API reference of
Messages, thinking, tool use and errors. Not emulated: prompt caching, images, tools that no request forces, beta
headers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from llmdyno.emulator import tokens
from llmdyno.emulator.body import read_object, shown, stops, whole_number, wrong_field
from llmdyno.emulator.dialect import CONTEXT, Asked, Refused
from llmdyno.emulator.tools import TOOL_TOKENS, Tool, tool_call

MESSAGES_PATH = "/v1/messages"
VERSION_HEADER, KEY_HEADER = "anthropic-version", "x-api-key"

_WITHOUT_SAMPLING = "2026-10-21"
"""From this version on, a request that sets the sampling is refused. The API's versions are dates."""
_SAMPLING = ("temperature", "top_p", "top_k")
_LEAST_BUDGET = 1024
_ADAPTIVE_SHARE = 4
"""At most one token in this many is thinking; how much a real model thinks depends on the question."""
_RATE = (429, "rate_limit_error", "This request would exceed the rate limit of your organization.")
_OVERLOADED = (529, "overloaded_error", "Overloaded")
_INTERNAL = (500, "api_error", "Internal server error")
_TIMEOUT = (504, "timeout_error", "The request timed out.")
FAULTS = {
    "throttle": _RATE,
    "error": _INTERNAL,
    "unavailable": _OVERLOADED,
    "denied": (403, "permission_error", "Your API key does not have permission to use this model."),
    "expired": (401, "authentication_error", "The API key has expired."),
    "timeout": _TIMEOUT,
    "model_error": _INTERNAL,
    "quota": (402, "billing_error", "Your credit balance is too low."),
    "stream_error": _INTERNAL,
    "stream_throttle": _RATE,
    "stream_internal": _INTERNAL,
    "stream_unavailable": _OVERLOADED,
    "stream_validation": (400, "invalid_request_error", "The request cannot be continued."),
    "stream_timeout": _TIMEOUT,
}


class Failure(Refused):
    """A request that is refused: HTTP status, error type, message. The request's id is in the body and in a header."""

    def __init__(self, status: int, kind: str, message: str, number: int) -> None:
        body = json.dumps(error_body(kind, message, number)).encode()
        super().__init__(status, message, body, [f"request-id: {request_id(number)}"])
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Asked):
    """What a request asks for: `show_thinking` is False if thinking is counted and not streamed."""

    show_thinking: bool = True
    tool: Tool | None = None


def request_id(number: int) -> str:
    """The id of request `number`."""
    return f"req_{number:024d}"


def error_body(kind: str, message: str, number: int) -> dict[str, Any]:
    """The error object, in a body or in an event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id(number)}


def refusal(kind: str, number: int) -> Failure:
    """The refusal of a fault's kind, as the answer of request `number`."""
    return Failure(*FAULTS[kind], number)


def given_key(headers: dict[str, str]) -> str | None:
    """The key of a request; None if it has none. The API takes it in a header of its own, or as a bearer token, as its
    clients send it since version 2026-10-21."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token if scheme.lower() == "bearer" else None
    return headers.get(KEY_HEADER, bearer)


def check_key(headers: dict[str, str], api_key: str | None, number: int) -> None:
    """Check the key of a request; `api_key` None accepts every request.

    Raises:
        Failure: the key is missing or another one.
    """
    given = given_key(headers)
    if api_key is not None and given != api_key:
        problem = "x-api-key header is required" if given is None else "invalid x-api-key"
        raise Failure(401, "authentication_error", problem, number)


def read_request(headers: dict[str, str], body: bytes, model: str, number: int) -> Message:
    """Read request `number`.

    Raises:
        Failure: a header or a field is missing, does not fit, or names another model.
    """
    try:
        version = headers.get(VERSION_HEADER)
        if version is None:
            raise ValueError("anthropic-version: header is required")
        value = _json_object(body)
        removed = next((name for name in _SAMPLING if name in value), None)
        if removed is not None and version >= _WITHOUT_SAMPLING:
            raise ValueError(f"{removed}: Extra inputs are not permitted")
        if not isinstance(value.get("model"), str):
            raise ValueError("model: Field required")
        if value["model"] != model:
            raise Failure(404, "not_found_error", f"model: {shown(value['model'])}", number)
        wrong = wrong_field(value, ("stop_sequences",))
        if wrong is not None:
            raise ValueError(wrong)
        return _message(value)
    except RecursionError:
        raise Failure(400, "invalid_request_error", "The request body is nested too deeply.", number) from None
    except ValueError as error:
        raise Failure(400, "invalid_request_error", str(error), number) from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return read_object(body)
    except ValueError as error:
        raise ValueError(f"The request body is not valid JSON: {error}.") from None


def _message(value: dict[str, Any]) -> Message:
    max_tokens = value.get("max_tokens")
    if max_tokens is None:
        raise ValueError("max_tokens: Field required")
    if not whole_number(max_tokens):
        raise ValueError("max_tokens: Input should be greater than or equal to 1")
    text = _prompt(value)
    input_tokens = tokens.count(text)
    if input_tokens + max_tokens > CONTEXT:
        total = f"{input_tokens} + {shown(max_tokens)} > {CONTEXT}"
        raise ValueError(f"input length and `max_tokens` exceed context limit: {total}")
    tool = _forced_tool(value)
    thinking = value.get("thinking")
    thinking_tokens = _thinking_tokens(thinking, max_tokens)
    if tool is not None and thinking_tokens:
        raise ValueError("Thinking may not be enabled when tool_choice forces tool use.")
    return Message(
        stream=value.get("stream") is True,
        input_tokens=input_tokens,
        max_tokens=max_tokens,
        ignore_eos=value.get("ignore_eos") is True,
        text=text,
        temperature=value.get("temperature"),
        thinking_tokens=thinking_tokens,
        own_tokens=None if tool is None else TOOL_TOKENS,
        stops=stops(value.get("stop_sequences")),
        show_thinking=not isinstance(thinking, dict) or thinking.get("display") != "omitted",
        tool=tool,
    )


# --- the prompt


def _prompt(value: dict[str, Any]) -> str:
    """The text of the system prompt and of every turn."""
    messages = value.get("messages")
    if messages is None:
        raise ValueError("messages: Field required")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages: at least one message is required")
    texts = [_content_text(value["system"], "system")] if value.get("system") else []
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            raise ValueError(f"messages.{index}.role: Input should be 'user' or 'assistant'")
        texts.append(_content_text(message.get("content"), f"messages.{index}.content"))
    return "\n".join(texts)


def _content_text(content: Any, where: str) -> str:
    """The text of a string or of a list of content blocks; a tool call counts as its JSON."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ValueError(f"{where}: Input should be a string or a list of content blocks")
    return "".join(_block_text(block, f"{where}.{index}") for index, block in enumerate(content))


def _block_text(block: Any, where: str) -> str:
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str):
        raise ValueError(f"{where}.type: Field required")
    if kind in ("text", "thinking"):
        if not isinstance(block.get(kind), str):
            raise ValueError(f"{where}.{kind}: Field required")
        return str(block[kind])
    if kind == "tool_use":
        return json.dumps(block.get("input"))
    if kind == "tool_result":
        return _content_text(block.get("content") or "", f"{where}.content")
    return ""  # an image or a document: nothing here looks at it


# --- thinking and tools


def _thinking_tokens(thinking: Any, max_tokens: int) -> int:
    if not isinstance(thinking, dict | None):
        raise ValueError("thinking: Input should be an object")
    kind = thinking.get("type") if thinking is not None else "disabled"
    if kind == "disabled":
        return 0
    share = max_tokens // _ADAPTIVE_SHARE
    if kind == "adaptive":
        return share
    if kind != "enabled":
        raise ValueError("thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
    assert thinking is not None
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < _LEAST_BUDGET:
        raise ValueError("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= max_tokens:
        raise ValueError("`max_tokens` must be greater than `thinking.budget_tokens`.")
    return min(budget, share)


def _forced_tool(value: dict[str, Any]) -> Tool | None:
    """The tool that `tool_choice` forces; None if it forces no tool."""
    choice = value.get("tool_choice")
    if not isinstance(choice, dict | None):
        raise ValueError("tool_choice: Input should be an object")
    kind = choice.get("type") if choice is not None else None
    if choice is None or kind not in ("any", "tool"):
        return None
    known = {tool["name"]: tool for tool in value.get("tools") or [] if isinstance(tool.get("name"), str)}
    if not known:
        raise ValueError("tool_choice: may only be specified while providing tools")
    name = next(iter(known)) if kind == "any" else choice.get("name")
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"tool_choice.name: Tool '{shown(name)}' not found in provided tools")
    return tool_call(name, known[name].get("input_schema"))
