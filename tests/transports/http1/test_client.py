"""The client of one origin: which connection a request takes, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest
from tests.support import response
from tests.transports.http1.sockets import GOOD, InLoop, Scripted, perform


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
        ("/v1/chat/completions", "use a --base-url with the path /v1"),
    ],
)
def test_another_redirect_is_a_failure_with_advice(scripted: Scripted, location: str, advice: str) -> None:
    server = scripted([response(b"", "307 Temporary Redirect", more=f"Location: {location}\r\n")])
    [record] = asyncio.run(perform(server.url))
    assert (record.error_kind, record.error_code, len(server.requests)) == ("http_status", 307, 1)
    assert advice in str(record.error_message)


def test_redirects_in_a_circle_end(scripted: Scripted) -> None:
    there = response(b"", "308 X", more="Location: /a\r\n")
    back = response(b"", "308 X", more="Location: /v1/chat/completions\r\n")
    server = scripted([there], [back], [there], [back], [there])
    [record] = asyncio.run(perform(server.url))
    assert (record.error_kind, record.error_code) == ("http_status", 308)
    assert 2 <= len(server.requests) <= 4


def test_nobody_listens(free_port: int) -> None:
    [record] = asyncio.run(perform(f"http://127.0.0.1:{free_port}/v1"))
    assert (record.state, record.error_kind, record.sent_ns) == ("failed", "connect", None)
    assert f"port {free_port}" in str(record.error_message)
