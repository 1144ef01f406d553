"""The token counts in an answer, under all the names that servers give them.

It takes decoded JSON of any shape and gives a :class:`Usage`. A value that cannot be a count is left out, and so is a
zero of input or output, which servers send before they have counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from llmdyno.protocols.values import count_of, object_of


class Usage(NamedTuple):
    """Counts of tokens; None: not told. `cached` ones are a part of `input`, `reasoning` ones a part of `output`."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None


NO_USAGE = Usage()

_INPUT = ("prompt_tokens", "input_tokens", "inputTokens", "prompt_token_count", "promptTokenCount")
_OUTPUT = (
    "completion_tokens",
    "output_tokens",
    "outputTokens",
    "generation_token_count",
    "candidatesTokenCount",
    "generated_tokens",
)
_CACHED = (
    "cache_read_input_tokens",
    "cacheReadInputTokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "num_cached_tokens",
    "cachedContentTokenCount",
)
_REASONING = ("reasoning_tokens", "thoughtsTokenCount")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_BESIDE_INPUT = (
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cacheReadInputTokens",
    "cacheWriteInputTokens",
)
"""Counts that APIs with `input_tokens` keep apart from it. OpenAI's `prompt_tokens` includes its cached tokens."""


def usage_of(value: Any) -> Usage:
    """The counts in a usage object."""
    told = object_of(value)
    if not told:
        return NO_USAGE
    given = _first(told, _INPUT)
    if given is not None and count_of(told.get("prompt_tokens")) is None:
        given += sum(count_of(told.get(name)) or 0 for name in _BESIDE_INPUT)
    cached = _first(told, _CACHED)
    if cached is None:
        cached = _first_in(told, _INPUT_DETAILS, ("cached_tokens", "cache_read"))
    reasoning = _first_in(told, _OUTPUT_DETAILS, ("reasoning_tokens", "reasoning"))
    if reasoning is None:
        reasoning = _first(told, _REASONING)
    return Usage(given or None, _first(told, _OUTPUT) or None, cached, reasoning)


def usage_in(chunk: Mapping[str, Any]) -> Usage:
    """The counts in a chunk of an OpenAI-like stream, wherever the server puts them."""
    if (usage := chunk.get("usage")) and (found := usage_of(usage)) != NO_USAGE:
        return found
    places = (object_of(chunk.get("x_groq")), object_of(chunk.get("choices")), {"usage": chunk.get("usageMetadata")})
    for place in places:
        if (usage := place.get("usage")) and (found := usage_of(usage)) != NO_USAGE:
            return found
    if "timings" not in chunk:
        return NO_USAGE
    timings = object_of(chunk.get("timings"))  # llama.cpp, where it sends no usage
    read, cached, written = (count_of(timings.get(name)) for name in ("prompt_n", "cache_n", "predicted_n"))
    return Usage(((read or 0) + (cached or 0)) or None, written or None, cached)


def _first(told: Mapping[str, Any], names: Iterable[str]) -> int | None:
    for name in names:
        if name in told and (count := count_of(told[name])) is not None:
            return count
    return None


def _first_in(told: Mapping[str, Any], places: Iterable[str], names: Iterable[str]) -> int | None:
    for place in places:
        if (found := _first(object_of(told.get(place)), names)) is not None:
            return found
    return None
