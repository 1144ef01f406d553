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
    """A whole request. `url` is raw and begins with its path (or is ``*``); header names are in lower case. `chunked`:
    the client reads chunked bodies. `keep_alive`: it may send another request on this connection."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    chunked: bool = True
    keep_alive: bool = True

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


def closing(answer: bytes) -> bytes:
    """A whole answer that says that the connection ends behind it."""
    return answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


def without_body(answer: bytes) -> bytes:
    """The head of a whole answer."""
    return answer[: answer.index(b"\r\n\r\n") + 4]


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
