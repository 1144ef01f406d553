"""The tool call that the emulator makes when a request forces one. PURE.

In: a tool's name and the JSON schema of its input. Out: the beginning and the end of an input that fits the schema; the
words of the answer go in between.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

TOOL_TOKENS = 24
"""A tool call ends by itself after this many tokens."""


@dataclass(frozen=True, slots=True)
class Tool:
    """The tool that the answer calls: its name; `opening` begins the JSON of its input, `closing` ends it. In between
    go the words of one text (`spoken`), or blanks."""

    name: str
    opening: str
    closing: str
    spoken: bool

    def piece(self, text: str) -> str:
        """A token inside the JSON: part of a string, or a blank between two marks."""
        return json.dumps(text)[1:-1] if self.spoken else " "

    def input(self, texts: list[str]) -> Any:
        """The whole input, with all tokens in it."""
        return json.loads(self.opening + "".join(map(self.piece, texts)) + self.closing)


def tool_call(name: str, schema: Any) -> Tool:
    """A call that fits the schema's properties by their types; the first free text among them gets the words."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    free = next((key for key, one in properties.items() if _example(one) == ""), None)
    parts = [f"{json.dumps(key)}: {json.dumps(_example(one))}" for key, one in properties.items() if key != free]
    if free is None:
        return Tool(name, "{" + ", ".join(parts), "}", spoken=False)
    return Tool(name, "{" + ", ".join([*parts, f'{json.dumps(free)}: "']), '"}', spoken=True)


def _example(schema: Any) -> Any:
    """The simplest value of a property; an empty string for free text."""
    schema = schema if isinstance(schema, dict) else {}
    if isinstance(schema.get("enum"), list) and schema["enum"] and not isinstance(schema["enum"][0], dict | list):
        return schema["enum"][0]
    simplest = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None}
    return simplest.get(str(schema.get("type", "string")), "")
