"""One client connection of the emulator: requests in, answers out, one at a time and in order.

In: bytes from a socket. Out: bytes, sent at once if the socket takes them. What a request means is the host's to say: a
connection knows no routes, no model and no times of tokens.

The next request is handled when the answer before it has left, and while several wait nothing is read, so that a client
cannot make the emulator hold more and more. A request that does not arrive whole in time is refused.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Coroutine, Iterator
from typing import Any

from llmdyno.emulator import http
from llmdyno.emulator.http import Request
from llmdyno.emulator.incoming import Incoming, Unreadable
from llmdyno.emulator.link import READ_SIZE, Host, Link
from llmdyno.emulator.outcome import Parts, Whole
from llmdyno.emulator.reply import Reply

_WAITING_REQUESTS = 8
_FULL = "the emulator holds as many bytes of requests as it may; try again later"


class Connection(Link):
    """One client connection. It is the :class:`~llmdyno.emulator.reply.Wire` of its replies."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.chunked = True
        self.headers: list[str] = []
        self._closing = self._lingering = self._hung_up = False
        self._reply: Reply | None = None
        self._parts: Iterator[bytes] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._incoming = Incoming(host.bounds)
        self._whole_by_s: float | None = None  # when the request that has begun must be whole
        super().__init__(host, loop, sock)

    # --- requests

    def _receive(self, data: bytes) -> None:
        if self._lingering or self._incoming.over:
            return  # what comes behind the last request is not read
        self._incoming.feed(data)
        if self._incoming.http2 is not None:
            self._leave_to_http2(self._incoming.http2)
            return
        if not self._hold() and self._incoming.begun:  # one that is whole is handled at once, or soon
            self._incoming.refuse(503, _FULL)
            self._hold()
        self._next()

    def _leave_to_http2(self, sent: bytes) -> None:
        """Leave the socket to HTTP/2, which the client speaks; or say that this emulator does not speak it."""
        self._stop_reading()
        if self._host.speak_http2(self._sock, sent):
            self._open = False
            self._host.room.take(-self._held)
            self._host.unwatch(self)
            self._host.forget(self)
            return
        self._go_on_reading()
        self._lingering = True
        self.send(http.NO_HTTP2)
        self.headers = ["Connection: close"]
        self._ended()

    def _hang_up(self) -> None:
        """The client sends nothing more. It has left, unless an answer that is ready is still on its way to it."""
        if (self._unsent or self._parts) and not (self._reply or self._fetching or self._lingering):
            self._stop_reading()
            self._hung_up = True
        else:
            self.drop()

    def _busy(self) -> bool:
        """Whether an answer is under way."""
        return bool(self._unsent or self._reply or self._parts or self._fetching or self._closing)

    def _next(self) -> None:
        while self._open and self._incoming.whole and not self._busy():
            request = self._incoming.take()
            self._hold()
            self.idle_since_s = None
            if isinstance(request, Unreadable):
                self._refuse(request)
                return
            self.chunked = request.chunked
            self.headers = [] if request.keep_alive and request.chunked else ["Connection: close"]
            self._begin(request)
        if self._open and not self._busy():
            self.idle_since_s = time.monotonic()
            if self._hung_up:
                self.drop()
        self._wait_for_rest()

    def _begin(self, request: Request) -> None:
        try:
            outcome = self._host.handle(request, self)
        except Exception as error:
            outcome = self._host.failed(error)
        if isinstance(outcome, Whole):
            bodiless = outcome._replace(data=http.without_body(outcome.data)) if request.method == "HEAD" else outcome
            self._answer(bodiless)
        elif isinstance(outcome, Parts):
            self._send_parts(outcome, bodiless=request.method == "HEAD")
        elif isinstance(outcome, Reply):
            self._reply = outcome
            self._host.admit(outcome)
        else:
            self._fetching = self._host.spawn(self._fetch(outcome))

    async def _fetch(self, work: Coroutine[Any, Any, Whole]) -> None:
        try:
            whole = await work
        except Exception as error:
            whole = self._host.failed(error)
        self._fetching = None
        self._answer(whole)
        self._next()

    def _answer(self, whole: Whole) -> None:
        if whole.close:  # it says so itself
            self.headers = ["Connection: close"]
            self.send(whole.data)
        else:
            self.send(http.closing(whole.data) if self.headers else whole.data)
        self._ended()

    def _refuse(self, unreadable: Unreadable) -> None:
        """Say why nothing more is read, and give the client time to read it before the connection goes."""
        body = json.dumps({"error": {"message": unreadable.reason, "code": unreadable.status}}).encode()
        self._lingering = True
        self.send(http.closing(http.whole(unreadable.status, body, self._host.label)))
        self.headers = ["Connection: close"]
        self._ended()

    def _ended(self) -> None:
        """An answer is whole: close the connection behind it, if that is what it says."""
        if self.headers and self._open:
            self._closing = True
            if not self._unsent:
                self._finish_closing()

    def _finish_closing(self) -> None:
        if not self._lingering:
            self.drop()
            return
        # Closed at once, the client's unread bytes would reset the connection before it has read the answer.
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop()
            return
        self._whole_by_s = time.monotonic() + self._host.bounds.linger_s
        self._host.watch(self)

    # --- an answer in parts

    def _send_parts(self, answer: Parts, *, bodiless: bool) -> None:
        lines = [*answer.headers, *self.headers]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        self.send(http.head(answer.status, answer.media_type, self._host.label, lines))
        if bodiless:
            self._ended()
        else:
            self._parts = answer.parts
            self._loop.call_soon(self._send_part)

    def _send_part(self) -> None:
        """Send the next part, when the one before it has left; then let the loop write the tokens that are due."""
        if not self._open or self._parts is None or self._unsent:
            return
        data = bytearray()
        while len(data) < READ_SIZE and (part := next(self._parts, None)) is not None:
            data += part
        if data:
            self.send(http.chunk(bytes(data)) if self.chunked else bytes(data))
            if not self._unsent:
                self._loop.call_soon(self._send_part)
            return
        self._parts = None
        if self.chunked:
            self.send(http.LAST_CHUNK)
        self._ended()
        self._next()

    # --- the wire

    def finished(self) -> None:
        """The answer is over: handle the next request."""
        self._reply = None
        self._ended()
        self._next()

    def _dropped(self) -> None:
        self._incoming.whole.clear()
        self._parts = None
        if self._fetching is not None:
            self._fetching.cancel()
        if self._reply is not None:
            self._reply.abandon()

    def _flushed(self) -> None:
        if self._closing:
            self._finish_closing()
            return
        self._send_part()
        self._next()

    # --- bounds

    def look(self, now_s: float) -> None:
        """Give up what has taken too long."""
        if self._read_by_s is not None and now_s >= self._read_by_s:
            self.drop()
        elif self._whole_by_s is not None and now_s >= self._whole_by_s:
            if self._lingering:
                self.drop()
                return
            self._whole_by_s = None
            self._incoming.refuse(408, f"the request was not whole within {self._host.bounds.request_s:g} s")
            self._hold()
            self._next()
        elif self._whole_by_s is None and self._read_by_s is None:
            self._host.unwatch(self)

    def _kept(self) -> int:
        return self._incoming.held + len(self._unsent)

    def _wait_for_rest(self) -> None:
        """Read on or not, and set the time for the rest of a request that has begun."""
        if not self._open or self._lingering or self._hung_up:
            return
        incoming = self._incoming
        if len(incoming.whole) >= _WAITING_REQUESTS:
            self._stop_reading()
            self._whole_by_s = None
            return
        if not self._closing:
            self._go_on_reading()
        if not incoming.begun:
            self._whole_by_s = None
            return
        if self._whole_by_s is None:
            self._whole_by_s = time.monotonic() + self._host.bounds.request_s
            self._host.watch(self)
        if not self._busy() and incoming.go_on():
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
