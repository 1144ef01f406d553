"""One keep-alive HTTP/1.1 connection: it writes a request, stamps every read, and knows when the answer is complete.

In: a connected socket, then one :class:`~llmdyno.transports.exchange.Exchange` at a time. Out: the raw lists of the
exchange, and a future that is done when the answer has ended or failed. The HTTP parser is llhttp, through httptools.
It gives pieces of the body directly to a list's append. Nothing is decoded.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

import httptools

from llmdyno.protocols.events import BROKEN_STREAM, MALFORMED_EVENT, Failure
from llmdyno.timeline.record import TIMEOUT
from llmdyno.transports.clock import NO_STAMP, enable_kernel_stamps, monotonic_ns
from llmdyno.transports.exchange import Exchange

_READ_SIZE = 16384
_CONTROL_SIZE = socket.CMSG_SPACE(16) if hasattr(socket, "CMSG_SPACE") else 0


class Connection:
    """A connection that performs one exchange at a time. An idle connection keeps its reader armed.

    `closed` becomes true as soon as the connection is known to be closed, also while it is idle.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, tls: TlsLayer | None) -> None:
        self.closed = False
        self._loop = loop
        self._sock = sock
        self._tls = tls
        enable_kernel_stamps(sock)
        self._recvmsg = sock.recvmsg
        self._exchange: Exchange | None = None
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = b""
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append  # the parser calls the list itself
        self._complete = False
        self._framed = False
        self._reusable = False
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        loop.add_reader(sock.fileno(), self._read if tls is None else self._read_tls)

    def perform(self, exchange: Exchange, wire: bytes, left_s: float, timeout_s: float) -> asyncio.Future[None]:
        """Write an exchange's request. The future is done when the answer has ended or failed.

        A reused connection may turn out to be dead before any byte of an answer. Then the connection is closed, and the
        exchange has neither a failure nor reads. The caller may try another connection.

        Args:
            exchange: gets the raw facts.
            wire: the request's bytes.
            left_s: how much of the timeout is left.
            timeout_s: the whole timeout, for the error message.
        """
        self._exchange = exchange
        self._done = done = self._loop.create_future()
        self._complete = self._framed = False
        if self._tls is not None:
            wire = self._tls.encrypt(wire)
        self._timer = self._loop.call_later(left_s, self._expire, timeout_s)
        exchange.sent_ns = monotonic_ns()
        self._write(wire)
        return done

    def abort(self, failure: Failure | None) -> None:
        """End the current exchange with this failure (None: it was cancelled), and close the connection."""
        exchange = self._exchange
        if exchange is not None:
            exchange.failure = failure
            exchange.cancelled = failure is None
            exchange.end_ns = monotonic_ns()
        self.close()

    def close(self) -> None:
        """Close the socket. The current exchange ends with what it has."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._sock.fileno())
            if self._unsent:
                self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
        self._settle()

    # --- writing

    def _write(self, wire: bytes) -> None:
        try:
            sent = self._sock.send(wire)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._lost(error)
            return
        if sent < len(wire):
            self._unsent = wire[sent:]
            self._loop.add_writer(self._sock.fileno(), self._write_rest)

    def _write_rest(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        wire, self._unsent = self._unsent, b""
        self._write(wire)

    # --- reading: the hot path. Plain and TLS repeat code, because one more call costs 0.2 µs for each chunk

    def _read(self) -> None:
        try:
            data, control, _, _ = self._recvmsg(_READ_SIZE, _CONTROL_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        exchange = self._exchange
        if not data or exchange is None:
            self._lost(None)
            return
        exchange.reads.append(monotonic_ns())
        exchange.stamps.append(control[0][2] if control else NO_STAMP)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._unreadable(error)
            return
        exchange.marks.append(len(self._pieces))
        if self._complete:
            self._finish()

    def _read_tls(self) -> None:
        try:
            data, control, _, _ = self._recvmsg(_READ_SIZE, _CONTROL_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        read_ns = monotonic_ns()
        assert self._tls is not None
        try:
            plain = self._tls.decrypt(data)
        except ssl.SSLError as error:
            self._lost(error)
            return
        exchange = self._exchange
        if exchange is None:
            if plain or self._tls.ended:
                self._lost(None)
            return
        if plain:  # a record without content, such as a session ticket, is not an arrival
            exchange.reads.append(read_ns)
            exchange.stamps.append(control[0][2] if control else NO_STAMP)
            try:
                self._feed(plain)
            except httptools.HttpParserError as error:
                self._unreadable(error)
                return
            exchange.marks.append(len(self._pieces))
        if self._complete:
            self._finish()
        elif self._tls.ended:
            self._lost(None)

    # --- the parser's calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, with its name in lower case."""
        if self._exchange is not None:
            self._exchange.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Note the status, and whether the headers tell where the body ends."""
        exchange = self._exchange
        if exchange is not None:
            exchange.status = self._parser.get_status_code()
            headers = exchange.headers
            self._framed = b"content-length" in headers or b"chunked" in headers.get(b"transfer-encoding", b"").lower()

    def on_message_complete(self) -> None:
        """Note that the answer is complete. An interim answer (1xx) does not count."""
        exchange = self._exchange
        if exchange is not None and exchange.status is not None and exchange.status < 200:
            exchange.headers.clear()
            exchange.status = None
            return
        self._complete = True
        self._reusable = self._parser.should_keep_alive()  # later, the parser would answer for the next message

    # --- ends

    def _finish(self) -> None:
        if not self._reusable or self._unsent:
            self.close()
        else:
            self._settle()

    def _settle(self) -> None:
        """Give the exchange its bytes and end it."""
        exchange, done = self._exchange, self._done
        if exchange is None or done is None:
            return
        self._exchange = self._done = None
        exchange.pieces = self._pieces[:]
        self._pieces.clear()
        exchange.marks.extend(len(exchange.pieces) for _ in range(len(exchange.reads) - len(exchange.marks)))
        if self._timer is not None:
            self._timer.cancel()
        if not done.done():
            done.set_result(None)

    def _lost(self, error: OSError | None) -> None:
        """Handle a connection that the server closed or that broke."""
        exchange = self._exchange
        if exchange is None or (exchange.reused and not exchange.reads):
            self.close()  # there was no answer: the caller sees a dead connection
            return
        if error is None and exchange.status is not None and not self._framed:
            self.close()  # a body without length or chunks ends with the connection
            return
        reason = f": {error.strerror or error}" if error is not None else ""
        if exchange.reads:
            message = f"the connection ended before the answer was whole{reason}"
        else:
            message = f"the connection ended before any byte of an answer{reason}"
        self.abort(Failure(BROKEN_STREAM, None, message))

    def _unreadable(self, error: Exception) -> None:
        exchange = self._exchange
        if self._complete:
            self.close()  # the answer is complete; the bytes after it belong to no request
        elif exchange is not None and not exchange.marks and not exchange.status:
            self.abort(Failure(MALFORMED_EVENT, None, f"the answer is not HTTP/1.1: {error}"))
        else:
            self.abort(Failure(BROKEN_STREAM, None, f"the answer's HTTP framing broke: {error}"))

    def _expire(self, timeout_s: float) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        what = "no byte of an answer" if not exchange.reads else "the answer was not whole"
        self.abort(Failure(TIMEOUT, None, f"{what} within {timeout_s:g} s"))


class TlsLayer:
    """TLS over memory buffers. The socket stays ours, so that every read can be stamped."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self.ended = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def handshake(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Shake hands over a connected socket.

        Raises:
            ssl.SSLError: the certificate does not verify, or the two sides have no protocol in common.
            OSError: the connection broke.
        """
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(loop, sock)
                data = await loop.sock_recv(sock, _READ_SIZE)
                if not data:
                    raise ConnectionResetError("the server closed the connection during the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                await self._flush(loop, sock)  # the alert that tells the server why
                raise
            else:
                await self._flush(loop, sock)
                return

    def encrypt(self, plain: bytes) -> bytes:
        """Encrypt these bytes to TLS records."""
        self._object.write(plain)
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt the TLS records that these bytes complete. `ended` becomes true at the end of the stream."""
        if data:
            self._incoming.write(data)
        else:
            self.ended = True
        plain = []
        try:
            while piece := self._object.read(_READ_SIZE):
                plain.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        return b"".join(plain)

    async def _flush(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        if data := self._outgoing.read():
            await loop.sock_sendall(sock, data)
