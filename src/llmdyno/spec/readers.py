"""Readers: each one turns a raw value into the value that a spec or a command uses. PURE.

In: text from a flag, or a value from TOML or Python. Out: the value, or a ValueError whose text says what fits.
A reader takes several spellings, gives one exact value, and reads its own result back unchanged. No reader knows
which key or flag it reads for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, TypeVar
from urllib.parse import urlsplit

from llmdyno.spec.distribution import Distribution
from llmdyno.spec.limits import (
    FASTEST_PER_HOUR,
    FASTEST_PER_S,
    FASTEST_SPEED,
    LONGEST_S,
    LONGEST_TEXT,
    MOST_USERS,
    SLOWEST_SPEED,
)

BODY_FORMATS = (
    *("bedrock-completion", "openai-completion", "openai-chat", "mistral", "qwen"),
    *("anthropic", "nova", "titan", "cohere", "gpt-oss"),
)
"""The first row serves imported models and some foundation models, the second one foundation models only."""
SERVICE_TIERS = ("priority", "default", "flex", "reserved")
CHAT_TEMPLATES = ("none", "llama3", "deepseek_r1", "chatml")
SLO_METRICS = ("ttft_s", "ttfr_s", "ttfa_s", "time_per_output_token_s", "end_to_end_latency_s")
LARGEST_WHOLE = 2**53 - 1
"""The largest whole number that every JSON reader and every float holds exactly."""

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_BRACKETED = re.compile(r"\[[^\[\]]*\](:[0-9]*)?")
_LONGEST_HOST = 253
_UNITS_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9.]+(?:e[+-]?[0-9]+)?)(ms|s|min|m|h)")

_SHOWN_PLAIN = 65_535
"""A larger bound is named only if a number passes it."""
_NO_LONGER = f"a duration of at most {LONGEST_S:,.0f} s, which is {LONGEST_S / 86_400:.0f} days"

T = TypeVar("T")
Reader = Callable[[Any], T]
"""Reads one raw value. Raises ValueError with what fits."""


def _converted(value: Any, wanted: type[T]) -> T:
    """The value as `wanted`; text may spell a number, and NumPy's numbers count as numbers. A bool does not.

    Raises:
        ValueError: the type does not fit, or the number is too large for a float.
    """
    import msgspec  # imported here, because `llmdyno --help` does without it

    if isinstance(value, str):
        value = value.strip().removeprefix("+")
    elif isinstance(value, Real) and value is not True and value is not False:
        try:
            value = int(value) if isinstance(value, Integral) else float(value)
        except OverflowError:  # a fraction beyond every float
            raise ValueError("too large") from None
    elif not (value is None or isinstance(value, bool | Decimal)):
        raise ValueError("neither a number nor a text")
    return msgspec.convert(value, wanted, strict=False)  # its ValidationError is a ValueError


# --- numbers


def _number(value: Any, fits: str, accept: Callable[[float], bool], most: float = math.inf, at_most: str = "") -> float:
    """The number, if it is finite, `accept` takes it, and it is not above `most`, which `at_most` tells."""
    try:
        number = _converted(value, float)
    except ValueError:
        raise ValueError(fits) from None
    if not (math.isfinite(number) and accept(number)):
        raise ValueError(fits)
    if number > most:
        raise ValueError(at_most)
    return number


def whole_number(low: int, high: int = LARGEST_WHOLE) -> Reader[int]:
    """A reader of whole numbers from `low` to `high`, both included."""
    fits = f"a whole number from {low} up" if high > _SHOWN_PLAIN else f"a whole number from {low} to {high}"

    def read(value: Any) -> int:
        try:
            number = _converted(value, int)
        except ValueError:
            raise ValueError(fits) from None
        if _SHOWN_PLAIN < high < number <= LARGEST_WHOLE:
            raise ValueError(f"a whole number from {low} to {high:,}")
        if not low <= number <= high:
            raise ValueError(fits)
        return number

    return read


port = whole_number(0, 65_535)
"""Reads a TCP port; 0 asks for a free one."""


def above_zero(what: str, most: float = math.inf) -> Reader[float]:
    """A reader of finite numbers above 0, and not above `most`. `what` names them in the error: "a number of `what`
    above 0"."""
    fits = f"a number of {what} above 0" if what else "a number above 0"
    return lambda value: _number(value, fits, lambda number: number > 0, most, f"at most {most:,.0f} {what}")


