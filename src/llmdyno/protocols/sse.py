"""Server-sent events, from bytes to data (WHATWG HTML, "Interpreting an event stream").

It takes the bytes of a body in any pieces. It gives (end, type, data) for each event that has a data field: `end` is
the number of bytes of the body up to the line end that completed the event, `type` is the value of its field `event`
(empty: a message). It does not know what the data means. The work is linear in the number of bytes.

Two things go beyond the standard. A last event without its blank line is given at the end of the body, because some
servers leave that line out. Lines of a field that the standard does not know are given as an event of type
:data:`STRAY`, because some servers write their errors so.
"""

from __future__ import annotations

import re

SseEvent = tuple[int, bytes, bytes]
"""The end, the type and the data of an event."""
STRAY = b"\0"
"""The type of an event that holds unknown lines as they came. No server can send this type in a field `event`."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIRST_LINE = re.compile(rb"(?:(?:data|event|id|retry)(?::|[\r\n]|\Z)|:|error:)")
_SILENT = frozenset({b"id", b"retry"})


def looks_like_sse(body: bytes) -> bool:
    """Whether a body begins as server-sent events do, after a byte order mark and empty lines."""
    return _FIRST_LINE.match(body.removeprefix(_BOM)[:4096].lstrip(b"\r\n")) is not None


class SseDecoder:
    """Decodes one body piece by piece; the events are the same for every split of the bytes."""

    def __init__(self) -> None:
        self._start: bytes | None = b""  # what may be a byte order mark; None: it is behind us
        self._consumed = 0
        self._lines: list[bytes] = []  # the whole lines of the event that is not complete yet
        self._part: list[bytes] = []  # the pieces of its last line
        self._after_cr = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events completed by these bytes."""
        events: list[SseEvent] = []
        if self._start is not None:
            data = self._without_mark(data)
        if self._after_cr or b"\r" in data:
            self._feed_any(data, events)
            return events
        begin = 0
        if self._lines or self._part:
            begin = self._finish(data, events)
            if begin < 0:
                return events
        blocks = (data[begin:] if begin else data).split(b"\n\n")
        rest = blocks.pop()
        end = self._consumed + begin
        for block in blocks:
            end += len(block) + 2
            if block.startswith(b"data: ") and b"\n" not in block:  # nearly every server writes them so
                events.append((end, b"", block[6:]))
            else:
                _dispatch(end, block.split(b"\n"), events)
        self._consumed += len(data)
        self._keep(rest)
        return events

    def close(self) -> list[SseEvent]:
        """The last event, if the body ended without its blank line."""
        events: list[SseEvent] = []
        if self._start:
            self._part, self._consumed = [self._start], len(self._start)
        _dispatch(self._consumed, [*self._lines, b"".join(self._part)], events)
        self._lines, self._part = [], []
        return events

    def _without_mark(self, data: bytes) -> bytes:
        """The data without a byte order mark at the beginning of the body; empty while that is not known."""
        data = (self._start or b"") + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._start = data
            return b""
        self._start = None
        if data.startswith(_BOM):
            self._consumed = len(_BOM)
            return data[len(_BOM) :]
        return data

    def _finish(self, data: bytes, events: list[SseEvent]) -> int:
        """Complete the event that earlier bytes began. Returns where the next one begins; -1: it is not complete."""
        begin = 0
        while (stop := data.find(b"\n", begin)) >= 0:
            line = data[begin:stop]
            begin = stop + 1
            if self._line(line, self._consumed + begin, events):
                return begin
        if begin < len(data):
            self._part.append(data[begin:])
        self._consumed += len(data)
        return -1

    def _feed_any(self, data: bytes, events: list[SseEvent]) -> None:
        """As :meth:`feed`, for all three line ends. A CR ends its line at once; an LF after it is a part of it."""
        begin = 0
        if self._after_cr and data:
            self._after_cr = False
            begin = 1 if data.startswith(b"\n") else 0
        for found in _LINE_END.finditer(data, begin):
            self._line(data[begin : found.start()], self._consumed + found.start() + 1, events)
            begin = found.end()
        if begin < len(data):
            self._part.append(data[begin:])
        self._after_cr = self._after_cr or data.endswith(b"\r")
        self._consumed += len(data)

    def _line(self, line: bytes, end: int, events: list[SseEvent]) -> bool:
        """Take the rest of a line, which ends at byte `end`. Returns whether it is blank, which completes the event."""
        if self._part:
            line = b"".join(self._part) + line
            self._part = []
        if line:
            self._lines.append(line)
            return False
        _dispatch(end, self._lines, events)
        self._lines = []
        return True

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of an event; it has no blank line, except at its own beginning."""
        if not rest:
            return
        lines = rest.split(b"\n")
        last = lines.pop()
        self._lines = [line for line in lines if line]
        self._part = [last] if last else []


def _dispatch(end: int, lines: list[bytes], events: list[SseEvent]) -> None:
    """Append the event of these lines. An event without a data field is none."""
    kind, data, stray = b"", [], []
    for line in lines:
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value[1:] if value.startswith(b" ") else value)
        elif name == b"event":
            kind = value[1:] if value.startswith(b" ") else value
        elif name and name not in _SILENT:
            stray.append(line)
    if stray:
        events.append((end, STRAY, b"\n".join(stray)))
    if data:
        events.append((end, b"" if kind == b"message" else kind, b"\n".join(data)))
