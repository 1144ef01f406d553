"""The usual chunk of a chat stream: a piece of text and nothing else. PURE.

In: the data of one event. Out: the chunk; any other chunk is refused by its types, in msgspec and not line by line.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class _UsualDelta(msgspec.Struct):
    content: str = ""
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    refusal: None = None


class _UsualChoice(msgspec.Struct):
    delta: _UsualDelta
    finish_reason: None = None


class _Usual(msgspec.Struct):
    """A chunk that is a piece of text and nothing else. The types refuse every other chunk, so no line has to."""

    choices: Annotated[list[_UsualChoice], msgspec.Meta(min_length=1, max_length=1)]
    usage: None = None
    error: None = None
    base_resp: None = None
    x_groq: None = None
    object: Literal["chat.completion.chunk"] | None = None


decode_usual = msgspec.json.Decoder(_Usual).decode
"""Raises msgspec.DecodeError for a chunk that holds anything else."""
