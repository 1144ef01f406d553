"""An emulator in a thread of the tests, and a client of raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.emulator.server import Emulator
from llmdyno.host.loop import loop_factory

PATIENCE_S = 10.0
CHAT: dict[str, Any] = {"model": DEFAULT_PROFILE, "max_tokens": 3, "messages": [{"role": "user", "content": "hello"}]}
TEXT: dict[str, Any] = {"model": DEFAULT_PROFILE, "max_tokens": 3, "prompt": "hello"}


class Answered(NamedTuple):
    """One answer, whole. `closed`: the server says that the connection ends."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    @property
    def message(self) -> str:
        """The message of an error, wherever the API puts it."""
        value = json.loads(self.body)
        return str(value["error"]["message"] if "error" in value else value["message"])


@dataclass
class Served:
    """A running emulator: `told` has what it said, `errors` what went wrong in its event loop."""

    emulator: Emulator
    port: int = 0
    told: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def send(self, data: bytes, method: str = "GET") -> Answered:
        """Send bytes on a new connection and read one answer."""
        with self.connect() as sock:
            with contextlib.suppress(OSError):  # a refusal may come before everything is sent
                sock.sendall(data)
            return read(sock, method)

    def ask(self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answered:
        """Send a well-formed request and read its answer."""
        return self.send(request(method, url, body, headers), method)


def request(method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a request with a length."""
    given = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"{method} {url} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def read(sock: socket.socket, method: str = "GET") -> Answered:
    """Read one answer."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    body = response.read()
    return Answered(response.status, dict(response.headers), body, response.will_close)


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Served]:
    """An emulator that answers, 100,000 times as fast as a real deployment unless told otherwise."""
    told: list[str] = []
    emulator = Emulator(PROFILES[DEFAULT_PROFILE], **{"speed": 1e5, "seed": 3, "tell": told.append, **options})
    served = Served(emulator, told=told)
    ready, stop = threading.Event(), asyncio.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: served.errors.append(context))
        await emulator.start("127.0.0.1", 0)
        served.port = int(emulator.root.rpartition(":")[2])
        ready.set()
        await stop.wait()
        emulator.close()

    runner = asyncio.Runner(loop_factory=loop_factory())
    loop = runner.get_loop()
    thread = threading.Thread(target=lambda: runner.run(main()))
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield served
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_S)
        runner.close()
