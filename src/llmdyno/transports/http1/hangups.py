"""Notices at once that connections broke, whatever the event loop makes of it.

In: sockets and what to call. Out: a call when a socket has an error or was reset. It reads nothing itself.

An event loop may stop watching a socket when data and a reset arrive together: libuv does. The rest of the data and
the reset would then go unnoticed until the timeout. This module has an epoll instance of its own, which reports only
errors and resets, and the loop watches that instance. Arrivals of data cost nothing here.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable

_READS = 64
"""How many reads one report may cause: the data before a reset comes first."""


class HangUps:
    """The sockets of one client. Where the system has no epoll, it does nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._armed = False

    def watch(self, sock: socket.socket, call: Callable[[], None]) -> None:
        """Call `call` while the socket is broken, until :meth:`forget`."""
        if self._epoll is None or self._epoll.closed:
            return
        if not self._armed:
            self._armed = True
            self._loop.add_reader(self._epoll.fileno(), self._report)
        self._calls[sock.fileno()] = call
        self._epoll.register(sock.fileno(), 0)  # errors and hang-ups are always reported

    def forget(self, sock: socket.socket) -> None:
        """Stop watching a socket, before it is closed."""
        if self._calls.pop(sock.fileno(), None) is not None and self._epoll is not None and not self._epoll.closed:
            self._epoll.unregister(sock.fileno())
            if not self._calls:
                self._disarm()

    def close(self) -> None:
        """Stop watching all sockets."""
        self._calls.clear()
        if self._epoll is not None and not self._epoll.closed:
            self._disarm()
            self._epoll.close()

    def _disarm(self) -> None:
        if self._armed and self._epoll is not None:
            self._armed = False
            self._loop.remove_reader(self._epoll.fileno())

    def _report(self) -> None:
        if self._epoll is None or self._epoll.closed:
            return
        for descriptor, _ in self._epoll.poll(0):
            call = self._calls.get(descriptor)
            for _ in range(_READS):
                if call is None or self._calls.get(descriptor) is not call:
                    break
                call()
