"""How much the emulator takes in and holds, and for how long it waits. PURE.

In: sizes in bytes. Out: whether they fit. It knows nothing of connections or requests.
"""

from __future__ import annotations

from typing import NamedTuple


class Bounds(NamedTuple):
    """Sizes in bytes, times in seconds, a number of connections (None: as many as the system allows), and of streams
    that are open at once on a connection of HTTP/2.

    `held_bytes` is for all connections together: requests that are not handled yet, and answers that clients do not
    read. `request_s` is the time from the first byte of a request to its last, `unread_s` the time without a byte read
    of an answer that waits. `linger_s` is how long a connection stays open for a client to read why it was refused.
    """

    head_bytes: int = 65_536
    body_bytes: int = 32 * 1024 * 1024
    held_bytes: int = 256 * 1024 * 1024
    truth_bytes: int = 256 * 1024 * 1024
    request_s: float = 60.0
    unread_s: float = 300.0
    linger_s: float = 2.0
    connections: int | None = None
    streams: int = 1000


class Room:
    """A number of bytes that several holders share."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, count: int) -> bool:
        """Take `count` bytes, or give them back if it is negative; False: there is no room, and nothing is taken."""
        if count > self._left:
            return False
        self._left -= count
        return True
