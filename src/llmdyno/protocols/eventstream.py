"""Amazon's event stream framing (`application/vnd.amazon.eventstream`), from bytes to frames.

It takes the bytes of a body in any pieces. It gives frames with their headers and payload, and the number of bytes of
the body up to and including each. It does not know what a frame means. Layout, all integers big-endian: total length,
headers length, CRC-32 of those eight bytes, headers, payload, CRC-32 of everything before it (zlib's polynomial).
Both checksums are checked. A wrong one ends the decoding with a reason, since nothing after it can be trusted.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

_PRELUDE = struct.Struct(">III")
_U32 = struct.Struct(">I")
_OVERHEAD = 16
_LARGEST_HEADERS = 128 * 1024
_LARGEST_PAYLOAD = 24 * 1024 * 1024
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


class Frame(NamedTuple):
    """One frame. A header of type string is a text here; one of any other type is bytes, and no dialect uses it."""

    end: int
    headers: dict[str, str | bytes]
    payload: bytes


class EventStreamDecoder:
    """Decodes one body piece by piece; the frames are the same for every split of the bytes. `broken` is the reason if
    decoding ended early."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self._pending: list[bytes] = []
        self._size = 0
        self._needed = _PRELUDE.size  # how many bytes the next frame has, as far as we know
        self._consumed = 0
        self._known: dict[bytes, dict[str, str | bytes]] = {}

    @property
    def pending(self) -> int:
        """How many bytes of an incomplete frame there are."""
        return self._size

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by these bytes."""
        frames: list[Frame] = []
        if self.broken is not None:
            return frames
        self._size += len(data)
        if self._size < self._needed:  # a large frame in many pieces is put together once
            self._pending.append(data)
            return frames
        pending = b"".join([*self._pending, data]) if self._pending else data
        at, available = 0, len(pending)
        self._needed = _PRELUDE.size
        while available - at >= _PRELUDE.size:
            total, headers_length, prelude_sum = _PRELUDE.unpack_from(pending, at)
            if crc32(pending[at : at + 8]) != prelude_sum:
                return self._break(frames, "the checksum of a frame's prelude is wrong")
            payload_length = total - headers_length - _OVERHEAD
            if payload_length < 0 or payload_length > _LARGEST_PAYLOAD or headers_length > _LARGEST_HEADERS:
                return self._break(
                    frames, f"a frame of {total} bytes with {headers_length} bytes of headers is impossible"
                )
            if available - at < total:
                self._needed = total
                break
            end = at + total
            if crc32(pending[at : end - 4]) != _U32.unpack_from(pending, end - 4)[0]:
                return self._break(frames, "the checksum of a frame is wrong")
            headers_end = at + _PRELUDE.size + headers_length
            headers = self._headers(pending[at + _PRELUDE.size : headers_end])
            if headers is None:
                return self._break(frames, "the headers of a frame cannot be read")
            frames.append(Frame(self._consumed + end, headers, pending[headers_end : end - 4]))
            at = end
        self._consumed += at
        self._pending = [pending[at:]] if at < available else []
        self._size = available - at
        return frames

    def _break(self, frames: list[Frame], why: str) -> list[Frame]:
        self.broken = why
        self._pending, self._size = [], 0
        return frames

    def _headers(self, block: bytes) -> dict[str, str | bytes] | None:
        """The headers in a block; None if it is malformed. Frames of a stream repeat their blocks, so it is cached."""
        known = self._known.get(block)
        if known is None:
            known = _read_headers(block)
            if known is not None and len(self._known) < 16:
                self._known[block] = known
        return known


def _read_headers(block: bytes) -> dict[str, str | bytes] | None:
    headers: dict[str, str | bytes] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name, kind = block[at + 1 : name_end].decode("utf-8"), block[name_end]
            at = name_end + 1
            if kind in (_BYTES, _STRING):
                size = int.from_bytes(block[at : at + 2], "big")
                at += 2
            else:
                size = _FIXED_SIZES[kind]
            value = block[at : at + size]
            at += size
            if at > len(block) or len(value) != size or name in headers:
                return None
            headers[name] = value.decode("utf-8") if kind == _STRING else value
    except (IndexError, KeyError, UnicodeDecodeError):
        return None
    return headers
