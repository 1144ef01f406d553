"""From a request to the bytes of its HTTP message."""

from __future__ import annotations

import pytest

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.transports.http1.wire import Origin, serialise


@pytest.mark.parametrize(
    ("url", "authority_text", "port"),
    [
        ("http://h/v1", "h", 80),
        ("https://h", "h", 443),
        ("http://[::1]:8/v1", "[::1]:8", 8),
        ("https://h:80", "h:80", 80),
    ],
)
def test_origins(url: str, authority_text: str, port: int) -> None:
    origin = Origin.of(url)
    assert (origin.authority, origin.port) == (authority_text, port)
    wire = serialise(origin, HttpRequest("POST", "/p", {"User-Agent": "mine"}, b"{}"))
    assert wire.startswith(f"POST /p HTTP/1.1\r\nHost: {authority_text}\r\nUser-Agent: mine\r\n".encode())
    assert wire.endswith(b"Content-Length: 2\r\n\r\n{}")
    assert wire.count(b"User-Agent") == 1
