"""The output in a choice of an OpenAI-like chunk: text, reasoning, tool calls and refusals, on either route.

It takes a decoded choice of any shape. It gives (kind, text) pairs. Servers put the same thing under several names; a
field of an unexpected type holds no output. It does not know chunks, usage or errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from llmdyno.protocols.events import REASONING, REFUSAL, TEXT, TOOL
from llmdyno.protocols.values import object_of, objects_of, text_in

Output = tuple[int, str]

_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thought", "thoughts")
_LISTED_REASONING = ("reasoning_details", "thinking_blocks")
"""Servers that send these usually send the same text under a name above too; it counts once."""


def outputs_of(choice: Mapping[str, Any], *, whole: bool) -> list[Output]:
    """The output in a choice, one pair for each kind. `whole`: whether a `message` in place of a delta counts."""
    delta = choice.get("delta")
    if not isinstance(delta, (dict, str)) and whole:
        delta = choice.get("message")
    found = _outputs_in(delta) if isinstance(delta, dict) else [(TEXT, text_in(delta))]
    if not any(text for _, text in found):
        found = [(TEXT, text_in(choice.get("text")))]
    return merged(found)


def merged(outputs: Iterable[Output]) -> list[Output]:
    """Outputs with the texts of a kind joined, in the order of the kinds' first appearance; empty ones are left out."""
    texts: dict[int, str] = {}
    for kind, text in outputs:
        if text:
            texts[kind] = texts.get(kind, "") + text
    return list(texts.items())


def tool_text(value: Any) -> str:
    """What the model wrote of tool calls: names and arguments, which may be a text or an object."""
    parts = []
    for call in objects_of(value):
        inner = object_of(call.get("function")) or object_of(call.get("custom")) or call
        parts.append(text_in(inner.get("name")))
        given = next((inner[name] for name in ("arguments", "input") if inner.get(name)), "")
        parts.append(given if isinstance(given, str) else as_json(given))
    return "".join(parts)


def as_json(value: Any) -> str:
    """A value as JSON; empty if it has no JSON form."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        return ""


def _outputs_in(delta: Mapping[str, Any]) -> list[Output]:
    reasoning = next((text for name in _REASONING if (value := delta.get(name)) and (text := _text_of(value))), "")
    if not reasoning:
        parts = (objects_of(delta[name]) for name in _LISTED_REASONING if name in delta)
        reasoning = next((text for listed in parts if (text := "".join(map(_thought_in, listed)))), "")
    calls = delta.get("tool_calls") or delta.get("function_call")
    audio = object_of(delta.get("audio"))
    return [
        (REASONING, reasoning),
        *(_content(delta.get("content")) or [(TEXT, text_in(delta.get("text")))]),
        (TEXT, text_in(audio.get("transcript")) or text_in(audio.get("data"))),
        (REFUSAL, text_in(delta.get("refusal"))),
        (TOOL, tool_text(calls)),
    ]


def _content(value: Any) -> list[Output]:
    """The output in `content`: a text, or parts of several types (Mistral sends its thinking so)."""
    if isinstance(value, str):
        return [(TEXT, value)] if value else []
    found: list[Output] = []
    for part in value if isinstance(value, list) else objects_of(value):
        if isinstance(part, str):
            found.append((TEXT, part))
        elif isinstance(part, dict):
            kind = text_in(part.get("type"))
            if kind in ("thinking", "reasoning", "thought") or part.get("thought") is True:
                found.append((REASONING, _thought_in(part)))
            elif kind == "refusal":
                found.append((REFUSAL, text_in(part.get("refusal"))))
            elif kind in ("tool_use", "tool_call", "function"):
                found.append((TOOL, tool_text(part)))
            else:
                found.append((TEXT, _text_of(part)))
    return found


def _thought_in(part: Mapping[str, Any]) -> str:
    """The text of a part that holds reasoning, under one of its names."""
    names = ("thinking", "text", "reasoning", "summary", "content")
    return next((text for name in names if (text := _text_of(part.get(name)))), "")


def _text_of(value: Any) -> str:
    """The text in a value: itself, the texts of a list of parts, or the text of one part."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else objects_of(value)
    return "".join(part if isinstance(part, str) else _text_of_part(object_of(part)) for part in parts)


def _text_of_part(part: Mapping[str, Any]) -> str:
    text = part.get("text") or part.get("content") or part.get("value")
    return text_in(object_of(text).get("value")) if isinstance(text, dict) else text_in(text)
