"""Finds a stream's own end mark in the last bytes of a body, and knows the largest answer that is read.

In: bytes. Out: whether they hold the mark. It does not know connections or the rest of the stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HEADERS_LIMIT = 1 << 20
"""The largest headers that are read, in bytes."""

BODY_LIMIT = 256 << 20
"""The largest body that is read, in bytes."""

NO_MARK = b"\x00no end mark\x00"
"""Bytes that no stream holds, for a dialect without an end mark."""

_WINDOW = 4096
_BOM = b"\xef\xbb\xbf"
_LINES = re.compile(rb"\r\n|\n|\r")


def holds_end(pieces: Sequence[bytes], mark: bytes) -> bool:
    """Whether one of the last lines of the body is the end mark.

    Args:
        pieces: the body.
        mark: how the data of the stream's last event begins, without spaces.
    """
    size, first = 0, len(pieces)
    while first and size < _WINDOW:
        first -= 1
        size += len(pieces[first])
    # An event may hold the mark as text of the model. Only a whole line counts, so a line that is cut does not.
    for line in _LINES.split(b"".join(pieces[first:]))[min(first, 1) :]:
        name, _, value = line.partition(b":")
        if name.lstrip(_BOM) != b"data":
            continue
        start = value[:_WINDOW].translate(None, b" \t")
        if start.startswith(mark) or start.lstrip(b'"').lower().startswith(mark.lower()):  # some servers quote it
            return True
    return False
