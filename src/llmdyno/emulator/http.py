"""HTTP/1.1 as the emulator writes it. PURE.

In: a status, a media type, header lines, a body. Out: bytes. It knows nothing of what the bodies mean. An answer for a
client that speaks HTTP/2 is written in the same way; :func:`split` takes it apart again.
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
_HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
"""Headers of one HTTP/1.1 connection; HTTP/2 forbids them (RFC 9113, 8.2.2)."""


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


class Split(NamedTuple):
    """An answer's head without what belongs to HTTP/1.1 alone, with names in lower case; and what follows the head."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def split(answer: bytes) -> Split:
    """Take apart an answer that begins with its whole head."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    found = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    chunked = any(name == "transfer-encoding" and value.lower() == "chunked" for name, value in found)
    kept = [(name, value) for name, value in found if name not in _HOP_BY_HOP]
    return Split(int(first.split(" ")[1]), kept, _unchunked(body) if chunked else body)


def _unchunked(body: bytes) -> bytes:
    """The content of a chunked body that is whole."""
    parts: list[bytes] = []
    rest = body
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.partition(b";")[0] or b"0", 16)
        if not length:
            return b"".join(parts)
        parts.append(rest[:length])
        rest = rest[length + 2 :]


_ADVICE = b"HTTP/2 needs the package h2 here: pip install 'llmdyno[emulator]', or use HTTP/1.1"
_SETTINGS_FRAME = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
NO_HTTP2 = (
    _SETTINGS_FRAME
    + (8 + len(_ADVICE)).to_bytes(3, "big")
    + b"\x07\x00\x00\x00\x00\x00"  # GOAWAY on stream 0
    + b"\x00\x00\x00\x00\x00\x00\x00\x0d"  # no stream was handled; HTTP_1_1_REQUIRED
    + _ADVICE
)
"""What a server says to a client whose HTTP/2 it does not speak (RFC 9113, 6.5, 6.8 and 7)."""
