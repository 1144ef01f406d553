"""What a client sends, read as requests: at every split, within bounds, with the reason for what cannot be read."""

from __future__ import annotations

import pytest

from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.http import Request
from llmdyno.emulator.incoming import HTTP2_PREFACE, Incoming, Unreadable

SMALL = Bounds(head_bytes=200, body_bytes=100)
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n"


def read(*pieces: bytes, bounds: Bounds = SMALL) -> tuple[list[Request | Unreadable], Incoming]:
    incoming = Incoming(bounds)
    for piece in pieces:
        incoming.feed(piece)
    return list(incoming.whole), incoming


def post(headers: bytes, body: bytes, target: bytes = b"/a", version: bytes = b"1.1") -> bytes:
    return b"POST " + target + b" HTTP/" + version + b"\r\nHost: h\r\n" + headers + b"\r\n" + body


def test_requests_are_the_same_however_they_are_split() -> None:
    data = (
        post(b"Content-Length: 3\r\n", b"abc")
        + post(b"Transfer-Encoding: chunked\r\n", b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\nHost: trailer\r\n\r\n")
        + post(UPGRADE + b"Content-Length: 3\r\n", b"abc")
        + post(UPGRADE + b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n")
        + GET.replace(b"\r\n\r\n", b"\r\n" + UPGRADE + b"\r\n")
        + b"GET http://other:80 HTTP/1.1\r\nHost: h\r\n\r\n"
        + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        + b"what comes behind the last request is not read"
    )
    once, incoming = read(data)
    found = [(one.method, one.url, one.headers["host"], one.body, one.keep_alive) for one in once]  # type: ignore[union-attr]
    assert found == [
        ("POST", "/a", "h", b"abc", True),
        ("POST", "/a", "h", b"abc", True),
        ("POST", "/a", "h", b"abc", True),
        ("POST", "/a", "h", b"abc", True),
        ("GET", "/a", "h", b"", True),
        ("GET", "/", "other:80", b"", True),
        ("GET", "/a", "h", b"", False),
    ]
    assert (incoming.held, incoming.begun, incoming.over) == (12, False, True)
    for at in range(1, len(data)):
        assert read(data[:at], data[at:])[0] == once
    assert read(*(data[at : at + 1] for at in range(len(data))))[0] == once


def test_http_2_from_the_first_byte_is_handed_on_however_it_is_split() -> None:
    data = HTTP2_PREFACE + b"\0\0\0\4\0\0\0\0\0"
    for at in range(len(data) + 1):
        incoming = Incoming(SMALL)
        incoming.feed(data[:at])
        rest = b"" if incoming.http2 is None else data[at:]
        incoming.feed(data[at:] if incoming.http2 is None else b"")
        assert incoming.http2 is not None
        assert incoming.http2 + rest == data
    for before in (GET, b"PRI * HTTP/2.0\r\nHost: h\r\n\r\n", b"\r\n"):
        assert read(before + data)[1].http2 is None


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"BREW / HTTP/1.1\r\n", 501, "the method is not known"),
        (b"DESCRIBE / HTTP/1.1\r\n", 501, "the method is not known"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "this looks like TLS, which is not spoken here; use http://"),
        (b"GET /\r\n\r\n", 505, "HTTP/0.9 is not spoken here; use HTTP/1.1"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "HTTP/2.0 is not spoken here; use HTTP/1.1"),
        (b"GET / HTTP/3.7\r\nHost: h\r\n\r\n", 505, "only HTTP/1.1 is spoken here"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "the Host header is missing"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n", 400, "the request has two Host headers"),
        (b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "the request target is neither a path nor an http URL"),
        (post(b"Content-Length: -1\r\n", b""), 400, "the request is not HTTP/1.1: Invalid character in Content-Length"),
        (post(b"Content-Length: 101\r\n", b""), 413, "the body is longer than 100 bytes"),
        (post(b"Transfer-Encoding: chunked\r\n", b"65\r\n" + b"x" * 101), 413, "the body is longer than 100 bytes"),
        (post(b"Transfer-Encoding: gzip, chunked\r\n", b""), 501, "Transfer-Encoding can only be chunked, and only in"),
        (post(b"Transfer-Encoding: chunked\r\n", b"", version=b"1.0"), 501, "Transfer-Encoding can only be chunked"),
        (post(b"Expect: tea\r\n", b""), 417, "Expect can only be 100-continue"),
        (post(b"X: " + b"y" * 200 + b"\r\n", b""), 431, "the headers are longer than 200 bytes"),
        (post(b"", b"", target=b"/" + b"a" * 201), 414, "the URL is longer than 200 bytes"),
    ],
)
def test_what_cannot_be_read_has_a_status_and_a_reason(data: bytes, status: int, reason: str) -> None:
    found, incoming = read(GET, data, GET)
    assert [one.url for one in found[:-1] if isinstance(one, Request)] == ["/a"]
    assert isinstance(found[-1], Unreadable)
    assert (found[-1].status, found[-1].reason.startswith(reason)) == (status, True)
    assert (incoming.over, incoming.held, incoming.begun) == (True, 0, False)


@pytest.mark.parametrize("endless", [b"X-A: b\r\n", b"y"])
def test_a_head_without_an_end_is_given_up(endless: bytes) -> None:
    _, incoming = read(b"GET / HTTP/1.1\r\nHost: h\r\nX: ", bounds=Bounds())
    sent = 0
    while not incoming.over:
        incoming.feed(endless * 1000)
        sent += len(endless) * 1000
    assert sent <= 2 * 65_536 + len(endless) * 1000
    assert incoming.take() == Unreadable(431, "the headers are longer than 65,536 bytes")


def test_a_chunked_body_of_which_little_is_content_is_given_up() -> None:
    _, incoming = read(post(b"Transfer-Encoding: chunked\r\n", b"1;"), bounds=Bounds())
    sent = 0
    while not incoming.over:
        incoming.feed(b"x" * 10_000)
        sent += 10_000
    assert sent <= 2 * 65_536 + 10_000
    assert incoming.take() == Unreadable(413, "the body is longer than 33,554,432 bytes")


def test_chunks_of_one_byte_are_no_reason_to_give_up() -> None:
    pieces = [post(b"Transfer-Encoding: chunked\r\n", b""), *([b"1\r\nx\r\n"] * 50_000), b"0\r\n\r\n"]
    [request], _ = read(*pieces, bounds=Bounds())
    assert len(request.body) == 50_000  # type: ignore[union-attr]


def test_what_is_held_is_counted_until_it_is_taken() -> None:
    _, incoming = read(post(b"Content-Length: 5\r\n", b"abc"))
    assert (incoming.held, incoming.begun) == (3, True)
    incoming.feed(b"de" + GET)
    assert (incoming.held, incoming.begun, len(incoming.whole)) == (5, False, 2)
    incoming.take()
    assert (incoming.held, len(incoming.whole)) == (0, 1)
    _, given_up = read(post(b"Content-Length: 5\r\n", b"abc"))
    given_up.refuse(408, "late")
    assert (given_up.held, given_up.take()) == (0, Unreadable(408, "late"))


def test_a_client_that_waits_is_told_once_to_go_on() -> None:
    _, incoming = read(post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b""))
    assert (incoming.go_on(), incoming.go_on()) == (True, False)
    _, sent_on = read(post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"a"))
    assert sent_on.go_on() is False
    _, older = read(post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"", version=b"1.0"))
    assert older.go_on() is False
