"""One client connection of the emulator: HTTP/1.1 requests in, answers out, one at a time and in order.

In: bytes from a socket. Out: bytes, sent at once if the socket takes them. What a request means is the host's to say: a
connection knows no routes, no model and no times.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Coroutine
from typing import Any, NamedTuple, Protocol

import httptools

from llmdyno.emulator import http
from llmdyno.emulator.http import Request
from llmdyno.emulator.reply import Reply, Wire

_READ_SIZE = 65536
_LARGEST_BODY = 100_000_000


class Whole(NamedTuple):
    """An answer that is ready, head and body; `close` ends the connection behind it."""

    data: bytes
    close: bool = False


Outcome = Whole | Reply | Coroutine[Any, Any, Whole]
"""What a request gets: an answer, one that begins now, or one that has to be fetched."""


class Host(Protocol):
    """What a connection asks of the server."""

    label: str

    def handle(self, request: Request, wire: Wire) -> Outcome:
        """Decide what a request gets."""

    def admit(self, reply: Reply) -> None:
        """Have the model make the tokens of a reply."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest; hold a reference until it is done."""

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""


class Connection:
    """One client connection. It is the :class:`~llmdyno.emulator.reply.Wire` of its replies."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._host = host
        self._loop = loop
        self._sock = sock
        self._open = True
        self._closing = False
        self._unsent = bytearray()
        self._reply: Reply | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._requests: deque[Request] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()
        loop.add_reader(sock.fileno(), self._read)

    # --- the parser's calls

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) <= _LARGEST_BODY:
            self._body += body

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("latin-1")
        self._requests.append(Request(method, self._url.decode("latin-1"), self._headers, bytes(self._body)))

    # --- requests

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.drop()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.send(http.whole(400, b'{"error":{"message":"not HTTP/1.1"}}', self._host.label))
            self.drop()
            return
        self._next()

    def _next(self) -> None:
        while self._open and self._reply is None and self._fetching is None and self._requests:
            outcome = self._host.handle(self._requests.popleft(), self)
            if isinstance(outcome, Whole):
                self._answer(outcome)
            elif isinstance(outcome, Reply):
                self._reply = outcome
                self._host.admit(outcome)
            else:
                self._fetching = self._host.spawn(self._fetch(outcome))

    async def _fetch(self, work: Coroutine[Any, Any, Whole]) -> None:
        self._answer(await work)
        self._fetching = None
        self._next()

    def _answer(self, whole: Whole) -> None:
        self.send(whole.data)
        if whole.close:
            self._closing = True
            if not self._unsent:
                self.drop()

    # --- the wire

    def send(self, data: bytes) -> None:
        """Send bytes, after all that were sent before."""
        if not self._open:
            return
        if not self._unsent:
            try:
                data = data[self._sock.send(data) :]
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                self.drop()
                return
            if not data:
                return
            self._loop.add_writer(self._sock.fileno(), self._flush)
        self._unsent += data

    def finished(self) -> None:
        """The answer is over: handle the next request."""
        self._reply = None
        self._next()

    def drop(self) -> None:
        """Close the connection; a request under way is given up."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        if self._reply is not None:
            self._reply.abandon()
        self._host.forget(self)

    def _flush(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.drop()
            return
        if not self._unsent:
            self._loop.remove_writer(self._sock.fileno())
            if self._closing:
                self.drop()
