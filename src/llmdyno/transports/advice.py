"""What helps against a refusal: another base URL, or another field in the body of the requests.

In: what the server said. Out: advice in words, or the change of the body that the server asks for. It sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.spec.secrets import masked_url

ROUTES = ("/chat/completions", "/completions", "/messages", "/models")
"""The ends of paths that follow a base URL."""

_MINIMUM = re.compile(
    r"(?:>=|at least|greater than or equal to|minimum(?: value)?(?: is| of)?:?|no (?:less|fewer) than)\s*'?(\d{1,5})\b",
    re.IGNORECASE,
)
_DROPPED = "stream_options"


class Change(NamedTuple):
    """A change of the request that the server asks for.

    `field`: the field of the body. `into`: the name that it should have; None: it should be left out. `minimum`: the
    smallest number of output tokens that the server takes; 0: it names none. `note`: what was done, for the report.
    """

    field: str
    into: str | None
    minimum: int
    note: str


def change_for(said: str, max_tokens: int) -> Change | None:
    """The change that a refused request needs; None: the server does not say what it wants.

    Args:
        said: the body of the refusal.
        max_tokens: how many output tokens the request asked for.
    """
    if "max_completion_tokens" in said and re.search(r"\bmax_tokens\b", said):
        note = "the server wants max_completion_tokens in place of max_tokens: requests carry that"
        return Change("max_tokens", "max_completion_tokens", 0, note)
    if _DROPPED in said:
        return Change(
            _DROPPED, None, 0, f"the server refuses {_DROPPED}: requests leave it out, so it may count no tokens"
        )
    found = _MINIMUM.search(said)
    if found is not None and "token" in said and max_tokens < int(found[1]) <= 4096:
        what = f"the server refuses requests for fewer than {int(found[1])} output tokens"
        return Change("", None, int(found[1]), what)
    return None


def remedy_for(said: str) -> str | None:
    """The flag that helps against a refusal of a field; None: the refusal names no field that a flag changes."""
    if "max_completion_tokens" in said and re.search(r"\bmax_tokens\b", said):
        return """--extra-body '{"max_tokens": null, "max_completion_tokens": 128}' asks for tokens that way"""
    if _DROPPED in said:
        return f"""--extra-body '{{"{_DROPPED}": null}}' leaves it out"""
    for field, flag in (("ignore_eos", "--ignore-eos"), ("temperature", "--temperature")):
        if re.search(rf"\b{field}\b", said):
            return f"leave out {flag}"
    return None


def redirect_text(location: str, origin: str = "") -> str:
    """Where a redirect leads, and what helps.

    Args:
        location: the value of the Location header.
        origin: scheme, host and port of the server that redirects, if they are known.
    """
    said = f"redirected to {masked_url(location)}"
    try:
        parts = urlsplit(location)
    except ValueError:
        return said
    path = parts.path.rstrip("/")
    route = next((route for route in ROUTES if path.endswith(route)), None)
    if route is None:
        return f"{said}, which is no path of this API: check --base-url and the key"
    base = path.removesuffix(route)
    there = f"{parts.scheme or origin.partition(':')[0] or 'http'}://{parts.netloc}" if parts.netloc else ""
    if parts.path.endswith("/") and there in ("", origin):
        return f"{said}: a path with a slash at its end is reached with a 307 or 308 redirect only"
    query = f"?{parts.query}" if parts.query else ""
    if there:
        return f"{said}: use --base-url {masked_url(f'{there}{base}{query}')}"
    return f"{said}: use a --base-url with the path {masked_url((base or '/') + query)}"


def adapted(request: HttpRequest, renamed: Mapping[str, str | None]) -> HttpRequest:
    """A request with fields of its body renamed, or left out where the new name is None."""
    body = adapted_body(request.body, renamed)
    return request if body is None else HttpRequest(request.method, request.path, request.headers, body)


def adapted_body(content: bytes, renamed: Mapping[str, str | None]) -> bytes | None:
    """A body with fields renamed, or left out where the new name is None; None: it has none of these fields."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(body, dict) or not any(name in body for name in renamed):
        return None
    kept = {renamed.get(name, name): value for name, value in body.items()}
    kept.pop(None, None)
    return msgspec.json.encode(kept)
