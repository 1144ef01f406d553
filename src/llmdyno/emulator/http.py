"""HTTP/1.1 as the emulator writes it. PURE.

In: a status, a media type, header lines, a body. Out: bytes. It knows nothing of what the bodies mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from llmdyno._version import __version__

JSON = "application/json"
LABEL_HEADER = "X-LLMDyno-Emulated"
"""The header of every answer that says it is emulated: ``profile=…; speed=…; since=…``."""

_PHRASES = {529: "Overloaded"}
"""Status codes that HTTP's own registry does not have."""


class Request(NamedTuple):
    """A whole request. `url` is raw, as on the request line; header names are in lower case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return self.url.partition("?")[0]


def head(status: int, media_type: str, label: str, headers: Sequence[str] = ()) -> bytes:
    """The head of an answer; `headers` are whole lines, among them the one that says where the body ends."""
    lines = [
        f"HTTP/1.1 {status} {_PHRASES.get(status) or HTTPStatus(status).phrase}",
        f"Content-Type: {media_type}",
        f"Server: llmdyno-emulator/{__version__}",
        f"{LABEL_HEADER}: {label}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def whole(status: int, body: bytes, label: str, media_type: str = JSON, headers: Sequence[str] = ()) -> bytes:
    """A whole answer with its length."""
    return head(status, media_type, label, [*headers, f"Content-Length: {len(body)}"]) + body


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
