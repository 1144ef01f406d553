"""The client of one origin: which connection a request takes, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

import pytest
from tests.support import Action, ScriptedServer, event, response, stream_head
from tests.transports.http1.sockets import GOOD, InLoop, Scripted, perform

from llmdyno.protocols.events import TEXT
from llmdyno.transports.http1.proxy import Proxy


def test_connections_are_reused(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted(GOOD)
    records = in_loop(perform(server.url, 3))
    assert [record.reused for record in records] == [False, True, True]
    assert [record.connected_ns is None for record in records] == [False, True, True]
    assert server.accepted == 1


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("pause_s", [0.0, 0.1])
def test_a_connection_closed_while_idle_costs_a_reconnect(
    scripted: Scripted, in_loop: InLoop, how: str, pause_s: float
) -> None:
    server = scripted([*GOOD, 0.02, how])
    records = in_loop(perform(server.url, 3, pause_s=pause_s))
    assert [record.state for record in records] == ["ok"] * 3
    assert len(server.requests) == 3
    assert server.accepted == 3


def test_a_connection_closed_at_the_very_moment_of_the_send(scripted: Scripted, in_loop: InLoop) -> None:
    """The server closes without a byte of an answer, so another connection is tried."""
    server = scripted(GOOD, ["close"], GOOD)
    first, second = in_loop(perform(server.url, 2))
    assert (first.state, second.state) == ("ok", "ok")
    assert (first.resends, first.first_sent_ns, first.resend_reason) == (0, None, None)
    assert (second.reconnects, second.resends) == (1, 1)
    assert second.first_sent_ns < second.sent_ns
    assert "closed the kept connection" in str(second.resend_reason)
    assert not second.reused
    assert second.connected_ns is not None


IDLE = b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_408_for_the_idle_connection_at_the_very_moment_of_the_send(scripted: Scripted, in_loop: InLoop) -> None:
    """It answers no request, so another connection is tried."""
    server = scripted(GOOD, [IDLE, "close"], GOOD)
    first, second = in_loop(perform(server.url, 2))
    assert (first.state, second.state, second.resends) == ("ok", "ok", 1)
    assert second.first_sent_ns < second.sent_ns
    assert "408 for the idle connection" in str(second.resend_reason)


def test_any_other_408_is_an_answer(scripted: Scripted, in_loop: InLoop) -> None:
    [fresh] = in_loop(perform(scripted([IDLE, "close"]).url))
    _, late = in_loop(perform(scripted(GOOD, [0.2, IDLE, "close"], GOOD).url, 2))
    for record in (fresh, late):
        assert (record.state, record.http_status, record.resends) == ("failed", 408, 0)


def test_a_new_connection_that_closes_without_an_answer_is_a_failure(scripted: Scripted, in_loop: InLoop) -> None:
    [record] = in_loop(perform(scripted(["close"]).url))
    assert (record.state, record.error_kind) == ("failed", "broken_stream")
    assert "before any byte" in str(record.error_message)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_kept_connection_that_worked_before_it_closed_is_a_failure(
    scripted: Scripted, in_loop: InLoop, how: str
) -> None:
    """The server may have done the work, so the request is not sent twice."""
    server = scripted(GOOD, [0.2, how], GOOD)
    first, second, third = in_loop(perform(server.url, 3))
    assert (first.state, second.state, third.state) == ("ok", "failed", "ok")
    assert (second.error_kind, second.resends, second.reused) == ("broken_stream", 0, True)
    assert "after the send, without an answer" in str(second.error_message)
    assert second.end_ns - second.sent_ns > 190_000_000
    assert len(server.requests) == 3


@pytest.mark.parametrize("location", ["/v2/chat/completions/", "{origin}/v2/chat/completions/", "../v2/x?y=1"])
@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_to_the_same_origin_is_followed_once(scripted: Scripted, location: str, status: str) -> None:
    server = scripted([], GOOD)
    there = location.format(origin=server.url.removesuffix("/v1"))
    server.scripts[0] = [response(b"", status, more=f"Location: {there}\r\n")]
    first, second = asyncio.run(perform(server.url, 2))
    assert (first.state, first.resends, second.state, second.resends) == ("ok", 0, "ok", 0)
    assert first.first_sent_ns < first.sent_ns
    assert "redirects" in str(first.resend_reason)
    assert (second.first_sent_ns, second.resend_reason) == (None, None)
    paths = [line.split(b" ")[1] for line in server.asked]
    assert paths[0] == b"/v1/chat/completions"
    assert paths[1] == paths[2] != paths[0]
    assert len({request.partition(b"\r\n")[2] for request in server.requests}) == 1  # nothing but the path changes


@pytest.mark.parametrize(
    ("location", "advice"),
    [
        ("https://other.example/api/v1/chat/completions", "use --base-url https://other.example/api/v1"),
        ("https://other.example/login?next=/", "check --base-url and the key"),
        ("http://[oops", "redirected to"),
        ("/v1/chat/completions", "the server redirects in a circle"),
    ],
)
def test_another_redirect_is_a_failure_with_advice(scripted: Scripted, location: str, advice: str) -> None:
    server = scripted([response(b"", "307 Temporary Redirect", more=f"Location: {location}\r\n")])
    [record] = asyncio.run(perform(server.url))
    assert (record.error_kind, record.error_code, len(server.requests)) == ("http_status", 307, 1)
    assert advice in str(record.error_message)


def moved(location: str, status: str = "307 X") -> list[Action]:
    return [response(b"", status, more=f"Location: {location}\r\n")]


def paths(server: ScriptedServer) -> list[str]:
    return [line.split(b" ")[1].decode() for line in server.asked]


@pytest.mark.parametrize("back", ["/v1/chat/completions", "/b"])
def test_redirects_in_a_circle_end(scripted: Scripted, back: str) -> None:
    """Later requests ask for the first path again: the circle is not taken for the way."""
    server = scripted(moved("/b"), moved(back), moved("/b"), moved(back))
    first, second = asyncio.run(perform(server.url, 2))
    for record in (first, second):
        assert (record.error_kind, record.error_code) == ("http_status", 307)
        assert record.error_message == f"redirected to {back}: the server redirects in a circle"
    assert paths(server) == ["/v1/chat/completions", "/b"] * 2


def test_a_chain_of_redirects_has_a_bound(scripted: Scripted) -> None:
    server = scripted(moved("/b"), moved("c?d=e", "308 X"), moved("/f"), GOOD)
    first, second = asyncio.run(perform(server.url, 2))
    assert (first.state, second.state) == ("ok", "ok")
    assert paths(server) == ["/v1/chat/completions", "/b", "/c?d=e", "/f", "/f"]
    longer = scripted(moved("/b"), moved("/c"), moved("/d"), moved("/e"), moved("/e"), GOOD)
    for record in asyncio.run(perform(longer.url, 2)):
        assert record.error_message == (
            "redirected to /e: more than 3 redirects, one after the other; use a --base-url that needs none"
        )
    assert paths(longer) == ["/v1/chat/completions", "/b", "/c", "/d", "/d"]


def test_a_query_is_kept_where_the_server_keeps_it(scripted: Scripted) -> None:
    server = scripted(moved("/v1/chat/completions/?api-version=1&key=abc"), GOOD)
    [record] = asyncio.run(perform(server.url + "?api-version=1&key=abc"))
    assert record.state == "ok"
    assert paths(server) == [f"/v1/chat/completions{slash}?api-version=1&key=abc" for slash in ("", "/")]
    assert record.resend_reason == "the server redirects (307) to /v1/chat/completions/?api-version=1&key=***"


@pytest.mark.parametrize("status", ["301 X", "302 X", "307 X", "308 X"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_redirect_to_https_names_the_base_url(scripted: Scripted, status: str, slash: str) -> None:
    server = scripted()
    there = f"https://127.0.0.1:{server.port}/v1/chat/completions{slash}?api-version=1&key=abc"
    server.scripts = [moved(there, status)]
    [record] = asyncio.run(perform(server.url + "?api-version=1&key=abc"))
    assert (record.error_kind, len(server.requests)) == ("http_status", 1)
    base = f"https://127.0.0.1:{server.port}/v1?api-version=1&key=***"
    assert record.error_message == f"redirected to {there.replace('abc', '***')}: use --base-url {base}"


def test_a_server_that_goes_by_the_host_header(scripted: Scripted) -> None:
    """It makes the new address from the Host header that it got. The request goes to the same server."""
    server = scripted(moved("http://api.example:81/v2/"), GOOD)
    [record] = asyncio.run(perform(server.url, headers={"Host": "api.example:81"}))
    assert record.state == "ok"
    heads = [request.split(b"\r\n")[:2] for request in server.requests]
    host = b"Host: api.example:81"
    assert heads == [[b"POST /v1/chat/completions HTTP/1.1", host], [b"POST /v2/ HTTP/1.1", host]]


def test_a_redirect_behind_a_proxy_is_followed(scripted: Scripted) -> None:
    server = scripted(moved("/v1/chat/completions/"), GOOD)
    [record] = asyncio.run(perform("http://far.example/v1", proxy=Proxy("127.0.0.1", server.port)))
    assert record.state == "ok"
    assert paths(server) == [f"http://far.example/v1/chat/completions{slash}" for slash in ("", "/")]


# --- fields of the body

WANTED = [response(b'{"error":"max_tokens is not supported, use max_completion_tokens"}', "400 X")]
UNKNOWN = [response(b'{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs"}]}', "422 X")]
BODY = b'{"model":"m","max_tokens":9,"stream_options":{}}'


def test_a_field_is_changed_as_the_server_asks(scripted: Scripted) -> None:
    server = scripted(WANTED, UNKNOWN, GOOD)
    first, second = asyncio.run(perform(server.url, 2, body=BODY, adapts=True))
    assert (first.state, first.resends, second.state, second.resend_reason) == ("ok", 0, "ok", None)
    assert first.first_sent_ns < first.sent_ns
    assert "stream_options" in str(first.resend_reason)
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert bodies == [
        {"model": "m", "max_tokens": 9, "stream_options": {}},
        {"model": "m", "max_completion_tokens": 9, "stream_options": {}},
        {"model": "m", "max_completion_tokens": 9},
        {"model": "m", "max_completion_tokens": 9},
    ]


@pytest.mark.parametrize(
    ("body", "answer", "adapts"),
    [
        (BODY, WANTED, False),
        (b'{"model":"m"}', WANTED, True),
        (b'{"options":{"max_tokens":9},"stop":"max_tokens"}', WANTED, True),
        (b'["max_tokens"]', WANTED, True),
        (b"max_tokens", WANTED, True),
        (BODY, [response(b'{"error":"max_tokens must be at least 16"}', "400 X")], True),
        (BODY, [response(b'{"error":"max_tokens, max_completion_tokens: busy"}', "429 X")], True),
    ],
)
def test_what_the_body_does_not_hold_is_not_changed(
    scripted: Scripted, body: bytes, answer: list[Action], adapts: bool
) -> None:
    server = scripted(answer)
    [record] = asyncio.run(perform(server.url, body=body, adapts=adapts))
    assert (record.state, record.error_kind, len(server.requests)) == ("failed", "http_status", 1)


def test_a_change_that_does_not_help_is_made_once_a_request(scripted: Scripted) -> None:
    server = scripted(WANTED)
    first, second = asyncio.run(perform(server.url, 2, body=BODY, adapts=True))
    assert (first.error_code, second.error_code, len(server.requests)) == (400, 400, 3)
    assert "use max_completion_tokens" in str(first.error_message)


# --- Unix sockets


def test_a_unix_socket(scripted: Scripted, in_loop: InLoop, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = scripted(GOOD, unix=path)
    first, second = in_loop(perform("http://api.example/v1", 2, unix_socket=path))
    assert (first.state, first.reused, second.state, second.reused) == ("ok", False, "ok", True)
    assert first.connect_start_ns <= first.connected_ns <= first.sent_ns
    assert (first.clock, server.accepted) == ("user", 1)
    assert server.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.example\r\n")


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_unix_socket_that_breaks(scripted: Scripted, in_loop: InLoop, tmp_path: Path, how: str) -> None:
    path = str(tmp_path / "s")
    scripted([stream_head() + event("a"), how], GOOD, unix=path)
    began = time.monotonic()
    first, second = in_loop(perform("http://h/v1", 2, unix_socket=path))
    assert (first.error_kind, first.kinds.count(TEXT), second.state) == ("broken_stream", 1, "ok")
    assert time.monotonic() - began < 1.0


def test_nobody_listens_on_the_unix_socket(in_loop: InLoop, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        [record] = in_loop(perform("http://h/v1", unix_socket=path))
    assert (record.state, record.error_kind, record.sent_ns) == ("failed", "connect", None)
    assert record.error_message == f"cannot connect to the Unix socket {path}: connection refused"


def test_a_unix_socket_whose_queue_is_full(in_loop: InLoop, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as other:
        sock.bind(path)
        sock.listen(0)
        other.connect(path)
        [record] = in_loop(perform("http://h/v1", unix_socket=path, timeout_s=0.05))
    assert (record.error_kind, record.connected_ns, record.sent_ns) == ("timeout", None, None)
    assert record.error_message == f"no connection to the Unix socket {path} within 0.05 s"


def test_nobody_listens(free_port: int) -> None:
    [record] = asyncio.run(perform(f"http://127.0.0.1:{free_port}/v1"))
    assert (record.state, record.error_kind, record.sent_ns) == ("failed", "connect", None)
    assert f"port {free_port}" in str(record.error_message)
