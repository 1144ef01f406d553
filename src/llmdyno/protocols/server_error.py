"""A server's own words about an error, in a body of any shape.

It takes bytes or decoded JSON. It gives the message for a person, the code and the server's name for the error. It
knows the shapes of OpenAI, Anthropic, vLLM, llama.cpp, FastAPI, AWS, and of gateways, and the title of a web page.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any

from llmdyno.protocols.events import STREAM_ERROR, Failure
from llmdyno.protocols.values import LARGEST_COUNT, loads, object_in, object_of, text_in, without_surrogates

LIMIT = 300
"""Characters of a message, at most."""

_MESSAGES = (
    "message",
    "Message",
    "detail",
    "msg",
    "error_message",
    "errorMessage",
    "error_msg",
    "errors",
    "base_resp",
    "status_msg",
    "reason",
)
_ERRORS_ONLY = ("detail", "errors", "error_message", "errorMessage", "error_msg")
_CODES = ("code", "status", "status_code", "statusCode", "http_status", "error_code", "errorCode")
_TYPES = ("type", "error_type", "code", "errorCode", "__type", "status")
_NO_ERROR = frozenset({"", "null", "none", "0", "200", "ok", "success", "succeeded", "false", "completed"})
_DEEPEST = 8


def message_of(value: Any, depth: int = 0) -> str:
    """The message in a decoded error body, or the whole value as JSON if it holds no message."""
    if depth < _DEEPEST:
        if isinstance(value, dict) and (found := _message_in(value, depth)):
            return found
        if isinstance(value, list) and value and all(isinstance(one, (dict, str)) for one in value):
            return "; ".join(message_of(one, depth + 1) for one in value[:3])
    text = value if isinstance(value, str) else _as_json(value)
    return without_surrogates(" ".join(text[: 8 * LIMIT].split()))


def _message_in(value: Mapping[str, Any], depth: int) -> str:
    place, what = value.get("loc"), value.get("msg")
    if isinstance(place, list) and place and isinstance(what, str):  # pydantic
        return without_surrogates(
            f"{'.'.join(str(one)[:60] for one in place[:8] if isinstance(one, (str, int)))}: {what}"
        )
    error, text = value.get("error"), value.get("message")
    if isinstance(error, str) and isinstance(text, str) and error and text and error not in text:
        return message_of(f"{error}: {text}", depth + 1)
    for name in ("error", *_MESSAGES):
        found = value.get(name)
        if found and isinstance(found, (str, dict, list)):
            return message_of(found, depth + 1)
    return ""


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError):
        return "a message that cannot be shown"


def error_text(body: bytes, limit: int = LIMIT) -> str:
    """The server's own message in an error body, `limit` characters at most.

    A web page gives its title. Any other body that is not JSON gives its first words.
    """
    try:
        return message_of(loads(body))[:limit]
    except ValueError:
        return first_words(body, limit)


def first_words(body: bytes, limit: int) -> str:
    """The title of a web page, or the first words of any other body; `limit` characters at most."""
    text = body[: 4 * 1024].decode("utf-8", "replace")
    if text.lstrip("\ufeff \r\n\t").startswith("<"):
        page = re.search(r"<(title|h1|h2)\b[^>]*>(.*?)</\1\s*>", text, re.IGNORECASE | re.DOTALL)
        for part in (page[2] if page is not None else "", text):
            if words := " ".join(html.unescape(re.sub(r"<[^<>]*>", " ", part)).split()):
                return words[:limit]
    return " ".join(text[: 4 * limit].split())[:limit]


def error_name(body: bytes) -> str | None:
    """The server's name for an error, from ``{"error": {"type": …}}``; None: it gives no name."""
    found = object_of((object_in(body) or {}).get("error")).get("type")
    return without_surrogates(found) if isinstance(found, str) else None


