"""A client that speaks HTTP/2 for the tests: every frame of an answer as it came."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes


@dataclass
class Got:
    """What a stream got: its head, its DATA frames (those with content), when each came (s), how it ended."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None
    informed: list[str] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.frames)

    @property
    def message(self) -> str:
        value = json.loads(self.body)
        return str(value["error"]["message"] if "error" in value else value["message"])


class Client:
    """A connection with prior knowledge. `room`: read DATA without end, or as far as the first windows go."""

    def __init__(self, port: int, *, room: bool = True, settings: dict[SettingCodes, int] | None = None) -> None:
        self.port = port
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.protocol = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.streams: dict[int, Got] = {}
        self.goodbye: int | None = None
        self.closed = False
        self._room = room
        self.protocol.initiate_connection()
        if settings:
            self.protocol.update_settings(settings)
        self.flush()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        with contextlib.suppress(ConnectionError):  # the server has closed, which reading will show
            self.sock.sendall(self.protocol.data_to_send())

    def head(
        self,
        method: str,
        path: str,
        more: list[tuple[str, str]] | None = None,
        *,
        host: str = "127.0.0.1",
        end: bool = False,
    ) -> int:
        """Send a request's head; the number of its stream."""
        number = self.protocol.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", path), (":scheme", "http"), (":authority", host)]
        self.streams[number] = Got()
        self.protocol.send_headers(number, [*pseudo, *(more or [])], end_stream=end)
        self.flush()
        return number

    def ask(self, method: str, path: str, body: bytes = b"", more: list[tuple[str, str]] | None = None) -> int:
        """Send a whole request; a body as its windows allow."""
        number = self.head(method, path, more, end=not body)
        while body:
            room = min(self.protocol.local_flow_control_window(number), self.protocol.max_outbound_frame_size)
            if not room:
                self.read()
                continue
            self.protocol.send_data(number, body[:room], end_stream=len(body) <= room)
            body = body[room:]
            self.flush()
        return number

    def read(self) -> None:
        """Read once."""
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return
        for event in self.protocol.receive_data(data):
            self._take(event)
        self.flush()

    def _take(self, event: Any) -> None:
        if isinstance(event, ConnectionTerminated):
            self.goodbye = int(event.error_code or 0)
            return
        got = self.streams.get(getattr(event, "stream_id", 0))
        if got is None:
            return
        if isinstance(event, ResponseReceived):
            got.headers = dict(event.headers)  # type: ignore[arg-type]
            got.status = int(got.headers[":status"])
        elif isinstance(event, InformationalResponseReceived):
            got.informed.append(dict(event.headers)[":status"])  # type: ignore[arg-type, index]
        elif isinstance(event, DataReceived):
            if event.data:
                got.frames.append(event.data)
                got.at_s.append(time.monotonic())
            if self._room:
                self.protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            got.ended = True
        elif isinstance(event, StreamReset):
            got.reset = int(event.error_code)

    def until(self, true: Callable[[], bool]) -> None:
        """Read until something is true."""
        while not true():
            assert not self.closed, "the server closed the connection"
            self.read()

    def answer(self, number: int) -> Got:
        """A stream, when it has ended or was reset."""
        got = self.streams[number]
        self.until(lambda: got.ended or got.reset is not None)
        return got

    def get(self, path: str) -> Got:
        return self.answer(self.ask("GET", path))

    def post(self, path: str, value: Any) -> Got:
        return self.answer(self.ask("POST", path, json.dumps(value).encode()))

    def drop(self, number: int) -> None:
        """Break a stream off."""
        self.protocol.reset_stream(number, ErrorCodes.CANCEL)
        self.flush()

    def to_the_end(self) -> None:
        """Read until the server closes."""
        while not self.closed:
            self.read()
