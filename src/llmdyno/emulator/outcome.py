"""What a route makes of a request. PURE.

In: nothing. Out: the kinds of answers that a connection can send.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any, NamedTuple

from llmdyno.emulator.reply import Reply


class Whole(NamedTuple):
    """An answer that is ready, head and body; `close` ends the connection behind it."""

    data: bytes
    close: bool = False


class Parts(NamedTuple):
    """An answer that is made while it is sent: the head without its end and without the length, the parts of a body."""

    status: int
    media_type: str
    headers: list[str]
    parts: Iterator[bytes]


Outcome = Whole | Parts | Reply | Coroutine[Any, Any, Whole]
"""What a request gets: an answer, one that is made while it is sent, one that begins now, or one to be fetched."""
