"""Base URLs. PURE.

In: a URL as text. Out: the base URL that a spec holds, a path under it, a path with its query. It does not know which
key or flag a URL belongs to.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from llmdyno.spec.masking import REDACTED
from llmdyno.spec.readers import url


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


def path_and_query(text: str) -> str:
    """A URL's path with its query, as a request line has it."""
    parts = urlsplit(text)
    return parts.path + (f"?{parts.query}" if parts.query else "")
