"""Server-sent events, from bytes to data (WHATWG HTML, "Interpreting an event stream").

It takes the bytes of a body in any pieces. It gives (end, data) for each event that has data: `end` is the number of
bytes of the body up to and including the blank line that completed the event. It ignores the fields `event` and `id`,
because no dialect needs them, and it does not know what the data means.
"""

from __future__ import annotations

import re

_BOM = b"\xef\xbb\xbf"
# A CR may be the first half of a CRLF: it ends a line only when the next byte is known.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?=[^\n]))(?:\r\n|\n|\r(?=[^\n]))")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class SseDecoder:
    """Decodes one body piece by piece; the events are the same for every split of the bytes."""

    def __init__(self) -> None:
        self._pending = b""
        self._consumed = 0
        self._started = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The events completed by these bytes, as (end, data)."""
        pending = self._pending + data if self._pending else data
        if not self._started:
            if len(pending) < len(_BOM) and _BOM.startswith(pending):
                self._pending = pending
                return []
            if pending.startswith(_BOM):
                self._consumed += len(_BOM)
                pending = pending[len(_BOM) :]
            self._started = True
        events: list[tuple[int, bytes]] = []
        if b"\r" in pending:
            last = 0
            for blank in _BLANK_LINE.finditer(pending):
                self._consumed += blank.end() - last
                self._block(pending[last : blank.start()], events)
                last = blank.end()
            self._pending = pending[last:]
            return events
        blocks = pending.split(b"\n\n")
        self._pending = blocks.pop()
        consumed = self._consumed
        for block in blocks:
            consumed += len(block) + 2
            if block.startswith(b"data: ") and b"\n" not in block:  # every server writes them so
                events.append((consumed, block[6:]))
            else:
                self._consumed = consumed
                self._block(block, events)
        self._consumed = consumed
        return events

    def close(self) -> list[tuple[int, bytes]]:
        """The last event, if the body ended without its blank line; some servers leave that out."""
        events: list[tuple[int, bytes]] = []
        self._consumed += len(self._pending)
        self._block(self._pending, events)
        self._pending = b""
        return events

    def _block(self, block: bytes, events: list[tuple[int, bytes]]) -> None:
        lines: list[bytes] = []
        for line in _LINE_END.split(block):
            name, _, value = line.partition(b":")
            if name == b"data":
                lines.append(value[1:] if value.startswith(b" ") else value)
        if lines:
            events.append((self._consumed, b"\n".join(lines)))
