"""The emulator's open door: it accepts connections, as many as the system's limit of open files allows.

In: an address. Out: connections, which it keeps and looks after. At the limit it stops accepting, so that it does not
spin, and says so once. Clients then wait in the system's backlog. It accepts again when a connection closes; those
that have been idle for as long as a request may take are closed to make room.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable

from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.connection import Connection
from llmdyno.emulator.link import Host, Link

_BACKLOG = 4096
_LOOK_S = 1.0
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """A listening socket and the connections that came through it. `tell` hears of the limit."""

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, bounds: Bounds, tell: Callable[[str], None]
    ) -> None:
        self._host = host
        self._loop = loop
        self._bounds = bounds
        self._tell = tell
        self._told = self._told_http2 = self._full = False
        self._connections: set[Link] = set()
        self._watched: set[Link] = set()
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: the address or the port is not available.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._accept)
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._timer is not None:
            self._timer.cancel()
        self._full = False
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for one in list(self._connections):
            one.drop()

    def watch(self, link: Link) -> None:
        """Have a connection look now and then whether it has waited too long."""
        self._watched.add(link)
        self._set_timer()

    def unwatch(self, link: Link) -> None:
        """A connection waits for nothing."""
        self._watched.discard(link)

    def forget(self, link: Link) -> None:
        """A connection is gone: there is room for another one."""
        self._connections.discard(link)
        if self._full:
            self._full = False
            self._loop.add_reader(self._socket.fileno(), self._accept)

    def speak_http2(self, sock: socket.socket, data: bytes) -> bool:
        """Go on in HTTP/2 on a socket that sent `data` first; False: the package for it is not installed."""
        try:
            from llmdyno.emulator.http2 import Http2
        except ModuleNotFoundError:
            if not self._told_http2:
                self._told_http2 = True
                self._tell("a client speaks HTTP/2, which needs the package h2: pip install 'llmdyno[emulator]'")
            return False
        link = Http2(self._host, self._loop, sock)
        self._connections.add(link)
        link.begin(data)
        return True

    def _accept(self) -> None:
        most = self._bounds.connections
        while most is None or len(self._connections) < most:
            try:
                sock, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    break
                continue  # this client has left already
            sock.setblocking(False)
            with contextlib.suppress(OSError):  # some systems refuse it when the client has left already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(Connection(self._host, self._loop, sock))
        self._wait_for_room()

    def _wait_for_room(self) -> None:
        """Accept nothing until a connection closes. A listener at its limit would stay readable and spin."""
        self._full = True
        self._loop.remove_reader(self._socket.fileno())
        self._set_timer()
        if not self._told:
            self._told = True
            self._tell(
                f"at the limit of open files with {len(self._connections):,} connections: further clients wait until "
                "one closes; raise the hard limit (ulimit -Hn) to serve more"
            )

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(min(_LOOK_S, self._bounds.request_s / 2), self._look)

    def _look(self) -> None:
        self._timer = None
        now_s = time.monotonic()
        for one in list(self._watched):
            one.look(now_s)
        if self._full:
            before_s = now_s - self._bounds.request_s
            idle = [one for one in self._connections if one.idle_since_s is not None and one.idle_since_s < before_s]
            for one in idle:
                one.drop()
        if self._full:  # the files may have gone elsewhere, and come back without a word
            self._full = False
            self._loop.add_reader(self._socket.fileno(), self._accept)
            self._set_timer()
        if self._watched:
            self._set_timer()
