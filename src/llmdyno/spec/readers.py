"""Reads one raw value of a spec: text from a flag, or what TOML or Python gave, to the value that is held.

In: a raw value. Out: the value, or ValueError with what fits. Each reader is lenient in what it takes and exact in
what it gives; none knows which key it reads for.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from llmdyno.spec.distribution import Distribution

REDACTED = "<redacted>"
ROUTES = {"openai": ("chat", "completions"), "bedrock": ("invoke", "converse")}
BODY_FORMATS = ("bedrock-completion", "openai-completion", "openai-chat", "mistral", "qwen")
CHAT_TEMPLATES = ("none", "llama3", "deepseek_r1", "chatml")
SLO_METRICS = ("ttft_s", "time_per_output_token_s", "end_to_end_latency_s")
SECRET_PARAMETER = re.compile(r"(key|key_id|secret|password|token|credentials)$", re.IGNORECASE)
"""Names of a library's parameters whose values are secret: not written."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_PARAMETERS = ("model", "messages", "stream", "client", "timeout", "api_key")
_OWN_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding")

Kind = Callable[[Any], Any]
"""Reads one raw value (text from a flag, or what TOML or Python gave); raises ValueError with what fits."""


def whole(low: int) -> Kind:
    fits = f"a whole number from {low} up"

    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < 2**53:
            raise ValueError(fits)
        return value

    return read


_UNITS_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SPAN = re.compile(r"([0-9.]+)(ms|s|min|m|h)")


def positive(unit: str) -> Kind:
    def read(value: Any) -> float:
        fits = f"a number of {unit} above 0" + (", such as 90, 90s, 10m or 1h" if unit == "seconds" else "")
        span = _SPAN.fullmatch(value.strip()) if unit == "seconds" and isinstance(value, str) else None
        if span is not None:
            with contextlib.suppress(ValueError):
                value = float(span[1]) * _UNITS_S[span[2]]
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            raise ValueError(fits) from None
        if not (math.isfinite(number) and number > 0):
            raise ValueError(fits)
        return number

    return read


def one_of(*choices: str) -> Kind:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return read


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("a text on one line that is not empty")
    return value


def secret(value: Any) -> str:
    """Like a text, but a blank one means none, and whatever is wrong with it is said without it."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ValueError("one line of printable ASCII")
    return value.strip()


def switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def template(value: Any) -> str:
    if not isinstance(value, str) or (value not in CHAT_TEMPLATES and not value.endswith(".json")):
        raise ValueError("one of " + ", ".join(CHAT_TEMPLATES) + ", or the path of a tokenizer_config.json")
    return value


def url(value: Any) -> str:
    fits = "an http:// or https:// URL, such as http://127.0.0.1:8000/v1"
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(fits)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(f"{fits}, with a port from 1 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(fits)
    if port == 0:
        raise ValueError(f"{fits}, with a port from 1 to 65535")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL without user and password; give those with --header 'Authorization: …'")
    if parts.query or parts.fragment:
        raise ValueError("a URL without query and fragment")
    if parts.path.rstrip("/").endswith("/completions"):
        raise ValueError("the base URL alone, the part before /chat/completions or /completions")
    return value.rstrip("/")


def distribution(value: Any) -> Distribution:
    return Distribution.parse(value)


def headers(value: Any) -> dict[str, str]:
    fits = "a header as 'Name: value'"
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        pairs: list[tuple[Any, Any]] = []
        for item in value:
            name, colon, content = item.partition(":") if isinstance(item, str) else ("", "", "")
            if not colon:
                raise ValueError(fits)
            pairs.append((name.strip(), content.strip()))
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise ValueError(fits)
    for name, content in pairs:
        if not isinstance(name, str) or not isinstance(content, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(fits)
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"any header but {', '.join(_OWN_HEADERS)}, which the client sets itself")
        if not content.isprintable() or not content.isascii():
            raise ValueError("header values of printable ASCII")
        if content == REDACTED:
            raise ValueError(f"the value of {name} itself, which was left out of this file: --header '{name}: …'")
    return dict(pairs)


def json_object(value: Any) -> dict[str, Any]:
    fits = "a JSON object, such as '{\"temperature\": 0}'"
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(fits) from None
    if not isinstance(value, Mapping):
        raise ValueError(fits)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(fits) from None
    return dict(value)


def not_negative(value: Any) -> float:
    fits = "a number from 0 up"
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        raise ValueError(fits) from None
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(fits)
    return number


def parameters(value: Any) -> dict[str, Any]:
    """Texts ``K=V`` whose values are JSON, or else text; or a mapping as TOML and Python give it."""
    fits = "K=V, such as top_p=0.9 or drop_params=true"
    if isinstance(value, str) and value.startswith("{"):
        return json_object(value)
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        pairs: dict[str, Any] = {}
        for item in value:
            name, sign, content = item.partition("=") if isinstance(item, str) else ("", "", "")
            if not sign or not name.strip().isidentifier():
                raise ValueError(fits)
            try:
                pairs[name.strip()] = json.loads(content)
            except ValueError:
                pairs[name.strip()] = content
        value = pairs
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError(fits)
    for name, content in value.items():
        if name in _OWN_PARAMETERS:
            raise ValueError(f"any parameter but {', '.join(_OWN_PARAMETERS)}, which have flags or are set by the run")
        if content == REDACTED:
            raise ValueError(f"the value of {name} itself, which was left out of this file: --litellm-param {name}=…")
    return json_object(value)


def slo(value: Any) -> dict[str, float]:
    fits = f"METRIC=SECONDS with a metric of {', '.join(SLO_METRICS)}"
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        value = dict(item.partition("=")[::2] if isinstance(item, str) else ("", "") for item in value)
    if not isinstance(value, Mapping) or any(name not in SLO_METRICS for name in value):
        raise ValueError(fits)
    try:
        return {str(name): positive("seconds")(bound) for name, bound in value.items()}
    except ValueError:
        raise ValueError(fits) from None


def http_version(value: Any) -> str:
    if value in ("1.1", 1.1):
        return "1.1"
    raise ValueError(
        "1.1: HTTP/2 puts many streams on one connection, where no answer has receive stamps of its own; "
        "what speaks HTTP/2 speaks 1.1 too"
    )
