"""Proxies: found in the environment, spoken to in the clear and as a tunnel."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest
import trustme
from tests.support import Action
from tests.transports.http1.sockets import GOOD, Scripted, perform

from llmdyno import InputError
from llmdyno.transports.http1.proxy import Proxy, find_proxy
from llmdyno.transports.http1.tls import make_context
from llmdyno.transports.http1.wire import Origin


def test_a_plain_proxy_gets_the_whole_url(scripted: Scripted) -> None:
    server = scripted(GOOD)
    proxy = Proxy("127.0.0.1", server.port, "Basic dTpw")
    [record] = asyncio.run(perform("http://far.example/v1", proxy=proxy))
    assert record.state == "ok", record.error_message
    assert server.requests[0].startswith(
        b"POST http://far.example/v1/chat/completions HTTP/1.1\r\nHost: far.example\r\n"
    )
    assert b"Proxy-Authorization: Basic dTpw" in server.requests[0]


def test_a_tunnel_through_a_proxy(scripted: Scripted, authority: trustme.CA, tmp_path: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("far.example").configure_cert(context)
    asked: list[bytes] = []

    def wrap(sock: socket.socket) -> socket.socket:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(4096)
        asked.append(data)
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return context.wrap_socket(sock, server_side=True)

    server = scripted(GOOD, wrap=wrap)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    proxy = Proxy("127.0.0.1", server.port, "Basic dTpw")
    options = {"proxy": proxy, "tls": make_context(ca_file=str(tmp_path / "ca.pem"))}
    [record] = asyncio.run(perform("https://far.example/v1", **options))
    assert record.state == "ok", record.error_message
    assert asked[0].startswith(b"CONNECT far.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dTpw" in asked[0]
    assert b"Proxy-Authorization" not in server.requests[0]  # that is the proxy's, not the server's


def test_a_proxy_that_refuses(scripted: Scripted) -> None:
    refusal: list[Action] = [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "close"]
    server = scripted(refusal)
    [record] = asyncio.run(perform("https://far.example/v1", proxy=Proxy("127.0.0.1", server.port)))
    assert record.error_kind == "connect"
    assert "407 Proxy Authentication Required" in record.error_message


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({"http_proxy": "http://p:3128"}, "http://far.example/v1", ("p", 3128, None)),
        ({"https_proxy": "http://u:p%40ss@p:3128"}, "https://far.example/v1", ("p", 3128, "Basic dTpwQHNz")),
        ({"all_proxy": "p:3128"}, "https://far.example/v1", ("p", 3128, None)),
        ({"http_proxy": "http://p:3128"}, "https://far.example/v1", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "far.example"}, "http://far.example/v1", None),
        ({"http_proxy": "http://p:3128"}, "http://127.0.0.1:8000/v1", None),
        ({"http_proxy": "http://p:3128"}, "http://localhost:8000/v1", None),
    ],
)
def test_proxies_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], url: str, expected: tuple[str, int, str | None] | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = find_proxy(Origin.of(url))
    assert (None if found is None else (found.host, found.port, found.authorization)) == expected


def test_a_proxy_that_is_not_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://p:1080")
    with pytest.raises(InputError, match="socks5 proxies are not supported"):
        find_proxy(Origin.of("https://far.example/v1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://p:99999",
        "p:x",
        "http://a..b:1",
        f"http://{'a' * 64}:1",
        "http://u:s3cret@[v1.x]:1",
        "http://a b",
    ],
)
def test_a_proxy_that_cannot_be_found(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(InputError) as refused:
        find_proxy(Origin.of("https://far.example/v1"))
    assert str(refused.value) == "HTTPS_PROXY: its host or its port does not fit; use http://host:port, or unset it"


def test_a_proxy_password_that_no_header_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://u:s3cret%0D%0A@p:1")
    with pytest.raises(InputError) as refused:
        find_proxy(Origin.of("https://far.example/v1"))
    assert str(refused.value) == (
        "HTTPS_PROXY: its user or its password does not fit; use printable text, percent-encoded"
    )


def test_the_secrets_of_a_proxy() -> None:
    assert Proxy("p", 1, "Basic dXNlcjpwYXNz").secrets == ("dXNlcjpwYXNz", "user:pass", "user", "pass")
    assert Proxy("p", 1).secrets == ()
