"""Tells from a body alone whether it has ended: by the stream's own end mark, or because it is one JSON document.

In: the bytes of a body. Out: whether it is whole. It also knows the largest answer that is read. It does not know
connections.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from llmdyno.protocols.server_error import failure_in_body

HEADERS_LIMIT = 1 << 20
"""The largest headers that are read, in bytes."""

BODY_LIMIT = 256 << 20
"""The largest body that is read, in bytes."""

NO_MARK = b"\x00no end mark\x00"
"""Bytes that no stream holds, for a dialect without an end mark."""

_WINDOW = 4096
_JSON_LIMIT = 1 << 20  # a larger document is not looked at again and again while it arrives
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


def is_json(pieces: Sequence[bytes], *, stream: bool) -> bool:
    """Whether the body is one whole JSON document, and so no stream of events.

    Args:
        pieces: the body.
        stream: the headers promise a stream of events. Its first line may be JSON that nobody reads, so only an error
            counts then.
    """
    first = next((piece for piece in pieces if piece), b"").lstrip()[:1]
    if first not in (b"{", b"[", b"", _BOM[:1]) or sum(map(len, pieces)) > _JSON_LIMIT:
        return False
    body = b"".join(pieces).removeprefix(_BOM).strip()
    if body[:1] not in (b"{", b"[") or body[-1:] not in (b"}", b"]"):
        return False
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return not stream or failure_in_body(body) is not None
