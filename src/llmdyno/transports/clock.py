"""One clock for everything: CLOCK_MONOTONIC, in ns.

In: the kernel's receive stamps, which Linux gives on CLOCK_REALTIME. Out: the same moments on the
monotonic clock. NTP slews both clocks alike, so their offset stands still until somebody sets the
wall clock; it is sampled through the run, and each stamp is moved by the offset of its own moment.
"""

from __future__ import annotations

import asyncio
import bisect
import socket
import sys
import time
from array import array
from collections.abc import Callable

from llmdyno.host.timer import Timer

monotonic_ns = time.monotonic_ns

SO_TIMESTAMPNS = 35
"""The option's number on every Linux architecture but PA-RISC and SPARC; Python's socket module does not name it."""

NO_STAMP = bytes(16)
"""In the place of a kernel stamp that did not come; a `struct timespec` of zeros."""

_SAME_OFFSET_NS = 20_000  # two readings of one offset differ by a reading's own time, well below this


def enable_kernel_stamps(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what this socket receives; False where it cannot."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


class Clock:
    """The run's clock: its origin, the time now, timers, and the wall clock's offset from it over time."""

    now_ns = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self.origin_ns = monotonic_ns()
        # The kernel switches stamping on with its first user, a moment later: be that user early and stay it.
        self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.kernel_stamps = enable_kernel_stamps(self._keeper)
        self._moments: list[int] = []
        self._offsets: list[int] = []
        self.sample()
        self.unix_offset_ns = self._offsets[0]

    def sample(self) -> None:
        """Note the wall clock's offset now, if it has changed."""
        _, moment, offset = min(_reading() for _ in range(3))
        if not self._offsets or abs(offset - self._offsets[-1]) > _SAME_OFFSET_NS:
            self._moments.append(moment)
            self._offsets.append(offset)

    def arrivals(self, stamps: list[bytes], reads: list[int]) -> tuple[array[int], bool]:
        """Arrival of each read on the monotonic clock, and whether the kernel stamped them all.

        A stamp that is missing, later than its read or older than 10 s before it (the wall clock was
        set in between) is replaced by the read.
        """
        timespecs = array("q", b"".join(stamps))
        arrivals = array("q")
        whole = True
        single = self._offsets[0] if len(self._offsets) == 1 else None
        for read, seconds, nanoseconds in zip(reads, timespecs[::2], timespecs[1::2], strict=True):
            offset = single if single is not None else self._offset_at(read)
            arrival = seconds * 1_000_000_000 + nanoseconds - offset
            if not 0 <= read - arrival < 10_000_000_000:
                # An offset read a hair too late can put a stamp just past its read; that is no fault of the stamp.
                whole = whole and -_SAME_OFFSET_NS < read - arrival < 0
                arrival = read
            arrivals.append(arrival)
        return arrivals, whole and bool(reads)

    def timer(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Timer:
        """A timer that calls at an absolute time of this clock."""
        return Timer(loop, call)

    def close(self) -> None:
        """Let the kernel's stamping go."""
        self._keeper.close()

    def _offset_at(self, moment: int) -> int:
        return self._offsets[max(0, bisect.bisect_right(self._moments, moment) - 1)]


def _reading() -> tuple[int, int, int]:
    before = monotonic_ns()
    wall = time.time_ns()
    after = monotonic_ns()
    middle = (before + after) // 2
    return after - before, middle, wall - middle
