"""Checksums of files, and JSON objects that carry their own.

In: bytes, files, JSON objects. Out: sizes and SHA-256 digests; a JSON object as bytes whose last key is the digest of
these very bytes; and, of such bytes, whether they are still the same. It does not know what a file is for.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

SEAL = "sha256"
"""The last key of a sealed JSON object: the SHA-256 of the file's bytes with 64 zeros in place of this value."""
UNSEALED, WHOLE, BROKEN = "unsealed", "whole", "broken"
"""What a file says of itself: it has no seal; its seal holds; it is not what was written."""
_ZEROS = b"0" * 64
_END = re.compile(rb'"sha256": "([0-9a-f]{64})"\n\}\n\Z')
_LOOKS_SEALED = re.compile(rb'sha256|[0-9a-f]{64}"\s*\}\s*\Z')


class Digest(NamedTuple):
    """The size of some content in bytes and its SHA-256 in hexadecimal digits."""

    bytes: int
    sha256: str


def digest_of_file(path: Path) -> Digest:
    """The digest of a file, which is read piece by piece.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Digest(file.tell(), sha256)


def sealed(value: dict[str, Any]) -> bytes:
    """A JSON object as the bytes of a file, with its seal as the last key.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    whole = {**{name: one for name, one in value.items() if name != SEAL}, SEAL: _ZEROS.decode()}
    content = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
    before, _, after = content.rpartition(_ZEROS)
    return before + hashlib.sha256(content).hexdigest().encode() + after


def state_of(content: bytes) -> str:
    """Whether the bytes of a JSON file are as they were sealed: :data:`UNSEALED`, :data:`WHOLE` or :data:`BROKEN`.

    Bytes whose seal cannot be found, and that look as if they had one, are broken.
    """
    found = _END.search(content)
    if found is None:
        return BROKEN if _LOOKS_SEALED.search(content) else UNSEALED
    zeroed = content[: found.start(1)] + _ZEROS + content[found.end(1) :]
    return WHOLE if hashlib.sha256(zeroed).hexdigest().encode() == found[1] else BROKEN
