"""HTTP/2 as the emulator speaks it, over TCP without TLS, to a client that begins with it (prior knowledge, RFC 9113).

In: bytes from a socket. Out: frames; each piece of an answer leaves in a frame of its own, at once, if the client has
room for it. The package h2 knows the protocol; streams know the requests. What HTTP/2 bounds itself (frames, header
lists, streams at once) is set from the emulator's bounds. A client that breaks the protocol gets GOAWAY, and the
connection ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error

from llmdyno.emulator.http2_rules import Lengths, Protocol, read_head
from llmdyno.emulator.link import Host, Link
from llmdyno.emulator.outcome import Whole
from llmdyno.emulator.stream import Stream

_FULL = "the emulator holds as many bytes of requests as it may; try again later"
_ROUNDS = 16
"""So many frames of a stream are written before the tokens that are due get their turn."""


class Http2(Link):
    """A connection that speaks HTTP/2. Its streams write through it."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._protocol = Protocol(host.bounds)
        self._lengths = Lengths()
        self._streams: dict[int, Stream] = {}
        self._fetching: dict[int, asyncio.Task[None]] = {}
        self._stream_bytes = 0
        self._leaving = self._lingering = False
        self._room_by_s: float | None = None  # when the client must have made room for what waits in streams
        self._gone_by_s = 0.0  # when a client that broke the protocol must have read why
        self._on: dict[type[Event], Callable[[Any], None]] = {
            RequestReceived: self._on_request,
            DataReceived: self._on_data,
            StreamEnded: self._on_end,
            StreamReset: self._on_reset,
            WindowUpdated: self._on_room,
            RemoteSettingsChanged: self._on_room,
            ConnectionTerminated: self._on_goaway,
        }
        super().__init__(host, loop, sock)

    def begin(self, data: bytes) -> None:
        """Begin with what the client has sent so far."""
        self._protocol.initiate_connection()
        self._receive(data)

    # --- what comes in

    def _receive(self, data: bytes) -> None:
        if self._lingering:
            return
        if self._lengths.longest(data) > self._protocol.max_inbound_frame_size:
            self._protocol.close_connection(ErrorCodes.FRAME_SIZE_ERROR)
            self._break_off()
            return
        try:
            events = self._protocol.receive_data(data)
        except H2Error:
            self._break_off()
            return
        for event in events:
            handler = self._on.get(type(event))
            if handler is not None and self._open:
                handler(event)
        self._pass_on()
        if self._unsent and self._open:
            self._stop_reading()  # from a client that does not read, no more is read

    def _on_request(self, event: RequestReceived) -> None:
        head = read_head(event.headers)
        whole_by_s = time.monotonic() + self._host.bounds.request_s
        stream = self._streams[event.stream_id] = Stream(event.stream_id, self, self._host, head, whole_by_s)
        self.idle_since_s = None
        size = len(head.url) + sum(len(name) + len(value) for name, value in head.headers.items())
        if size > self._host.bounds.head_bytes:
            stream.refuse(431, f"the headers are longer than {self._host.bounds.head_bytes:,} bytes")
        elif head.url[:1] not in "/*" and head.method != "CONNECT":
            stream.refuse(400, "the request target is not a path")
        elif event.stream_ended is None:
            self._host.watch(self)
            if head.headers.get("expect", "").lower() == "100-continue":
                with contextlib.suppress(H2Error):  # the client has broken it off already
                    self._protocol.send_headers(stream.number, [(":status", "100")])

    def _on_data(self, event: DataReceived) -> None:
        self._protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.feed(event.data)
            if not self._hold():
                stream.refuse(503, _FULL)

    def _on_end(self, event: StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.whole()

    def _on_reset(self, event: StreamReset) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            self._forget(stream)

    def _on_room(self, event: Event) -> None:
        self._room_by_s = None
        self._write_rounds(self._streams.values())

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        self._leaving = True
        self._rest()

    def _hang_up(self) -> None:
        self.drop()

    def _break_off(self) -> None:
        """The client broke the protocol: tell it, and close when it has had time to read that."""
        self._lingering = True
        for stream in list(self._streams.values()):
            self._forget(stream)
        self._gone_by_s = time.monotonic() + self._host.bounds.linger_s
        self._host.watch(self)
        self._pass_on()
        if not self._unsent:
            self._shut()

    def _shut(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop()

    # --- what a stream asks for

    def head(self, stream: Stream, headers: list[tuple[str, str]]) -> bool:
        """Write the head of an answer; False: the client has broken it off."""
        try:
            self._protocol.send_headers(stream.number, headers)
        except H2Error:  # what broke it off is read next
            self._forget(stream)
            return False
        return True

    def write(self, stream: Stream) -> None:
        """Write what waits in a stream, as far as the client has room for it."""
        self._write_rounds([stream])

    def reset(self, stream: Stream) -> None:
        """Break a stream off."""
        if stream.number in self._streams:
            self._reset(stream, ErrorCodes.INTERNAL_ERROR)
            self._forget(stream)
            self._pass_on()

    def hold(self, count: int) -> None:
        """So many bytes more are held, or fewer."""
        self._stream_bytes += count

    def fetch(self, stream: Stream, work: Coroutine[Any, Any, Whole]) -> None:
        """Have an answer fetched, and given to the stream."""
        task = self._host.spawn(self._fetch(stream, work))
        task.add_done_callback(lambda _: work.close())  # the client may have left before it began
        self._fetching[stream.number] = task

    async def _fetch(self, stream: Stream, work: Coroutine[Any, Any, Whole]) -> None:
        try:
            whole = await work
        except Exception as error:
            whole = self._host.failed(error)
        self._fetching.pop(stream.number, None)
        stream.answer(whole)

    # --- what goes out

    def _write_rounds(self, streams: Iterable[Stream]) -> None:
        """Write a frame of each stream in turn, for as long as they have something and the client has room."""
        ready = list(streams)
        for _ in range(_ROUNDS):
            ready = [stream for stream in ready if self._write_frame(stream)]
            self._pass_on()
            if not ready:
                return
        self._loop.call_soon(self._write_rounds, ready)

    def _write_frame(self, stream: Stream) -> bool:
        """Write one frame; False: there is nothing more, or no room."""
        number = stream.number
        if number not in self._streams or self._unsent or not stream.more():
            return False
        try:
            room = min(self._protocol.local_flow_control_window(number), self._protocol.max_outbound_frame_size)
            if room <= 0 and stream.waiting:
                self._wait_for_room()
                return False
            data = stream.take(max(0, room))
            last = stream.ended and not stream.waiting
            self._protocol.send_data(number, data, end_stream=last)
        except H2Error:  # the client has broken it off
            self._forget(stream)
            return False
        if last:
            if stream.early:  # the rest of the request is not wanted (RFC 9113, 8.1)
                self._reset(stream, ErrorCodes.NO_ERROR)
            self._forget(stream)
        return not last

    def _wait_for_room(self) -> None:
        if self._room_by_s is None:
            self._room_by_s = time.monotonic() + self._host.bounds.unread_s
            self._host.watch(self)

    def _reset(self, stream: Stream, code: ErrorCodes) -> None:
        with contextlib.suppress(H2Error):  # it has ended on both sides
            self._protocol.reset_stream(stream.number, code)

    def _forget(self, stream: Stream) -> None:
        """A stream is over, or the client wants it no more."""
        self._streams.pop(stream.number, None)
        fetching = self._fetching.pop(stream.number, None)
        if fetching is not None:
            fetching.cancel()
        stream.abandon()
        self._rest()

    def _rest(self) -> None:
        """When nothing is under way: be idle, or leave after the client."""
        if self._streams or not self._open:
            return
        self.idle_since_s = time.monotonic()
        if self._leaving:
            self._pass_on()
            if not self._unsent:
                self.drop()

    def _pass_on(self) -> None:
        data = self._protocol.data_to_send()
        if data:
            self.send(data)
        if self._open and not self._hold():
            self.drop()  # a client that does not read

    # --- the link

    def _flushed(self) -> None:
        if self._lingering:
            self._shut()
            return
        self._go_on_reading()
        self._write_rounds(self._streams.values())
        self._rest()

    def _kept(self) -> int:
        return self._stream_bytes + len(self._unsent)

    def _dropped(self) -> None:
        for task in self._fetching.values():
            task.cancel()
        for stream in self._streams.values():
            stream.abandon()
        self._fetching.clear()
        self._streams.clear()

    def look(self, now_s: float) -> None:
        """Give up what has taken too long."""
        if self._lingering and now_s >= self._gone_by_s:
            self.drop()
            return
        if any(by_s is not None and now_s >= by_s for by_s in (self._read_by_s, self._room_by_s)):
            self.drop()
            return
        begun = [stream for stream in self._streams.values() if stream.whole_by_s is not None]
        for stream in begun:
            if stream.whole_by_s is not None and now_s >= stream.whole_by_s:
                stream.refuse(408, f"the request was not whole within {self._host.bounds.request_s:g} s")
        if not begun and not self._lingering and self._read_by_s is None and self._room_by_s is None:
            self._host.unwatch(self)
