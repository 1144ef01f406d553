"""One client's socket: bytes in to whoever speaks HTTP over it, bytes out in order, both within bounds.

In: bytes to send, sent at once if the socket takes them. Out: bytes read. It knows no requests: a
:class:`~llmdyno.emulator.connection.Connection` speaks HTTP/1.1 over it, an :class:`~llmdyno.emulator.http2.Http2`
HTTP/2.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from llmdyno.emulator.bounds import Bounds, Room
from llmdyno.emulator.http import Request
from llmdyno.emulator.outcome import Outcome, Whole
from llmdyno.emulator.reply import Reply, Wire

READ_SIZE = 65536


class Host(Protocol):
    """What a connection asks of the server."""

    label: str
    bounds: Bounds
    room: Room

    def handle(self, request: Request, wire: Wire) -> Outcome:
        """Decide what a request gets."""

    def failed(self, error: Exception) -> Whole:
        """The answer to a request that the emulator could not handle."""

    def admit(self, reply: Reply) -> None:
        """Have the model make the tokens of a reply."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest; hold a reference until it is done."""

    def watch(self, link: Link) -> None:
        """Call the link's `look` now and then, until `unwatch`."""

    def unwatch(self, link: Link) -> None:
        """The link waits for nothing."""

    def forget(self, link: Link) -> None:
        """A link is gone."""

    def speak_http2(self, sock: socket.socket, data: bytes) -> bool:
        """Go on in HTTP/2 on a socket that sent `data` first; False: this emulator cannot."""


class Link:
    """A client's socket. `idle_since_s` is when it had nothing more to do (monotonic); None while it has."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.idle_since_s: float | None = time.monotonic()
        self._host = host
        self._loop = loop
        self._sock = sock
        self._open = self._reading = True
        self._unsent = bytearray()
        self._held = 0
        self._read_by_s: float | None = None  # when the client must have read some of what is unsent
        loop.add_reader(sock.fileno(), self._read)

    # --- what a protocol does with it

    def _receive(self, data: bytes) -> None:
        """Take what the client sent."""
        raise NotImplementedError

    def _hang_up(self) -> None:
        """The client sends nothing more."""
        raise NotImplementedError

    def _flushed(self) -> None:
        """Everything that was unsent has left."""
        raise NotImplementedError

    def _kept(self) -> int:
        """How many bytes are held, the unsent ones among them."""
        raise NotImplementedError

    def _dropped(self) -> None:
        """The socket is closed: give up what is under way."""
        raise NotImplementedError

    def look(self, now_s: float) -> None:
        """Give up what has taken too long."""
        raise NotImplementedError

    # --- the socket

    def _read(self) -> None:
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.drop()
            return
        if data:
            self._receive(data)
        else:
            self._hang_up()

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
            self._read_by_s = time.monotonic() + self._host.bounds.unread_s
            self._host.watch(self)
        self._unsent += data
        if not self._hold():
            self.drop()  # a client that does not read

    def drop(self) -> None:
        """Close the connection; what is under way is given up."""
        if not self._open:
            return
        self._open = False
        self._stop_reading()
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._host.room.take(-self._held)
        self._unsent.clear()
        self._dropped()
        self._host.unwatch(self)
        self._host.forget(self)

    def _flush(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.drop()
            return
        self._hold()
        self._read_by_s = time.monotonic() + self._host.bounds.unread_s
        if self._unsent:
            return
        self._loop.remove_writer(self._sock.fileno())
        self._read_by_s = None
        self._flushed()

    def _hold(self) -> bool:
        """Tell the host what is held now; False: there is no room for it."""
        held = self._kept()
        if held != self._held:
            if not self._host.room.take(held - self._held):
                return False
            self._held = held
        return True

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._sock.fileno())

    def _go_on_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._sock.fileno(), self._read)
