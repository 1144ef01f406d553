"""Decodes a body that the server compressed, although no request of ours allows that.

In: the Content-Encoding header and the body in pieces. Out: as many decoded pieces, so that each piece keeps its
arrival, and what was wrong. It runs after the last byte. It does not know what the body means.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

LIMIT = 256 << 20
"""The largest decoded body, in bytes."""


def decode_pieces(encoding: bytes, pieces: Sequence[bytes]) -> tuple[list[bytes], str | None]:
    """Decode a body.

    Args:
        encoding: the header's value, such as ``gzip``; several codings are separated by commas.
        pieces: the body.

    Returns:
        As many pieces as there were, and the problem. With a problem, the pieces are what could be decoded.
    """
    found = list(pieces)
    for name in reversed([part.strip().lower() for part in encoding.decode("latin-1").split(",")]):
        if name in _NONE:
            continue
        make = _CODINGS.get(name)
        if make is None:
            return [b""] * len(found), f"the answer is compressed with {name}, which was not asked for: not decodable"
        found, problem = _decode(found, make(), name)
        if problem is not None:
            return found, problem
    return found, None


def _decode(pieces: Sequence[bytes], decompress: _Decompress, name: str) -> tuple[list[bytes], str | None]:
    found: list[bytes] = []
    left = LIMIT
    for piece in pieces:
        try:
            plain = decompress(piece, left + 1) if piece else b""
        except zlib.error as error:
            problem = f"the answer's {name} compression, which was not asked for, is broken ({error})"
            return found + [b""] * (len(pieces) - len(found)), problem
        left -= len(plain)
        if left < 0:
            problem = f"the answer is larger than {LIMIT >> 20} MiB once its {name} compression is decoded"
            return found + [b""] * (len(pieces) - len(found)), problem
        found.append(plain)
    return found, None


_Decompress = Callable[[bytes, int], bytes]


class _Zlib:
    """Gzip or deflate. Gzip may have several members. Deflate comes with a zlib header, or without one."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream = zlib.decompressobj(wbits)
        self._head = b""  # the first bytes, until they are known to be good
        self._begun = False
        self._next = b""  # the first bytes after a member

    def __call__(self, data: bytes, limit: int) -> bytes:
        """Decode the next bytes, `limit` bytes at most."""
        if not self._begun:
            self._head += data
        plain = b""
        while data and len(plain) < limit:
            if self._stream.eof:
                data = self._next = self._next + data
                if self._wbits != _GZIP or len(data) < 2 or not data.startswith(b"\x1f\x8b"):
                    self._next = data[:2]
                    break  # what follows is no member, or not yet known to be one
                self._stream, self._next = zlib.decompressobj(_GZIP), b""
            try:
                plain += self._stream.decompress(data, limit - len(plain))
            except zlib.error:
                if self._begun or self._wbits != zlib.MAX_WBITS:
                    raise
                self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
                plain += self._stream.decompress(self._head, limit)
                self._begun = True
            self._begun = self._begun or bool(plain)
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        return plain


_GZIP = zlib.MAX_WBITS | 16
_NONE = frozenset({"", "identity", "none", "utf-8", "utf8", "binary", "8bit"})
"""No compression. Some servers name the encoding of their characters here."""


_CODINGS: dict[str, Callable[[], _Decompress]] = {
    "gzip": lambda: _Zlib(_GZIP),
    "x-gzip": lambda: _Zlib(_GZIP),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
}
