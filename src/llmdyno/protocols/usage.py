"""The token counts in an answer, under all the names that servers give them.

It takes decoded JSON of any shape and gives a :class:`Usage`. A value that cannot be a count is left out, and so is a
zero of input or output, which servers send before they have counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from llmdyno.protocols.values import count_of, object_of, objects_of


class Usage(NamedTuple):
    """Counts of tokens; None: not told. `cached` ones are a part of `input`, `reasoning` ones a part of `output`."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None


NO_USAGE = Usage()

_INPUT = ("prompttokens", "inputtokens", "prompttokencount", "inputtokencount", "promptevalcount", "prompt")
_OUTPUT = (
    "completiontokens",
    "outputtokens",
    "completiontokencount",
    "outputtokencount",
    "generationtokencount",
    "candidatestokencount",
    "generatedtokens",
    "evalcount",
    "completion",
)
_CACHED = (
    "cachereadinputtokens",
    "cachereadinputtokencount",
    "promptcachehittokens",
    "cachedtokens",
    "numcachedtokens",
    "cachedprompttokens",
    "cachedinputtokens",
    "cachedcontenttokencount",
)
_REASONING = ("reasoningtokens", "thoughtstokencount", "thinkingtokens")
_REJECTED = ("rejectedpredictiontokens",)
"""Tokens of a prediction that the model did not follow: counted as output and never streamed, as hidden reasoning."""
_INPUT_DETAILS = ("prompttokensdetails", "inputtokensdetails", "inputtokendetails", "prompttokendetails")
_OUTPUT_DETAILS = ("completiontokensdetails", "outputtokensdetails", "outputtokendetails", "completiontokendetails")
_BESIDE_INPUT = (
    ("cachereadinputtokens", "cachereadinputtokencount"),
    ("cachecreationinputtokens",),
    ("cachewriteinputtokens", "cachewriteinputtokencount"),
)
"""Counts, each with its names, that APIs with `input_tokens` keep apart from it. OpenAI's `prompt_tokens` includes its
cached tokens."""
_NESTED = ("tokens", "billedunits")
"""Where usage keeps its counts one level deeper (Cohere)."""
_HOLDERS = ("meta", "metadata", "response", "delta", "message", "choices")
"""Where a chunk may keep its usage, besides fields whose name ends so."""
_TOP = frozenset((*_INPUT[:-1], *_OUTPUT[:-1]))
"""Counts that a chunk may have itself."""


def usage_of(value: Any) -> Usage:
    """The counts in a usage object. Names of fields are compared without regard to case and underscores."""
    told = _plainly(object_of(value))
    if not told:
        return NO_USAGE
    given = _first(told, _INPUT)
    if given is not None and count_of(told.get("prompttokens")) is None:
        given += sum(_first(told, names) or 0 for names in _BESIDE_INPUT)
    cached = _first(told, _CACHED)
    if cached is None:
        cached = _first_in(told, _INPUT_DETAILS, (*_CACHED, "cacheread", "cachereadtokens"))
    reasoning = _first_in(told, _OUTPUT_DETAILS, (*_REASONING, "reasoning"))
    if reasoning is None:
        reasoning = _first(told, _REASONING)
    if rejected := _first_in(told, _OUTPUT_DETAILS, _REJECTED):
        reasoning = (reasoning or 0) + rejected
    found = Usage(given or None, _first(told, _OUTPUT) or None, cached, reasoning)
    inner = (usage_of(told[name]) for name in _NESTED if isinstance(told.get(name), dict))
    return found if found != NO_USAGE else next((one for one in inner if one != NO_USAGE), NO_USAGE)


def usage_in(chunk: Mapping[str, Any]) -> Usage:
    """The counts in a chunk of an OpenAI-like stream, wherever the server puts them.

    What the field `usage` does not tell comes from the next place.
    """
    usage = chunk.get("usage")
    found = usage_of(usage) if usage else NO_USAGE
    if found.input is None or found.output is None:
        found = _filled(found, _elsewhere(chunk, 0))
    if "timings" not in chunk:
        return found
    timings = object_of(chunk.get("timings"))  # llama.cpp; its usage may say less
    read, cached, written = (count_of(timings.get(name)) for name in ("prompt_n", "cache_n", "predicted_n"))
    return _filled(found, Usage(((read or 0) + (cached or 0)) or None, written or None, cached))


def _elsewhere(place: Mapping[str, Any], depth: int) -> Usage:
    """The counts in the other fields of a chunk, or of an object in it."""
    found, here = NO_USAGE, {}
    for name, one in place.items():
        if isinstance(one, (dict, list)):
            if one:
                found = _filled(found, _held(_plain(name), one, depth))
        elif _plain(name) in _TOP:
            here[name] = one
    return _filled(found, usage_of(here)) if here else found


def _held(name: str, value: Any, depth: int) -> Usage:
    """The counts in a field."""
    if name.endswith(("usage", "usagemetadata")):
        return usage_of(value)
    if depth > 2 or not (name in _HOLDERS or name.startswith("x")):
        return NO_USAGE
    found = NO_USAGE
    for one in objects_of(value):
        found = _filled(found, _elsewhere(one, depth + 1))
        if name.startswith("meta"):
            found = _filled(found, usage_of(one))
    return found


def _filled(usage: Usage, more: Usage) -> Usage:
    """The counts of `usage`, and those of `more` where it has none."""
    if more is NO_USAGE or usage is NO_USAGE:
        return more if usage is NO_USAGE else usage
    return Usage(*(one if one is not None else other for one, other in zip(usage, more, strict=True)))


@lru_cache(1024)
def _plain(name: str) -> str:
    """The name of a field without regard to case and underscores. Every chunk of a stream has the same names."""
    return name.lower().replace("_", "")


def _plainly(told: Mapping[str, Any]) -> dict[str, Any]:
    return {_plain(name): one for name, one in told.items()}


def _first(told: Mapping[str, Any], names: Iterable[str]) -> int | None:
    for name in names:
        if name in told and (count := count_of(told[name])) is not None:
            return count
    return None


def _first_in(told: Mapping[str, Any], places: Iterable[str], names: Iterable[str]) -> int | None:
    for place in places:
        if place in told and (found := _first(_plainly(object_of(told[place])), names)) is not None:
            return found
    return None
