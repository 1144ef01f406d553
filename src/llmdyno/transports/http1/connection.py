"""One keep-alive HTTP/1.1 connection: it writes a request, stamps every read, and knows when the answer is complete.

In: a connected socket, then one :class:`~llmdyno.transports.exchange.Exchange` at a time. Out: the raw lists of the
exchange, and a future that is done when the answer has ended or failed. Nothing is decoded.

An answer is whole when its body ends. It is also whole if the body stays open or breaks after the stream's own end
mark, or after one JSON document where a stream was asked for. Bytes after a whole answer belong to nobody: they end the
connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from llmdyno.protocols.events import BROKEN_STREAM, HTTP_STATUS, MALFORMED_EVENT, Failure
from llmdyno.timeline.record import TIMEOUT
from llmdyno.transports.clock import NO_STAMP, enable_kernel_stamps, monotonic_ns
from llmdyno.transports.encoding import decode_pieces
from llmdyno.transports.exchange import Exchange
from llmdyno.transports.http1.answer import PARSER_ERRORS, Answers
from llmdyno.transports.http1.ending import BODY_LIMIT, NO_MARK, holds_end, is_json
from llmdyno.transports.http1.hangups import HangUps
from llmdyno.transports.http1.tls import TlsLayer

_READ_SIZE = 16384
_LOOKS = 50  # a stream that goes on and on is looked at in every fiftieth check,
_MANY = 1000  # and sooner after more reads than this since the last check
_QUIET_CHECKS = 5  # how many quiet checks end an error whose body stays open
_AT_ONCE_NS = 50_000_000  # a kept connection that the server had closed says so within this time and a round trip
_EVENTS = b"text/event-stream"
_CONTROL_SIZE = socket.CMSG_SPACE(16) if hasattr(socket, "CMSG_SPACE") else 0


class Connection:
    """A connection that performs one exchange at a time. An idle connection keeps its reader armed.

    `closed` becomes true as soon as the connection is known to be closed, also while it is idle. `wrote`: a byte of the
    last request was written. `at_once_ns`: news within this time after a send cannot be an answer to it.

    Args:
        loop: the running loop.
        sock: a connected socket.
        tls: encrypts the connection; None: it is plain.
        hangups: reports resets that the loop does not.
        end_mark: how the data of a stream's last event begins; empty: streams have no end mark.
        round_trip_ns: how long connecting took. News of the other side take this long.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        tls: TlsLayer | None,
        hangups: HangUps,
        end_mark: bytes,
        round_trip_ns: int = 0,
    ) -> None:
        self.closed = False
        self.wrote = False
        self._loop = loop
        self._sock = sock
        self._tls = tls
        self._hangups = hangups
        self._end_mark = end_mark or NO_MARK
        self.at_once_ns = _AT_ONCE_NS + round_trip_ns
        enable_kernel_stamps(sock)
        self._recvmsg = sock.recvmsg
        self._exchange: Exchange | None = None
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = b""
        self._answers = Answers()
        self._pieces = self._answers.pieces
        self._checks = self._seen = 0
        read = self._read if tls is None else self._read_tls
        loop.add_reader(sock.fileno(), read)
        hangups.watch(sock, read)

    def ready(self) -> bool:
        """Whether an idle connection can take a request: the server has neither closed it nor sent bytes to nobody."""
        while not self.closed:
            try:
                self._sock.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return True
            except OSError:
                self.close()
                break
            (self._read if self._tls is None else self._read_tls)()
        return False

    def perform(self, exchange: Exchange, wire: bytes, left_s: float, timeout_s: float) -> asyncio.Future[None]:
        """Write an exchange's request. The future is done when the answer has ended or failed.

        A server may close a kept connection at the very moment of the send. Then the connection is closed, and the
        exchange has neither a failure nor reads. The caller may try another connection. If the server closes it later,
        it may have worked on the request: that is a failure.

        Args:
            exchange: gets the raw facts.
            wire: the request's bytes.
            left_s: how much of the timeout is left.
            timeout_s: the whole timeout, for the error message.
        """
        self._exchange = exchange
        self._done = done = self._loop.create_future()
        self._answers.begin(exchange)
        self.wrote = False
        self._checks = self._seen = 0
        if self._tls is not None:
            wire = self._tls.encrypt(wire)
        self._timer = self._loop.call_later(left_s, self._expire, timeout_s)
        exchange.sent_ns = monotonic_ns()
        if self.closed:
            what = "the server closed the new connection, or sent bytes on it, before the request"
            self.abort(Failure(BROKEN_STREAM, None, what))
        else:
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
            self._hangups.forget(self._sock)
            self._sock.close()
        self._settle()

    # --- writing

    def _write(self, wire: bytes) -> None:
        try:
            sent = self._sock.send(wire)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._refused(error)
            return
        self.wrote = self.wrote or sent > 0
        if sent < len(wire):
            self._unsent = wire[sent:]
            self._loop.add_writer(self._sock.fileno(), self._write_rest)

    def _refused(self, error: OSError) -> None:
        """Handle a write that failed. A server that refuses a long request answers before it has read all of it."""
        while not self.closed and self._exchange is not None:
            try:
                arrived = self._sock.recv(1, socket.MSG_PEEK)
            except OSError:
                arrived = b""
            if not arrived:
                self._lost(error)
                return
            (self._read if self._tls is None else self._read_tls)()

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
        exchange, answers = self._exchange, self._answers
        if not data or exchange is None:
            self._lost(None)
            return
        exchange.reads.append(monotonic_ns())
        exchange.stamps.append(control[0][2] if control else NO_STAMP)
        try:
            answers.feed(data)
        except PARSER_ERRORS as error:
            self._unreadable(error)
            return
        exchange.marks.append(len(answers.pieces))
        if answers.whole is not None:
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
                self._answers.feed(plain)
            except PARSER_ERRORS as error:
                self._unreadable(error)
                return
            exchange.marks.append(len(self._pieces))
        if self._answers.whole is not None:
            self._finish()
        elif self._tls.ended:
            self._lost(None)

    # --- ends

    def _finish(self) -> None:
        if not self._answers.reusable or self._unsent:
            self.close()
        else:
            self._settle()

    def _settle(self) -> None:
        """Give the exchange its bytes and end it."""
        exchange, done = self._exchange, self._done
        if exchange is None or done is None:
            return
        self._exchange = self._done = None
        exchange.pieces = self._answers.take()
        size = len(exchange.pieces)
        del exchange.marks[len(exchange.reads) - 1 :]  # pieces of a further answer may have come with the last read
        exchange.marks.extend(size for _ in range(len(exchange.reads) - len(exchange.marks)))
        if self._timer is not None:
            self._timer.cancel()
        if not done.done():
            done.set_result(None)

    def _lost(self, error: OSError | None) -> None:
        """Handle a connection that the server closed or that broke."""
        exchange = self._exchange
        if exchange is None or self._ended():
            self.close()  # nobody waits, or the answer had ended
            return
        waited_ns = monotonic_ns() - (exchange.sent_ns or 0)
        if exchange.reused and not exchange.reads and waited_ns <= self.at_once_ns:
            self.close()  # the server had closed it before it could read the request: the caller sees a dead connection
            return
        if error is None and exchange.status is not None and not self._answers.framed:
            self.close()  # a body without length or chunks ends with the connection
            return
        reason = f": {error.strerror or error}" if error is not None else ""
        if exchange.reads:
            message = f"the connection ended before the answer was whole{reason}"
        elif exchange.reused:
            message = f"the server closed the kept connection {waited_ns / 1e9:.3g} s after the send, without an answer"
        else:
            message = f"the connection ended before any byte of an answer{reason}"
        self.abort(Failure(BROKEN_STREAM, None, message))

    def _unreadable(self, error: Exception) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.status == 101:
            self.abort(Failure(HTTP_STATUS, 101, "the server switched to another protocol, which nobody asked for"))
        elif self._answers.whole is not None or self._ended():
            self.close()  # the answer is complete; the bytes after it belong to no request
        elif exchange is not None and not exchange.marks and not exchange.status:
            self.abort(Failure(MALFORMED_EVENT, None, f"the answer is not HTTP/1.1: {error}"))
        else:
            self.abort(Failure(BROKEN_STREAM, None, f"the answer's HTTP framing broke: {error}"))

    # --- checks besides the hot path

    def check(self) -> None:
        """End an exchange whose answer is whole although its body stays open, or is too large.

        The caller calls this every 0.2 s. A body that was quiet since the last call, and that holds the end mark or is
        one JSON document, gets no further byte that counts.
        """
        exchange = self._exchange
        if exchange is None:
            return
        seen, self._seen = self._seen, len(exchange.reads)
        if seen != self._seen:
            self._checks = max(0, self._checks) + 1
            if self._checks % _LOOKS and self._seen - seen <= _MANY:
                return
            look = True
        else:  # quiet: look once
            look, self._checks = self._checks >= 0, min(self._checks, 0) - 1
        if self._checks <= -_QUIET_CHECKS and exchange.status is not None and exchange.status >= 300:
            self.close()  # an error whose body does not end: what it says is known
            return
        if not look or not self._pieces:
            return
        if self._ended():
            self.close()  # a connection whose body stays open is of no further use
        elif self._seen * _READ_SIZE > BODY_LIMIT and sum(map(len, self._pieces)) > BODY_LIMIT:
            self.abort(Failure(MALFORMED_EVENT, None, f"the answer is larger than {BODY_LIMIT >> 20} MiB"))

    def _ended(self) -> bool:
        """Whether what came of the body says that nothing more comes: it holds the stream's own end mark, or is one
        JSON document."""
        exchange = self._exchange
        if exchange is None or not self._pieces:
            return False
        encoding = exchange.headers.get(b"content-encoding")
        pieces = self._pieces if encoding is None else decode_pieces(encoding, self._pieces)[0]
        if holds_end(pieces, self._end_mark):
            return True
        if self._end_mark is NO_MARK:
            return False  # nothing is known about streams of this kind
        return is_json(pieces, stream=_EVENTS in exchange.headers.get(b"content-type", b"").lower())

    def _expire(self, timeout_s: float) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if self._ended():
            self.close()
            return
        what = "no byte of an answer" if not exchange.reads else "the answer was not whole"
        self.abort(Failure(TIMEOUT, None, f"{what} within {timeout_s:g} s"))
