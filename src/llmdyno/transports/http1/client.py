"""The client of one origin: it resolves the host, connects, keeps idle connections and performs exchanges.

In: an origin and exchanges. Out: ended exchanges. A failure is a fact in the exchange, never an exception. The pool is
a stack of idle connections. Taking one and returning one cost the same for any size of the stack, and the connection
that was used last is used first.

A request is written again in two cases only, and the exchange says so: the server closed a kept connection at the very
moment of the send, or it asks for another path or another body (:mod:`~llmdyno.transports.http1.asked`).
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.protocols.events import Failure
from llmdyno.timeline.record import CONNECT, TIMEOUT, TLS
from llmdyno.transports.clock import monotonic_ns
from llmdyno.transports.exchange import Exchange
from llmdyno.transports.http1.asked import Asked
from llmdyno.transports.http1.connection import Connection
from llmdyno.transports.http1.hangups import HangUps
from llmdyno.transports.http1.proxy import Proxy
from llmdyno.transports.http1.tls import TlsLayer, make_context
from llmdyno.transports.http1.wire import Origin, serialise

_CHECK_S = 0.2  # how often the exchanges in flight are checked for streams that ended without their body
_RETRY_S = 0.005  # how long to wait for a place in the queue of a Unix socket


class Client:
    """Connections to one origin. `sign` signs the requests that are unsigned.

    `asked`: what the server asked of requests. Later requests are sent so at once.

    Args:
        origin: the server.
        loop: the running loop.
        sign: signs a request; None: requests are sent as they are.
        tls: for an https origin (default: verify the server with the system's authorities).
        proxy: connect to it in place of the server.
        end_mark: how the data of a stream's last event begins; empty: streams have no end mark.
        unix_socket: connect to the socket at this path in place of the server's host.
        adapts: change fields of the body as the server asks.
    """

    def __init__(
        self,
        origin: Origin,
        loop: asyncio.AbstractEventLoop,
        sign: Callable[[HttpRequest], HttpRequest] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
        end_mark: bytes = b"",
        unix_socket: str | None = None,
        adapts: bool = False,
    ) -> None:
        self.asked = Asked(origin, adapts=adapts)
        self._unix_socket = unix_socket
        self._end_mark = end_mark
        self._checker: asyncio.TimerHandle | None = None
        self._hangups = HangUps(loop)
        self._sign = sign
        self._proxy = proxy
        self._origin = origin
        self._loop = loop
        self._idle: list[Connection] = []
        self._busy: dict[Exchange, Connection | asyncio.Task[Connection | None] | None] = {}
        self._addresses: list[tuple[socket.AddressFamily, Any]] = []
        self._tls = (tls or make_context()) if origin.scheme == "https" else None

    @property
    def stamped(self) -> bool:
        """Whether the kernel can stamp what arrives."""
        return self._unix_socket is None

    @property
    def _peer(self) -> str:
        return self._origin.authority if self._unix_socket is None else f"the Unix socket {self._unix_socket}"

    @property
    def in_flight(self) -> list[Exchange]:
        """The exchanges that are being performed now."""
        return list(self._busy)

    async def resolve(self) -> None:
        """Look up the addresses of the host, or of the proxy if there is one. A Unix socket is its own address. Call it
        once.

        Raises:
            OSError: the host has no address.
        """
        if self._unix_socket is not None:
            self._addresses = [(socket.AF_UNIX, self._unix_socket)]
            return
        peer = self._proxy or self._origin
        found = await self._loop.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
        self._addresses = [(family, address) for family, _, _, _, address in found]

    async def perform(self, exchange: Exchange, timeout_s: float) -> None:
        """Send an exchange's request, and wait until its answer has ended. The timeout includes connecting."""
        deadline_ns = monotonic_ns() + int(timeout_s * 1e9)
        self._busy[exchange] = None
        if self._checker is None:
            self._checker = self._loop.call_later(_CHECK_S, self._check)
        try:
            while True:
                connection = self._take(exchange)
                if connection is None:
                    connection = await self._open(exchange, deadline_ns, timeout_s)
                    if connection is None:
                        return
                    exchange.reused = False
                else:
                    exchange.reused = True
                self._busy[exchange] = connection
                wire = self._sealed(exchange)
                left_s = max(1e-3, (deadline_ns - monotonic_ns()) / 1e9)
                await connection.perform(exchange, wire, left_s, timeout_s)
                if not connection.closed:
                    self._idle.append(connection)
                if not self._again(exchange, connection, wire):
                    return
        except asyncio.CancelledError:  # nobody waits for the answer any more, so the connection is of no use
            holder = self._busy[exchange]
            exchange.cancelled = True
            if isinstance(holder, Connection):
                holder.abort(None)
            exchange.end_ns = exchange.end_ns or monotonic_ns()
            raise
        finally:
            del self._busy[exchange]

    def cancel_all(self) -> None:
        """Cancel every exchange in flight."""
        for exchange, holder in list(self._busy.items()):
            exchange.cancelled = True
            if isinstance(holder, Connection):
                holder.abort(None)
            elif holder is not None:
                holder.cancel()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        self._hangups.close()
        if self._checker is not None:
            self._checker.cancel()

    def _check(self) -> None:
        """Check the exchanges in flight. One timer serves them all, so that no read pays for it."""
        for holder in self._busy.values():
            if isinstance(holder, Connection):
                holder.check()
        self._checker = self._loop.call_later(_CHECK_S, self._check) if self._busy else None

    def _again(self, exchange: Exchange, connection: Connection, wire: bytes) -> bool:
        """Whether the request is to be written again. The exchange then says why."""
        if exchange.failure is not None or exchange.cancelled:
            return False
        if exchange.reused and connection.closed and not exchange.reads:
            exchange.reconnects += 1
            if connection.wrote:
                waited_ms = (monotonic_ns() - (exchange.sent_ns or 0)) / 1e6
                exchange.begin_again(
                    f"the server closed the kept connection {waited_ms:.1f} ms after the send, without an answer",
                    resent=True,
                )
            return True
        if _was_idle_timeout(exchange, connection):
            exchange.begin_again("the server sent a 408 for the idle connection at the moment of the send", resent=True)
            return True
        return self.asked.again(exchange, wire)

    def _sealed(self, exchange: Exchange) -> bytes:
        """The request's bytes. An unsigned request is signed now, so that its signature is fresh."""
        unsigned = exchange.prepared.payload.unsigned
        if unsigned is None:
            return self.asked.applied(exchange.prepared.payload.wire)
        began_ns = monotonic_ns()
        wire = self.serialise(self._sign(unsigned) if self._sign is not None else unsigned)
        exchange.sign_ns = monotonic_ns() - began_ns
        return wire

    def serialise(self, request: HttpRequest) -> bytes:
        """The bytes of a request to the origin, directly or through the proxy."""
        plain_proxy = self._proxy is not None and self._origin.scheme == "http"
        return serialise(self._origin, request, self._proxy.headers() if plain_proxy and self._proxy else None)

    def _take(self, exchange: Exchange) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            if connection.ready():
                return connection
            exchange.reconnects += 1
        return None

    async def _open(self, exchange: Exchange, deadline_ns: int, timeout_s: float) -> Connection | None:
        """Open a connection. Returns None if that fails; the exchange then holds the failure."""
        if exchange.cancelled:
            exchange.end_ns = monotonic_ns()
            return None
        exchange.connect_start_ns = exchange.connect_start_ns or monotonic_ns()
        task = asyncio.ensure_future(self._connect(exchange))
        self._busy[exchange] = task
        try:
            remaining_s = max(1e-3, (deadline_ns - monotonic_ns()) / 1e9)
            return await asyncio.wait_for(task, remaining_s)
        except TimeoutError:
            what = "no connection to" if exchange.connected_ns is None else "no TLS with"
            exchange.failure = Failure(TIMEOUT, None, f"{what} {self._peer} within {timeout_s:g} s")
        except asyncio.CancelledError:
            if not exchange.cancelled:
                raise  # the whole run was cancelled
        except ssl.SSLError as error:
            exchange.failure = Failure(TLS, None, tls_text(error, self._origin))
        except OSError as error:
            kind = CONNECT if exchange.connected_ns is None else TLS
            exchange.failure = Failure(kind, None, connect_text(error, self._origin, self._unix_socket))
        exchange.end_ns = monotonic_ns()
        return None

    async def _tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        """Ask the proxy for a tunnel to the origin (RFC 9110, CONNECT).

        Raises:
            OSError: the proxy refuses.
        """
        there = f"{self._origin.host}:{self._origin.port}"
        lines = [f"CONNECT {there} HTTP/1.1", f"Host: {there}", *(f"{k}: {v}" for k, v in proxy.headers().items())]
        await self._loop.sock_sendall(sock, "\r\n".join(lines).encode() + b"\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = await self._loop.sock_recv(sock, 4096)
            if not data or len(answer) > 65536:
                raise ConnectionRefusedError(f"the proxy {proxy.authority} ended the connection")
            answer += data
        status = answer.split(b"\r\n", 1)[0].decode("latin-1")
        if status.split(" ")[1:2] != ["200"]:
            raise ConnectionRefusedError(f"the proxy {proxy.authority} answered {status!r}")

    async def _reach(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket.

        Raises:
            OSError: nobody listens there.
        """
        if self._unix_socket is None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(sock, address)
            return
        while True:  # such a socket connects at once; if the server's queue is full, event loops take it for connected
            try:
                sock.connect(address)
            except (BlockingIOError, InterruptedError):
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _connect(self, exchange: Exchange) -> Connection:
        error: OSError | None = None
        for index, (family, address) in enumerate(self._addresses):
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                began_ns = monotonic_ns()
                await self._reach(sock, address)
                if self._proxy is not None and self._tls is not None:
                    await self._tunnel(sock, self._proxy)
                exchange.connected_ns = monotonic_ns()
                round_trip_ns = exchange.connected_ns - began_ns
                if index:  # the next connection tries the address that answered first
                    self._addresses.insert(0, self._addresses.pop(index))
                tls = None
                if self._tls is not None:
                    tls = TlsLayer(self._tls, self._origin.host)
                    await tls.handshake(self._loop, sock)
                    exchange.tls_ns = monotonic_ns()
                return Connection(self._loop, sock, tls, self._hangups, self._end_mark, round_trip_ns)
            except ssl.SSLError:
                sock.close()
                raise
            except OSError as failed:
                sock.close()
                error = failed
                if exchange.connected_ns is not None:
                    break
            except BaseException:
                sock.close()
                raise
        raise error or OSError("the host has no address")


def _was_idle_timeout(exchange: Exchange, connection: Connection) -> bool:
    """Whether the answer is a 408 that a server sends on a kept connection before it closes it (RFC 9110, 15.5.9)."""
    if exchange.status != 408 or not exchange.reused or not connection.closed or not exchange.reads:
        return False
    return exchange.reads[0] - (exchange.sent_ns or 0) <= connection.at_once_ns


def connect_text(error: OSError, origin: Origin, unix_socket: str | None = None) -> str:
    """Why the connection failed, as text for the user."""
    if isinstance(error, socket.gaierror):
        return f"cannot look up {origin.host}: {error.strerror or error}"
    reason = os.strerror(error.errno) if error.errno else str(error)  # asyncio's text repeats the address
    where = f"{origin.host} port {origin.port}" if unix_socket is None else f"the Unix socket {unix_socket}"
    return f"cannot connect to {where}: {reason[:1].lower() + reason[1:]}"


def tls_text(error: ssl.SSLError, origin: Origin) -> str:
    """Why TLS failed, as text for the user."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS with {origin.authority} failed: the certificate does not verify ({error.verify_message})"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"TLS with {origin.authority} failed: {reason}"
