"""The client of one origin: which connection a request takes, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest
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
    assert second.reconnects == 1
    assert not second.reused
    assert second.connected_ns is not None


def test_a_new_connection_that_closes_without_an_answer_is_a_failure(scripted: Scripted, in_loop: InLoop) -> None:
    [record] = in_loop(perform(scripted(["close"]).url))
    assert (record.state, record.error_kind) == ("failed", "broken_stream")
    assert "before any byte" in str(record.error_message)


def test_nobody_listens(free_port: int) -> None:
    [record] = asyncio.run(perform(f"http://127.0.0.1:{free_port}/v1"))
    assert (record.state, record.error_kind, record.sent_ns) == ("failed", "connect", None)
    assert f"port {free_port}" in str(record.error_message)
