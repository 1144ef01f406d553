"""HTTP/2's rules as the emulator keeps them: the protocol of the package h2 with our bounds. PURE.

In: bytes of a client, header lists. Out: events, whether a frame is too long, requests. It knows no sockets and no
answers.
"""

from __future__ import annotations

from collections.abc import Iterable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.http import Request
from llmdyno.emulator.incoming import HTTP2_PREFACE

_FRAME_HEAD = 9


class Protocol(H2Connection):
    """After the client's GOAWAY, streams that are open go on to their ends (RFC 9113, 6.8); h2 ends them at once."""

    def __init__(self, bounds: Bounds) -> None:
        super().__init__(H2Configuration(client_side=False, header_encoding=None))
        told = {
            SettingCodes.MAX_CONCURRENT_STREAMS: bounds.streams,
            SettingCodes.MAX_HEADER_LIST_SIZE: bounds.head_bytes,
        }
        self.local_settings = Settings(client=False, initial_values=told)
        # A list that is somewhat too long is read, so that it gets an answer that says so.
        self.decoder.max_header_list_size = 2 * bounds.head_bytes

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        return [], [ConnectionTerminated()]


class Lengths:
    """The lengths of the frames that a client sends, which h2 looks at only when a frame is whole."""

    def __init__(self) -> None:
        self._skip = len(HTTP2_PREFACE)
        self._head = b""

    def longest(self, data: bytes) -> int:
        """The longest frame that begins in `data`, the next bytes of the connection; 0: none begins."""
        longest = at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            step = _FRAME_HEAD - len(self._head)
            self._head += data[at : at + step]
            at += step
            if len(self._head) == _FRAME_HEAD:
                self._skip = int.from_bytes(self._head[:3], "big")
                self._head = b""
                longest = max(longest, self._skip)
        return longest


def read_head(fields: Iterable[tuple[bytes, bytes]]) -> Request:
    """A request without its body. The authority stands above a Host header, as in a whole URL of HTTP/1.1."""
    pseudo: dict[str, str] = {}
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name.startswith(":"):
            pseudo[name] = value
        elif name == "cookie" and name in headers:
            headers[name] += f"; {value}"
        else:
            headers[name] = value
    if ":authority" in pseudo:
        headers["host"] = pseudo[":authority"]
    url = pseudo.get(":path") or pseudo.get(":authority", "")
    return Request(pseudo.get(":method", ""), url, headers, b"")
