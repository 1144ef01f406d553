"""Requests through our own sockets, one after the other, and what they need: a loop, a certificate authority."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import pytest
import uvloop
from tests.support import ENDING, Action, ScriptedServer, event, stream_head

from llmdyno.protocols.dialect import Dialect, HttpRequest
from llmdyno.protocols.openai import CHAT
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.assemble import assemble, built
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange, Payload, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.wire import Origin

GOOD: list[Action] = [stream_head() + event("a"), 0.02, event("b") + ENDING]
Scripted = Callable[..., ScriptedServer]
InLoop = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def in_loop(request: pytest.FixtureRequest) -> InLoop:
    """Runs a coroutine on either event loop."""

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        factory = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)

    return run


async def perform(
    url: str,
    count: int = 1,
    *,
    timeout_s: float = 5.0,
    body: bytes = b"{}",
    pause_s: float = 0.0,
    dialect: Dialect = CHAT,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> list[RequestRecord]:
    """Send requests one after the other through one client; their records. `options` are the client's."""
    loop, clock, origin = asyncio.get_running_loop(), Clock(), Origin.of(url)
    client = Client(origin, loop, end_mark=dialect.end_mark, **options)
    await client.resolve()
    sent = {"Authorization": "Bearer k", **(headers or {})}
    request = HttpRequest("POST", origin.path + "/chat/completions", sent, body)
    payload = Payload(client.serialise(request))
    await asyncio.sleep(0.01)  # the kernel switches its stamps on shortly after the first socket asks for them
    records = []
    for number in range(count):
        exchange = Exchange(Prepared(number, "measured", None, 1, 2, payload), 0)
        await client.perform(exchange, timeout_s)
        records.append(built(assemble(exchange, dialect, clock, keep_text=False)))
        await asyncio.sleep(pause_s)
    client.close()
    clock.close()
    return records


@contextlib.contextmanager
def talkative() -> Iterator[int]:
    """A server that speaks plain HTTP first, whatever it is asked; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                sock, _ = listener.accept()
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                sock.recv(1000)
                sock.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