def from_zero(value: Any) -> float:
    """Reads a finite number that is not negative."""
    return _number(value, "a number from 0 up", lambda number: number >= 0)


def duration_s(value: Any) -> float:
    """Reads a duration above 0 in seconds: a number, or text with a unit, such as 500ms, 90s, 10m or 1h."""
    fits = "a number of seconds above 0, such as 90, 90s, 10m or 1h"
    return _number(_without_unit(value), fits, lambda number: number > 0, LONGEST_S, _NO_LONGER)


def pause_s(value: Any) -> float:
    """Reads a duration in seconds that may be 0, spelled as for :func:`duration_s`."""
    fits = "a number of seconds from 0 up, such as 0, 90s or 10m"
    return _number(_without_unit(value), fits, lambda number: number >= 0, LONGEST_S, _NO_LONGER)


def _without_unit(value: Any) -> Any:
    """The seconds that a text with a unit means; any other value as it is."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return value
    try:
        return float(match[1]) * _UNITS_S[match[2]]
    except ValueError:  # such as 1.2.3s
        return value


requests_per_second = above_zero("requests a second", FASTEST_PER_S)
requests_per_hour = above_zero("requests an hour", FASTEST_PER_HOUR)


def speed(value: Any) -> float:
    """Reads how many times faster than real time an emulator runs."""
    found = above_zero("times real time", FASTEST_SPEED)(value)
    if found < SLOWEST_SPEED:
        raise ValueError(f"at least {SLOWEST_SPEED:g} times real time")
    return found


def percentile(value: Any) -> float:
    """Reads a percentile, such as 95 or 99.9."""
    return _number(value, "a percentile above 0 and below 100", lambda number: 0 < number < 100)


def user_counts(value: Any) -> tuple[int, ...]:
    """Reads two or more rising numbers of users: text such as ``1,2,4,8``, or a sequence of numbers."""
    fits = "two or more rising numbers of users, such as 1,2,4,8"
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(fits)
    try:
        counts = tuple(map(whole_number(1, MOST_USERS), parts))
    except ValueError:
        raise ValueError(fits) from None
    if len(counts) < 2 or any(after <= before for before, after in pairwise(counts)):
        raise ValueError(fits)
    return counts


def dollars(fits: str = "dollars, such as 5 or 0.75") -> Reader[Decimal]:
    """A reader of amounts in dollars, held exactly as written; `fits` says for the error which amount is wanted."""

    def read(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise ValueError(fits)
        try:
            amount = Decimal(str(value).strip().removeprefix("$"))
        except InvalidOperation:
            raise ValueError(fits) from None
        if not amount.is_finite() or amount < 0 or amount.adjusted() > 15:
            raise ValueError(fits)
        return amount

    return read


def price_pair(value: Any) -> tuple[Decimal, Decimal]:
    """Reads two prices in dollars for a million tokens, input and output: text such as ``0.22,0.88``."""
    fits = "dollars for a million input and output tokens, such as 0.22,0.88"
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or len(parts) != 2:
        raise ValueError(fits)
    read = dollars(fits)
    return read(parts[0]), read(parts[1])


# --- text


def one_of(*choices: str) -> Reader[str]:
    """A reader that takes one of the choices, and nothing else."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return read


def some_of(*choices: str) -> Reader[tuple[str, ...]]:
    """A reader of one or more of the choices, separated by commas, none of them twice."""

    def read(value: Any) -> tuple[str, ...]:
        fits = "one or more of " + ", ".join(choices) + ", separated by commas"
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            raise ValueError(fits)
        found = tuple(part.strip() for part in parts)
        if not found or not set(found) <= set(choices) or len(set(found)) < len(found):
            raise ValueError(fits)
        return found

    return read


