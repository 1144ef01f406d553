"""From a request to the bytes of its HTTP message."""

from __future__ import annotations

import pytest

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.transports.http1.wire import Origin, authority_in, path_in, same_origin, serialise, to_path, with_body


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


@pytest.mark.parametrize(
    ("url", "authority", "location", "path"),
    [
        ("https://h/v1", "", b"http://h/v2", "/v2"),  # behind a gateway that ends TLS
        ("https://h:8443/v1", "", b"http://h:8443/v2", "/v2"),
        ("https://h/v1", "", b"http://h:8080/v2", None),
        ("http://h/v1", "named:81", b"http://named:81/v2", "/v2"),
        ("http://h/v1", "named:81", b"http://h/v2", "/v2"),
        ("http://h/v1", "named:81", b"http://named/v2", None),
        ("https://h/v1", "named", b"https://NAMED/v2", "/v2"),
        ("http://[::1]:8/v1", "", b"http://[::1]:8/v2", "/v2"),
        ("http://h/v1", "", b"//h/v2", "/v2"),
        ("http://h/v1", "", b"?a=b", "/v1/chat?a=b"),
        ("http://h/v1", "", b"http://u:p@h/v2", "/v2"),
    ],
)
def test_which_server_a_redirect_leads_to(url: str, authority: str, location: bytes, path: str | None) -> None:
    assert same_origin(Origin.of(url), "/v1/chat", location, authority) == path


def test_a_query_goes_with_every_request() -> None:
    origin = Origin.of("https://h/openai/?api-version=2024&key=abc")
    assert (origin.path, origin.query) == ("/openai", "api-version=2024&key=abc")
    for path, target in (("/openai/models", "/openai/models?"), ("/p?a=b", "/p?a=b&")):
        wire = serialise(origin, HttpRequest("GET", path, {}, b""))
        assert wire.startswith(f"GET {target}api-version=2024&key=abc HTTP/1.1\r\n".encode())
        assert path_in(wire) == f"{target}api-version=2024&key=abc"
    assert str(origin) == "https://h/openai?api-version=2024&key=***"
    assert origin.at("/x") == "https://h/x?api-version=2024&key=***"
    assert "abc" not in repr(origin)


@pytest.mark.parametrize(("proxy", "target"), [(None, "/p"), ({"A": "b"}, "http://h:1/p")])
def test_a_host_header_of_ones_own(proxy: dict[str, str] | None, target: str) -> None:
    wire = serialise(Origin.of("http://h:1/v1"), HttpRequest("POST", "/p", {"hOST": "named:81"}, b"{}"), proxy)
    assert wire.startswith(f"POST {target} HTTP/1.1\r\nHost: named:81\r\n".encode())
    assert wire.lower().count(b"host:") == 1
    assert (path_in(wire), authority_in(wire)) == ("/p", "named:81")


def test_a_message_with_another_body() -> None:
    wire = serialise(Origin.of("http://h/v1"), HttpRequest("POST", "/p", {"A": "b"}, b"12345678901"))
    assert with_body(wire, b"\r\n\r\n") == wire.replace(b"Length: 11\r\n\r\n12345678901", b"Length: 4\r\n\r\n\r\n\r\n")


def test_a_message_to_another_path() -> None:
    wire = serialise(Origin.of("http://h/v1"), HttpRequest("POST", "/p", {}, b"a /p b\r\n"))
    moved = to_path(wire, "/q?r=s")
    assert (path_in(wire), path_in(moved)) == ("/p", "/q?r=s")
    assert moved.partition(b"\r\n")[2] == wire.partition(b"\r\n")[2]


def test_a_message_through_a_proxy_to_another_path() -> None:
    wire = serialise(Origin.of("http://h:1/v1"), HttpRequest("POST", "/p", {}, b"x"), {})
    assert path_in(wire) == "/p"
    assert to_path(wire, "/q?r=s").startswith(b"POST http://h:1/q?r=s HTTP/1.1\r\nHost: h:1\r\n")
