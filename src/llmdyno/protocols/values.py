"""JSON as servers really write it, and the numbers and texts in it.

It takes bytes or decoded JSON of any shape. It gives plain values and raises for nothing but unreadable JSON. It does
not know what a field means.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

LARGEST_COUNT = 2**31 - 1
"""A larger number is no count of tokens, and no status."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(data: bytes) -> Any:
    """Decode JSON. Invalid UTF-8 is replaced; lone surrogates, NaN and Infinity are accepted.

    Raises:
        ValueError: it is not JSON, or it is nested too deeply.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:
            return json.loads(data.decode("utf-8", "replace"), parse_int=_whole_number)
        except ValueError:
            raise ValueError(str(error)) from None
        except RecursionError:
            pass
    except RecursionError:
        pass
    raise ValueError("the JSON is nested too deeply")


def _whole_number(digits: str) -> int | float:
    """An integer; infinity if it has more digits than Python reads, because nobody counts so far."""
    return int(digits) if len(digits) < 4000 else math.inf


def object_in(data: bytes) -> dict[str, Any] | None:
    """The JSON object in these bytes; None: they are something else."""
    try:
        value = loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def count_of(value: Any) -> int | None:
    """A count of tokens, also if it is a whole float or a text of digits; None: it is no count that can be true."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else None  # neither inf nor nan is an integer
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        return None
    return value


def object_of(value: Any) -> dict[str, Any]:
    """The value if it is an object, the first object of a list, else an empty object."""
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, dict)), None)
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; a single object counts as a list of one."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_in(value: Any) -> str:
    """The value if it is a text, else an empty text."""
    return value if isinstance(value, str) else ""


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which no file can hold. Its length stays the same."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text