def failure_of(value: Any) -> Failure:
    """The failure in JSON that is known to be an error."""
    if not value:
        return Failure(STREAM_ERROR, None, "an error event without a message")
    outer = value if isinstance(value, dict) else {}
    inner = object_of(outer.get("error")) or object_of(outer.get("base_resp"))
    codes = (_code(place.get(name)) for place in (inner, outer) for name in _CODES)
    names = (_name(place.get(name)) for place in (inner, outer) for name in _TYPES)
    told = {name: one for name, one in outer.items() if not (name in ("type", "object", "error") and _is_label(one))}
    text = message_of(told or value) if told or not outer else "an error event without a message"
    code = next((code for code in codes if code is not None), None)
    return Failure(STREAM_ERROR, code, text[:LIMIT], next((name for name in names if name), None))


def failure_in(value: Any) -> Failure | None:
    """The failure in one JSON value of an answer whose status is 200; None: it reports no error.

    An `error` that says nothing is none. A message counts only beside a code that says so, and where there is no
    choice, so that a server may send both with each chunk.
    """
    if not isinstance(value, dict):
        return None
    if (error := value.get("error")) and not _is_blank(error):
        return failure_of(value)
    if value.get("object") == "error" or value.get("type") == "error":
        return failure_of({name: one for name, one in value.items() if name not in ("object", "error")})
    if "base_resp" in value and not _is_blank(object_of(value["base_resp"]).get("status_code")):
        return failure_of(value)
    if value.get("choices") or value.get("usage"):
        return None
    told = any(not _is_blank(value.get(name)) for name in _ERRORS_ONLY)
    said = any(isinstance(value.get(name), (str, dict)) and value[name] for name in ("message", "msg", "Message"))
    if told or value.get("success") is False or (said and _has_code(value)):
        return failure_of(value)
    return None


def failure_in_words(data: bytes) -> Failure:
    """The failure in data that is known to be an error: JSON, or plain words."""
    try:
        return failure_of(loads(data))
    except ValueError:
        return Failure(STREAM_ERROR, None, error_text(data) or "an error event without a message")


def stray_failure(lines: bytes) -> Failure | None:
    """The failure in lines that are no server-sent event: a field `error`, or bare JSON; None: no error."""
    name, _, rest = lines.partition(b":")
    if name.strip() == b"error" and rest.strip():
        return failure_in_words(rest)
    return failure_in_body(lines)


def failure_in_body(body: bytes) -> Failure | None:
    """The failure in a whole body that is one JSON object; None: it is something else, or reports no error."""
    return failure_in(object_in(body))


def _is_label(value: Any) -> bool:
    """Whether a value says no more than that this is an error."""
    return value == "error" or (not isinstance(value, dict) and _is_blank(value))


def _is_blank(value: Any) -> bool:
    """Whether a field for an error says that there is none."""
    if isinstance(value, dict):
        return all(_is_blank(one) for one in value.values() if not isinstance(one, dict)) and not any(
            isinstance(one, dict) and one for one in value.values()
        )
    if isinstance(value, str):
        return value.strip().lower() in _NO_ERROR
    return not value or (value == 200 and value is not True)


def _has_code(value: Mapping[str, Any]) -> bool:
    """Whether a code or a type says that this is an error. A status in words must say so itself."""
    for name in (*_CODES, "__type"):
        code = value.get(name)
        if _is_blank(code) or isinstance(code, (dict, list)):
            continue
        if isinstance(code, str) and name.startswith("status") and not code.isdigit():
            if any(word in code.lower() for word in ("error", "fail")):
                return True
            continue
        return True
    return _is_name_of_error(value.get("type"))


def _is_name_of_error(value: Any) -> bool:
    return isinstance(value, str) and value.lower().endswith(("error", "exception"))


def _code(value: Any) -> int | None:
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_COUNT else None


def _name(value: Any) -> str | None:
    text = text_in(value).rpartition("#")[2]
    if text.lower() in _NO_ERROR or text.isdigit() or text.lower() == "error":
        return None
    return without_surrogates(text)[:100]
