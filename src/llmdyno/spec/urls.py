"""Base URLs, and what of a URL nobody may see. PURE.

In: a URL as text. Out: the base URL that a spec holds; the URL or a path with its secrets masked; the secrets. A query
may hold one, such as ``?api_key=``. It does not know which key or flag a URL belongs to.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from llmdyno.spec.readers import REDACTED, url

MASK = "***"
"""What stands for a secret on the console, in notes and in errors."""

_SECRET = re.compile(
    r"auth|key|token|secret|credential|passw|pwd|signature|session|^(?:sig|code|pw|pass|jwt|sas|sid)$", re.IGNORECASE
)
_PAIR = re.compile(r"([?&;#])([^=&;?#]*)=([^&;#]*)")
_USER = re.compile(r"//[^/?#@]*@")


def base_url(value: Any) -> str:
    """Reads a base URL. Its query goes with every request. A slash at the end of its path is dropped."""
    if not isinstance(value, str):
        return url(value)
    if "#" in value:
        raise ValueError("a URL without a fragment (the part from # on), which no server gets")
    plain, _, query = value.partition("?")
    if not (query.isascii() and query.isprintable()) or " " in query:
        raise ValueError("a URL whose query is of printable ASCII without spaces, such as ?api-version=2024-06-01")
    if REDACTED in query:
        raise ValueError("the whole URL, whose secrets this file leaves out: --base-url URL")
    found = url(plain)
    return f"{found}?{query}" if query else found


def under(base: str, path: str) -> str:
    """The base URL with a path after its own. The query stays at the end."""
    plain, mark, query = base.partition("?")
    return f"{plain}{path}{mark}{query}"


def masked(text: str, mask: str = MASK) -> str:
    """A URL or a path without its user, and without the values in its query whose names say that they are secret."""
    return _USER.sub(f"//{mask}@", _PAIR.sub(lambda found: _pair(found, mask), text))


def _pair(found: re.Match[str], mask: str) -> str:
    return f"{found[1]}{found[2]}={mask}" if _SECRET.search(unquote(found[2])) else found[0]


def query_secrets(text: str) -> tuple[str, ...]:
    """The secret values in a URL's query, as they are written and as they are meant."""
    pairs = (found.groups() for found in _PAIR.finditer(text))
    values = [value for _, name, value in pairs if value and _SECRET.search(unquote(name))]
    return tuple(dict.fromkeys(one for value in values for one in (value, unquote(value), unquote_plus(value))))


def path_and_query(text: str) -> str:
    """A URL's path with its query, as a request line has it."""
    parts = urlsplit(text)
    return parts.path + (f"?{parts.query}" if parts.query else "")
