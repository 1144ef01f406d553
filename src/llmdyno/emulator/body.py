"""A request's body as a JSON object, and its fields by their types. PURE.

In: bytes from anybody. Out: an object, or a ValueError that says what is wrong with it. Each API words its refusals
itself. Nothing here repeats more of a request than a few words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

_MOST_VALUES = 1_000_000
_SHOWN = 100


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: the body is not UTF-8, not JSON, no object, nested too deeply, or has more than a million values.
    """
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MOST_VALUES:
        raise ValueError(f"the body has more than {_MOST_VALUES:,} values")
    try:
        value = json.loads(body.decode(), parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {shown(str(error))}") from None
    if not isinstance(value, dict):
        raise ValueError("the body is not a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def shown(value: Any) -> str:
    """A value for a message: cut if it is long, and only its type if it has parts."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > 10**_SHOWN:
        return "a very large number"  # Python writes no more than 4,300 digits
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def wrong_field(value: dict[str, Any], strings: Iterable[str] = ()) -> str | None:
    """What is wrong with the first sampling field that does not fit its type; None if all fit or are missing or null.

    The fields are those that several APIs have under the same names. `strings` are names of fields that hold a list of
    strings (or one string).
    """
    for name in ("stream", "ignore_eos"):
        if not isinstance(value.get(name), bool | None):
            return f"{name}: {shown(value[name])} is not true or false"
    for name in ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty"):
        if value.get(name) is not None and not _number(value[name]):
            return f"{name}: {shown(value[name])} is not a finite number"
    for name in strings:
        given = value.get(name)
        if not (given is None or isinstance(given, str) or _all(given, str)):
            return f"{name}: {shown(given)} is not a string or a list of strings"
    if not (value.get("tools") is None or _all(value["tools"], dict)):
        return f"tools: {shown(value['tools'])} is not a list of objects"
    return None


def _number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)


def content_text(content: Any) -> str | None:
    """The text of a message's content: a string, or the texts of a list of parts. None: it is neither. A part without a
    text, such as an image, counts as empty."""
    if isinstance(content, str):
        return content
    if not _all(content, dict):
        return None
    texts = [part.get("text", "") for part in content]
    return "".join(texts) if _all(texts, str) else None


def whole_number(value: Any) -> bool:
    """Whether a value is a whole number from 1 up."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def stops(value: Any) -> tuple[str, ...]:
    """The stop sequences of a field that fits its type: a list of strings, one string, or nothing. Empty ones stop
    nothing."""
    given = [value] if isinstance(value, str) else value or []
    return tuple(one for one in given if one)


def out_of_range(value: dict[str, Any], ranges: dict[str, tuple[float, float]]) -> tuple[str, str] | None:
    """The first field whose number is below or above its range, and the bound in words; None if all fit or are
    missing."""
    for name, (least, most) in ranges.items():
        given = value.get(name)
        if given is not None and not least <= given <= most:
            return name, f"greater than or equal to {least:g}" if given < least else f"less than or equal to {most:g}"
    return None
