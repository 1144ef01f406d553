"""A server's own words about an error, in a body of any shape.

It takes bytes or decoded JSON. It gives the message for a person, the code and the server's name for the error. It
knows the shapes of OpenAI, Anthropic, vLLM, llama.cpp, FastAPI, AWS, and of gateways, and the title of a web page. The
names of fields are compared without regard to case and underscores.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llmdyno.protocols.events import ABORTED, STREAM_ERROR, Failure, finish_reason_of, is_abort
from llmdyno.protocols.values import LARGEST_COUNT, loads, object_in, object_of, text_in, without_surrogates

LIMIT = 300
"""Characters of a message, at most."""

_ERRORS = ("error", "err", "exception", "fault")
_MESSAGES = (
    *_ERRORS,
    "message",
    "faultstring",
    "detail",
    "msg",
    "errormessage",
    "errormsg",
    "errordescription",
    "errors",
    "baseresp",
    "statusmsg",
    "reason",
)
"""Fields with a message, the surest first."""
_ERRORS_ONLY = (*_ERRORS, "detail", "errors", "errormessage", "errormsg", "errordescription")
"""Fields that no chunk of an answer has, so they hold an error unless they are blank."""
_CONTAINERS = ("response", "data", "header", "result", "body", "output", "responsemetadata")
"""Fields that may hold the whole body of an error."""
_INNER = frozenset((*_ERRORS_ONLY, *_CONTAINERS, "baseresp", "message", "extensions"))
"""Fields whose object may have the code and the name of an error."""
_CODES = ("code", "status", "statuscode", "httpstatus", "errorcode")
_TYPES = ("type", "errortype", "errtype", "code", "errorcode", "status")
_LABELS = ("type", "event", "eventtype", "object", "status", "state", "level", "finishreason")
"""Fields whose value may say that this is an error."""
_NO_ERROR = frozenset({"", "null", "none", "0", "200", "ok", "success", "succeeded", "false", "completed"})
_DEEPEST = 8
_LONGEST_QUOTED = 1 << 16
_NAMES_OF_ERRORS = ("error", "exception", "failed", "failure")
_BEGINS_AS_ERROR = re.compile(rb"\W{0,8}(?:[\w.]{1,60} ){0,3}[\w.]{0,60}(?:error|exception)\b\W{0,8}\w", re.IGNORECASE)


def message_of(value: Any, depth: int = 0) -> str:
    """The message in a decoded error body, or the whole value as JSON if it holds no message."""
    value = _unquoted(value)
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
    told = _plainly(value)
    error, text = told.get("error"), told.get("message") or told.get("errordescription")
    if isinstance(error, str) and isinstance(text, str) and error and text and error not in text:
        return message_of(f"{error}: {text}", depth + 1)
    for name in _MESSAGES:
        found = told.get(name)
        if found and isinstance(found, (str, dict, list)):
            return message_of(found, depth + 1)
    return ""


def _plainly(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an object by their plain names: `errorMessage` and `error_message` are one."""
    return {name.lower().replace("_", ""): one for name, one in value.items()}


def _unquoted(value: Any) -> Any:
    """The object or list in a text that is itself JSON, as gateways hand on the errors of others; else the value."""
    if isinstance(value, str) and value[:1] in ("{", "[") and len(value) < _LONGEST_QUOTED:
        try:
            return loads(value.encode("utf-8", "replace"))
        except ValueError:
            pass
    return value


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
    places = [_plainly(place) for place in _places(value)]
    codes = (_code(place.get(name)) for place in places for name in _CODES)
    names = (_name(place.get(name)) for place in places for name in _TYPES)
    told = {name: one for name, one in outer.items() if not (name in ("type", "object", "error") and _is_label(one))}
    text = message_of(told or value) if told or not outer else "an error event without a message"
    code = next((code for code in codes if code is not None), None)
    return Failure(STREAM_ERROR, code, text[:LIMIT], next((name for name in names if name), None))


