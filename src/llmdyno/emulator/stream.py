"""One request of a client that speaks HTTP/2, and its answer. PURE: it is told the time.

In: a request's head and body in pieces. Out: an answer's head and body, which wait here until the client's flow control
lets them go. Each piece that is sent while the client has room leaves as a frame of its own. Frames are not its
business: an :class:`~llmdyno.emulator.http2.Http2` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Iterator
from typing import Any, Protocol

from llmdyno.emulator import http
from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.http import Request
from llmdyno.emulator.outcome import Outcome, Parts, Whole
from llmdyno.emulator.reply import Reply, Wire

_PART = 65536


class Frames(Protocol):
    """What a stream asks of its connection."""

    def head(self, stream: Stream, headers: list[tuple[str, str]]) -> bool:
        """Write the head of an answer; False: the client has broken it off."""

    def write(self, stream: Stream) -> None:
        """Write what waits in a stream, as far as the client has room for it."""

    def reset(self, stream: Stream) -> None:
        """Break a stream off."""

    def hold(self, count: int) -> None:
        """So many bytes more are held, or fewer."""

    def fetch(self, stream: Stream, work: Coroutine[Any, Any, Whole]) -> None:
        """Have an answer fetched, and given to the stream."""


class Server(Protocol):
    """What a stream asks of the server."""

    label: str
    bounds: Bounds

    def handle(self, request: Request, wire: Wire) -> Outcome:
        """Decide what a request gets."""

    def failed(self, error: Exception) -> Whole:
        """The answer to a request that the emulator could not handle."""

    def admit(self, reply: Reply) -> None:
        """Have the model make the tokens of a reply."""


class Stream:
    """A stream of HTTP/2, as the :class:`~llmdyno.emulator.reply.Wire` of its reply. `whole_by_s` is when its request
    must be whole; None when it is. `waiting` is what could not leave yet; `ended`: nothing follows it. `early`: the
    answer came before the request was whole."""

    def __init__(self, number: int, frames: Frames, server: Server, head: Request, whole_by_s: float) -> None:
        self.number = number
        self.chunked = False  # frames say where a body ends
        self.headers: list[str] = []
        self.whole_by_s: float | None = whole_by_s
        self.waiting = bytearray()
        self.ended = self.early = False
        self._frames = frames
        self._server = server
        self._request = head
        self._body = bytearray()
        self._reply: Reply | None = None
        self._parts: Iterator[bytes] | None = None
        self._begun = self._gone = False

    # --- the request

    def feed(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.whole_by_s is None:
            return  # it is refused already
        if len(self._body) + len(data) > self._server.bounds.body_bytes:
            self.refuse(413, f"the body is longer than {self._server.bounds.body_bytes:,} bytes")
            return
        self._body += data
        self._frames.hold(len(data))

    def whole(self) -> None:
        """The request is whole: answer it."""
        if self.whole_by_s is None:
            return
        self.whole_by_s = None
        request = self._request._replace(body=bytes(self._body))
        self._forget_body()
        try:
            outcome = self._server.handle(request, self)
        except Exception as error:
            outcome = self._server.failed(error)
        if isinstance(outcome, Whole):
            self.answer(outcome)
        elif isinstance(outcome, Parts):
            self._send_parts(outcome)
        elif isinstance(outcome, Reply):
            self._reply = outcome
            self._server.admit(outcome)
        else:
            self._frames.fetch(self, outcome)

    def refuse(self, status: int, reason: str) -> None:
        """Answer a request that is not whole with an error; no more of it is wanted."""
        self.whole_by_s = None
        self.early = True
        self._forget_body()
        body = json.dumps({"error": {"message": reason, "code": status}}).encode()
        self.answer(Whole(http.whole(status, body, self._server.label)))

    def abandon(self) -> None:
        """The client wants it no more, or has left."""
        if self._gone:
            return
        self._gone = True
        self.whole_by_s = None
        self._forget_body()
        self._frames.hold(-len(self.waiting))
        self.waiting.clear()
        self._parts = None
        if self._reply is not None:
            self._reply.abandon()

    def _forget_body(self) -> None:
        self._frames.hold(-len(self._body))
        self._body.clear()

    # --- the answer

    def answer(self, whole: Whole) -> None:
        """Send an answer that is ready."""
        self.ended = True
        self.send(http.without_body(whole.data) if self._request.method == "HEAD" else whole.data)

    def _send_parts(self, answer: Parts) -> None:
        bodiless = self._request.method == "HEAD"
        self.ended = bodiless
        self._parts = None if bodiless else answer.parts
        self.send(http.head(answer.status, answer.media_type, self._server.label, answer.headers))

    def send(self, data: bytes) -> None:
        """Send bytes, after all that were sent before: first the whole head, then the body."""
        if self._gone:
            return
        if not self._begun:
            self._begun = True
            status, fields, data = http.split(data)
            if not self._frames.head(self, [(":status", str(status)), *fields]):
                return
        self.waiting += data
        self._frames.hold(len(data))
        self._frames.write(self)

    def finished(self) -> None:
        """The answer is over."""
        self._reply = None
        self.ended = True
        self._frames.write(self)

    def drop(self) -> None:
        """Break the answer off: the other streams of the connection go on."""
        self._frames.reset(self)

    def more(self) -> bool:
        """Whether there is something to send, now that the client has room; an answer in parts goes on."""
        if not self.waiting and self._parts is not None:
            data = bytearray()
            while len(data) < _PART and (part := next(self._parts, None)) is not None:
                data += part
            self.waiting += data
            self._frames.hold(len(data))
            if not data:
                self._parts = None
                self.ended = True
        return bool(self.waiting) or self.ended

    def take(self, count: int) -> bytes:
        """The next bytes of the body, at most `count`."""
        data = bytes(self.waiting[:count])
        del self.waiting[:count]
        self._frames.hold(-len(data))
        return data
