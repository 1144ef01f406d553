"""Readers of mappings: headers, JSON objects, a library's parameters, latency bounds. PURE.

In: texts with a name and a value each, or a mapping from TOML or Python. Out: a dict, or a ValueError whose text says
what fits. Like the other readers, they do not know which key or flag they read for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from llmdyno.spec.left_out import ask_again, missing_in
from llmdyno.spec.limits import DEEPEST
from llmdyno.spec.readers import SLO_METRICS, duration_s
from llmdyno.spec.secrets import SECRET_HEADER

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"(?:[!$&'()*+,;=%._~0-9A-Za-z-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_OWN_PARAMETERS = ("model", "messages", "stream", "client", "timeout", "api_key")
_OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "content-type", "accept-encoding")


def _pairs(value: Any, sign: str, fits: str) -> list[tuple[Any, Any]]:
    """Names and values: from a mapping, or from one or more texts with `sign` between a name and its value."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise ValueError(fits)
    pairs: list[tuple[Any, Any]] = []
    for item in value:
        if not isinstance(item, str) or sign not in item:
            raise ValueError(fits)
        name, _, content = item.partition(sign)
        pairs.append((name.strip(), content.strip()))
    return pairs


def headers(value: Any) -> dict[str, str]:
    """Reads HTTP headers: texts ``Name: value``, or a mapping."""
    fits = "a header as 'Name: value'"
    pairs = _pairs(value, ":", fits)
    for name, content in pairs:
        if not isinstance(name, str) or not isinstance(content, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(fits)
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"any header except {', '.join(_OWN_HEADERS)}, which the client sets itself")
        if not content.isprintable() or not content.isascii():
            raise ValueError("header values of printable ASCII")
        if name.lower() == "host" and not _HOST.fullmatch(content) and not missing_in(content):
            raise ValueError("a Host header with a host, or a host and a port, such as 'Host: api.example:8443'")
    found = dict(pairs)
    if sum(name.lower() == "host" for name in found) > 1:
        raise ValueError("one Host header: HTTP allows no more")
    ask_again("--header", found)
    return found


def header_names(value: Any) -> tuple[str, ...]:
    """Reads names of headers whose values are not secret: one name, or several."""
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ValueError("the name of a header")
    for name in names:
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError("the name of a header, without its value")
        if SECRET_HEADER.search(name):
            raise ValueError("a header whose name does not say that its value is secret")
    return tuple(names)


def json_object(value: Any) -> dict[str, Any]:
    """Reads a JSON object: text, or a mapping that JSON can hold."""
    fits = "a JSON object, such as '{\"temperature\": 0}'"
    try:
        given = json.loads(value) if isinstance(value, str) else value
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise ValueError(fits)
        text = json.dumps(dict(given), allow_nan=False, ensure_ascii=False)
        text.encode()  # a lone surrogate is no text that can be sent
        found: dict[str, Any] = json.loads(text)
    except Exception:
        raise ValueError(fits) from None
    if _depth(found) > DEEPEST:
        raise ValueError(f"a JSON object of at most {DEEPEST} levels")
    return found


def body_fields(value: Any) -> dict[str, Any]:
    """Reads the fields of a body: a JSON object whose secrets are there."""
    found = json_object(value)
    ask_again("--extra-body", found)
    return found


def _depth(value: Any) -> int:
    """How many levels a JSON value has; it does not look further than one level too many."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        parts = (one.values() if isinstance(one, dict) else one for one in level)
        level = [below for part in parts for below in part if isinstance(below, dict | list)]
        depth += 1
    return depth


def parameters(value: Any) -> dict[str, Any]:
    """Reads a library's parameters: texts ``K=V`` (V is JSON, or else text), a JSON object, or a mapping."""
    fits = "K=V, such as top_p=0.9 or drop_params=true"
    if isinstance(value, str) and value.startswith("{"):
        value = json_object(value)
    from_mapping = isinstance(value, Mapping)
    found: dict[str, Any] = {}
    for name, content in _pairs(value, "=", fits):
        if not isinstance(name, str) or not (from_mapping or name.isidentifier()):
            raise ValueError(fits)
        if name in _OWN_PARAMETERS:
            raise ValueError(f"any parameter except {', '.join(_OWN_PARAMETERS)}: flags or the run set those")
        found[name] = content if from_mapping else _json_or_text(content)
    ask_again("--litellm-param", found)
    return json_object(found)


def _json_or_text(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def slo(value: Any) -> dict[str, float]:
    """Reads bounds in seconds: texts ``METRIC=SECONDS``, or a mapping."""
    fits = f"METRIC=SECONDS with a metric of {', '.join(SLO_METRICS)}"
    try:
        bounds = {name: duration_s(bound) for name, bound in _pairs(value, "=", fits)}
    except ValueError:
        raise ValueError(fits) from None
    if not set(bounds) <= set(SLO_METRICS):
        raise ValueError(fits)
    return bounds