def _places(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The objects that may have the code and the name of an error, the innermost first."""
    place = object_of(_unquoted(value))
    if depth < _DEEPEST:
        for name, one in place.items():
            if name.lower().replace("_", "") in _INNER and not isinstance(one, (int, float)):
                yield from _places(one, depth + 1)
    if place and "loc" not in place:
        yield place


def failure_in(value: Any, depth: int = 0) -> Failure | None:
    """The failure in one JSON value of an answer whose status is 200; None: it reports no error.

    An `error` that says nothing is none. A message counts only beside a code that says so, and where there is no
    choice, so that a server may send both with each chunk.
    """
    if isinstance(value, list):
        return next((failure for one in value[:3] if (failure := failure_in(one, depth + 1))), None)
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    if (error := value.get("error")) and not _is_blank(error):
        return failure_of(value)
    if value.get("object") == "error" or value.get("type") == "error":
        return failure_of({name: one for name, one in value.items() if name not in ("object", "error")})
    if "base_resp" in value and not _is_blank(object_of(value["base_resp"]).get("status_code")):
        return failure_of(value)
    if value.get("choices") or value.get("usage"):
        return None
    told = _plainly(value)
    said = any(isinstance(told.get(name), (str, dict)) and told[name] for name in ("message", "msg", "reason"))
    if any(not _is_blank(told.get(name)) for name in _ERRORS_ONLY) or told.get("success") is False:
        return failure_of(value)
    if said and _has_code(told, value):
        return failure_of(value)
    inner = (failure_in(told[name], depth + 1) for name in _CONTAINERS if isinstance(told.get(name), dict))
    return next((failure for failure in inner if failure), None)


def failure_in_choices(choices: Iterable[Mapping[str, Any]]) -> Failure | None:
    """The failure that a choice or its delta reports, perhaps in its finish reason; None: they report none."""
    for choice in choices:
        for place in (choice, choice.get("delta")):
            if (
                isinstance(place, dict)
                and "error" in place
                and (failure := failure_in({"error": place["error"]})) is not None
            ):
                return failure
        reason = choice.get("finish_reason")
        if isinstance(reason, dict) and any(isinstance(reason.get(name), str) for name in ("message", "msg")):
            name = finish_reason_of(reason)
            if name is not None and is_abort(name):
                _, code, text, kind = failure_of({one: told for one, told in reason.items() if one != "type"})
                return Failure(
                    ABORTED, code, f"the server ended the answer with the finish reason {name!r}: {text}", kind
                )
    return None


def failure_in_words(data: bytes) -> Failure:
    """The failure in data that is known to be an error: JSON, or plain words."""
    try:
        return failure_of(loads(data))
    except ValueError:
        return Failure(STREAM_ERROR, None, error_text(data) or "an error event without a message")


def says_error(kind: bytes) -> bool:
    """Whether the type of a server-sent event says that it is an error."""
    name = kind.strip().lower()
    return name in (b"err", b"fatal") or name.endswith(tuple(one.encode() for one in _NAMES_OF_ERRORS))


def failure_at_the_start(words: bytes) -> Failure | None:
    """The failure in plain words, or in a JSON text, that begin by saying that they are an error; None: they do not."""
    if _BEGINS_AS_ERROR.match(words) is None:
        return None
    return Failure(STREAM_ERROR, None, first_words(words.strip().strip(b'"'), LIMIT))


def stray_failure(lines: bytes) -> Failure | None:
    """The failure in lines that are no server-sent event: a field `error`, bare JSON, or words; None: no error."""
    name, _, rest = lines.partition(b":")
    if name.strip().lower() == b"error" and rest.strip():
        return failure_in_words(rest)
    return failure_in_body(lines) or failure_at_the_start(lines)


def failure_in_body(body: bytes) -> Failure | None:
    """The failure in a whole body of JSON, or in the last of its lines; None: it is something else or no error."""
    try:
        return failure_in(loads(body))
    except ValueError:
        return failure_in(object_in(body.rstrip().rpartition(b"\n")[2]))


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


def _has_code(told: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """Whether a code or a type says that this is an error. A status in words must say so itself.

    Args:
        told: the fields by their plain names.
        value: the fields by the server's own names.
    """
    for name, code in [(name, told.get(name)) for name in _CODES] + [("code", value.get("__type"))]:
        if _is_blank(code) or isinstance(code, (dict, list)):
            continue
        if isinstance(code, str) and name.startswith("status") and not code.isdigit():
            if any(word in code.lower() for word in ("error", "fail")):
                return True
            continue
        return True
    return any(_is_name_of_error(told.get(name)) for name in _LABELS)


def _is_name_of_error(value: Any) -> bool:
    return isinstance(value, str) and value.lower().endswith(_NAMES_OF_ERRORS)


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
