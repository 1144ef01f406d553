"""The chunks that streams are full of, decoded by their types: a piece of text, or one kind of output.

It takes the data of one event. It gives the chunk; msgspec refuses any other chunk by its types, and no line has to. It
does not know the odd shapes, which :mod:`~llmdyno.protocols.choices` reads.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from llmdyno.protocols.choices import Output
from llmdyno.protocols.events import REASONING, TEXT, TOOL


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


class _Function(msgspec.Struct):
    arguments: str | None = None
    name: Any = None


class _Call(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None
    refusal: Any = None


class Choice(msgspec.Struct):
    """A choice as nearly every server writes it, for the fast path."""

    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: Any = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Any = None
    completion_tokens_details: Any = None
    cache_read_input_tokens: Any = None
    prompt_cache_hit_tokens: Any = None


class Chunk(msgspec.Struct):
    """A chunk as nearly every server writes it."""

    choices: list[Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    object: Any = None
    base_resp: Any = None
    x_groq: Any = None


decode_plain = msgspec.json.Decoder(Chunk).decode
"""Raises msgspec.DecodeError for a chunk of other types."""


def plain_output(choice: Choice) -> Output | None:
    """The output of a choice that holds one kind of output and no reason why it ends; None: it holds something else."""
    delta = choice.delta
    if choice.finish_reason or choice.stop_reason:
        return None
    if delta is None:
        return (TEXT, choice.text) if choice.text else None
    thought, text, calls = delta.reasoning_content or delta.reasoning, delta.content, delta.tool_calls
    if delta.refusal or choice.text or bool(thought) + bool(text) + bool(calls) != 1:
        return None
    if calls:
        function = calls[0].function
        if len(calls) == 1 and function is not None and function.arguments and not function.name:
            return TOOL, function.arguments
        return None
    return (TEXT, text) if text else (REASONING, thought or "")