def text(value: Any) -> str:
    """Reads one line of printable text that is not blank."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("one line of printable text that is not empty")
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"a text of at most {LONGEST_TEXT:,} characters")
    return str(value)


def secret(value: Any) -> str:
    """Reads one line of printable ASCII; a blank one means that there is no secret. The error does not quote it."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ValueError("one line of printable ASCII")
    return value.strip()


def switch(value: Any) -> bool:
    """Reads true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def units_version(value: Any) -> str:
    """Reads a version of custom model units, such as ``v1.0``."""
    if not isinstance(value, str) or not re.fullmatch(r"v[0-9]+\.[0-9]+", value):
        raise ValueError("a version such as v1.0")
    return value


def template(value: Any) -> str:
    """Reads the name of a chat template, or the path of a JSON file that holds one."""
    if isinstance(value, str) and value.endswith(".json"):
        return text(value)
    if not isinstance(value, str) or value not in CHAT_TEMPLATES:
        raise ValueError("one of " + ", ".join(CHAT_TEMPLATES) + ", or the path of a tokenizer_config.json")
    return value


def http_version(value: Any) -> str:
    """Reads the HTTP version; 1.1 is the only one."""
    if isinstance(value, str | float) and value in ("1.1", 1.1):
        return "1.1"
    raise ValueError(
        "1.1: HTTP/2 puts many streams on one connection, so no answer has receive stamps of its own; "
        "servers that speak HTTP/2 also speak 1.1"
    )


def url(value: Any) -> str:
    """Reads a base URL without user, query and fragment; a slash at its end is dropped."""
    fits = "an http:// or https:// URL, such as http://127.0.0.1:8000/v1"
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(fits)
    try:
        parts = urlsplit(value)
        number = parts.port
    except ValueError:
        raise ValueError(f"{fits}, with a port from 1 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(fits)
    if number == 0:
        raise ValueError(f"{fits}, with a port from 1 to 65535")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL without user and password; give those with --header 'Authorization: …'")
    if parts.query or parts.fragment:
        raise ValueError("a URL without query and fragment")
    bracketed = "[" in parts.netloc
    if not _is_host(parts.hostname, bracketed=bracketed) or (bracketed and not _BRACKETED.fullmatch(parts.netloc)):
        raise ValueError(f"{fits}, with a host name of letters, digits and -, or an IP address")
    if parts.path.rstrip("/").endswith("/completions"):
        raise ValueError("the base URL alone, the part before /chat/completions or /completions")
    return value.rstrip("/")


SOCKET_PATH_LIMIT = 107
"""The longest path of a Unix socket, in bytes. Linux has room for one more, a zero byte."""


def socket_path(value: Any) -> str:
    """Reads the path of a Unix socket."""
    found = text(value)
    if len(found.encode()) > SOCKET_PATH_LIMIT:
        raise ValueError(f"a path of at most {SOCKET_PATH_LIMIT} bytes, as the system asks for Unix sockets")
    return found


def host(value: Any) -> str:
    """Reads a host name or an IP address to listen on."""
    if not isinstance(value, str) or not _is_host(value, bracketed=":" in value):
        raise ValueError("a host name of letters, digits and -, or an IP address, such as 127.0.0.1 or ::1")
    return value


def _is_host(host: str, *, bracketed: bool) -> bool:
    """Whether a URL's host can be looked up: an IPv6 address in brackets, or labels that the domain name system has."""
    if bracketed:
        from ipaddress import ip_address  # it takes 5 ms, and most URLs do without it

        try:
            return ip_address(host).version == 6
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))


def distribution(value: Any) -> Distribution:
    """Reads a distribution of lengths; see :meth:`Distribution.parse`."""
    return Distribution.parse(value)
