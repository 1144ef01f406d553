"""HTTP/1.1 as the emulator reads it: bytes in, whole requests out. It knows no sockets and no routes.

In: what a client sends, in any pieces. Out: requests, each with its whole body, in order; and for what is no request
that can be answered, a status and the reason. After that it reads nothing more, since it cannot know where the next
request begins. Sizes are bounded.

An upgrade is not accepted. The request is answered as if it had not asked for one, as RFC 9110 allows. A client that
begins with HTTP/2's preface gets no further here: what it sent is handed on.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

import httptools

from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.http import Request

_VERSIONS = ("1.0", "1.1")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE)
_TLS_RECORD = b"\x16\x03"
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HTTP2_PREFACE = "Pause on PRI/Upgrade"
_UNKNOWN_VERSION = "Invalid HTTP version"
_UNKNOWN_METHOD = "Invalid method"
_SLACK = 65_536
"""The bytes before the head of an unfinished request are counted too, and those are at most one read."""
_CHUNKING = 8
"""A chunked body is at most this many times as long as what it carries, plus the bound of a head."""


class Unreadable(NamedTuple):
    """What cannot be answered as a request: the HTTP status and the reason."""

    status: int
    reason: str


class Incoming:
    """What one connection has sent. `whole` has what is ready, `held` how many bytes are kept in all.

    `http2` is what a client sent that speaks HTTP/2 from its first byte (RFC 9113, 3.4); None: it does not.
    `begun`: a request has begun and is not whole. `waits`: it waits for ``100 Continue``. `over`: nothing more is read.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.whole: deque[Request | Unreadable] = deque()
        self.held = 0
        self.http2: bytes | None = None
        self.begun = self.waits = self.over = False
        self._fed = 0
        self._bounds = bounds
        self._parser = httptools.HttpRequestParser(self)
        self._head_again = b""
        self._clear()

    def feed(self, data: bytes) -> None:
        """Read some bytes."""
        while data and not self.over:
            before = len(self._body)
            rest = b""
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                rest = self._head_again + data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                missing = HTTP2_PREFACE[self._fed :]
                if str(error) == _HTTP2_PREFACE and missing and data.startswith(missing):
                    self.http2 = HTTP2_PREFACE + data[len(missing) :]
                self.refuse(*_reason(error, data))
            self._extra += max(0, len(data) - max(0, len(self._body) - before)) if self.begun else 0
            self._check_size()
            self._fed += len(data)
            data = rest

    def take(self) -> Request | Unreadable:
        """The first of what is ready."""
        one = self.whole.popleft()
        if isinstance(one, Request):
            self.held -= len(one.body)
        return one

    def go_on(self) -> bool:
        """Whether the client waits for ``100 Continue``; it is told once."""
        waited, self.waits = self.waits, False
        return waited

    # --- the parser's calls

    def on_message_begin(self) -> None:
        if not self.over:
            self._clear()
            self.begun = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer
        key = name.decode("latin-1").lower()
        if key == "host" and key in self._headers:
            self.refuse(400, "the request has two Host headers")
        self._headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_body, self._extra = True, 0
        headers, version = self._headers, self._parser.get_http_version()
        length = headers.get("content-length", "0")
        size = len(self._url) + sum(map(len, headers)) + sum(map(len, headers.values()))
        encoding, expected = headers.get("transfer-encoding"), headers.get("expect")
        if size > self._bounds.head_bytes:
            self._too_long_a_head()
        elif version not in _VERSIONS:
            self.refuse(505, f"HTTP/{version} is not spoken here; use HTTP/1.1")
        elif version == "1.1" and "host" not in headers:
            self.refuse(400, "the Host header is missing")
        elif encoding is not None and (version == "1.0" or encoding.strip().lower() != "chunked"):
            self.refuse(501, "Transfer-Encoding can only be chunked, and only in HTTP/1.1")
        elif int(length) > self._bounds.body_bytes:
            self._too_long_a_body()
        elif expected is not None and version == "1.1":
            if expected.lower() != "100-continue":
                self.refuse(417, "Expect can only be 100-continue")
            self.waits = True

    def on_body(self, body: bytes) -> None:
        if self.over:
            return
        self.waits = False
        if len(self._body) + len(body) > self._bounds.body_bytes:
            self._too_long_a_body()
            return
        self._body += body
        self.held += len(body)

    def on_message_complete(self) -> None:
        if self.over:
            return
        method, url = self._parser.get_method().decode("latin-1"), self._url.decode("latin-1")
        version = self._parser.get_http_version()
        if self._parser.should_upgrade() and method != "CONNECT":
            self._head_again = self._without_upgrade(method)
            return
        if url[:1] not in "/*" and method != "CONNECT":
            absolute = _ABSOLUTE.fullmatch(url)
            if absolute is None:
                self.refuse(400, "the request target is neither a path nor an http URL")
                return
            self._headers["host"] = absolute[1]  # it stands above the header (RFC 9112, 3.2.2)
            url = absolute[2] if absolute[2].startswith("/") else "/" + absolute[2]
        keep_alive = bool(self._parser.should_keep_alive()) and method != "CONNECT"
        self.whole.append(Request(method, url, self._headers, bytes(self._body), version == "1.1", keep_alive))
        self._clear()
        self.over = not keep_alive

    def _without_upgrade(self, method: str) -> bytes:
        """The head of a request that asks for an upgrade, as it would be without that. The parser ends such a request
        with its head, so that it reads it again, and its body then."""
        named = self._headers.get("connection", "").lower().split(",")
        kept = {name: value for name, value in self._headers.items() if name not in ("connection", "upgrade")}
        if "close" in (name.strip() for name in named):
            kept["connection"] = "close"
        lines = [f"{method} {self._url.decode('latin-1')} HTTP/{self._parser.get_http_version()}"]
        lines += [f"{name}: {value}" for name, value in kept.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def _clear(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._in_body = self.begun = self.waits = False
        self._extra = 0  # bytes that are no part of a body, such as those of a head that is not complete

    # --- refusals

    def _check_size(self) -> None:
        if self.over or not self.begun:
            return
        most = self._bounds.head_bytes + _SLACK
        if not self._in_body and self._extra > most:
            self._too_long_a_head()
        elif self._in_body and self._extra > most + _CHUNKING * len(self._body):
            self._too_long_a_body()

    def _too_long_a_head(self) -> None:
        status = 414 if len(self._url) > self._bounds.head_bytes else 431
        what = "the URL is" if status == 414 else "the headers are"
        self.refuse(status, f"{what} longer than {self._bounds.head_bytes:,} bytes")

    def _too_long_a_body(self) -> None:
        self.refuse(413, f"the body is longer than {self._bounds.body_bytes:,} bytes")

    def refuse(self, status: int, reason: str) -> None:
        """Give up the request that has begun, and read nothing more."""
        if self.over:
            return
        self.held -= len(self._body)
        self._clear()
        self.over = True
        self.whole.append(Unreadable(status, reason))


def _reason(error: httptools.HttpParserError, data: bytes) -> tuple[int, str]:
    """The status and the reason for what the parser cannot read."""
    text = str(error)
    if data.startswith(_TLS_RECORD):
        return 400, "this looks like TLS, which is not spoken here; use http://"
    if text in (_HTTP2_PREFACE, _UNKNOWN_VERSION):
        return 505, "only HTTP/1.1 is spoken here"
    if text.startswith(_UNKNOWN_METHOD):
        return 501, "the method is not known"
    return 400, f"the request is not HTTP/1.1: {text}"
