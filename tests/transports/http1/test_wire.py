"""From a request to the bytes of its HTTP message."""

from __future__ import annotations

import pytest

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.transports.http1.wire import Origin, path_in, same_origin, serialise, to_path


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


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (b"/v2/chat", "/v2/chat"),
        (b"http://H:80/v2/chat?a=b#c", "/v2/chat?a=b"),
        (b"../x", "/x"),
        (b"completions/", "/v1/completions/"),
        (b"/v1/chat", "/v1/chat"),
        (b"https://h/v2", None),
        (b"http://h:81/v2", None),
        (b"http://other/v2", None),
        (b"http://h:x/v2", None),
        (b"file:///etc/passwd", None),
        (b"/a b", None),
        (b"/a\x00b", None),
        (b"/\xe9", None),
        (b"", None),
    ],
)
def test_where_a_redirect_leads(location: bytes, path: str | None) -> None:
    assert same_origin(Origin.of("http://h/v1"), "/v1/chat", location) == path


def test_a_message_to_another_path() -> None:
    wire = serialise(Origin.of("http://h/v1"), HttpRequest("POST", "/p", {}, b"a /p b\r\n"))
    moved = to_path(wire, "/q?r=s")
    assert (path_in(wire), path_in(moved)) == ("/p", "/q?r=s")
    assert moved.partition(b"\r\n")[2] == wire.partition(b"\r\n")[2]
