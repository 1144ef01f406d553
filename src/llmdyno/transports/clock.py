"""The run's one clock: CLOCK_MONOTONIC, in ns.

In: the kernel's receive stamps, which Linux gives on CLOCK_REALTIME. Out: the same instants on the monotonic clock. NTP
slews both clocks alike, so their offset is constant until somebody sets the wall clock. The offset is sampled through
the run, and each stamp is converted with the offset at its time.
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
"""A missing kernel stamp: a `struct timespec` of zeros."""

_SAME_OFFSET_NS = 20_000  # two readings of one offset differ by a reading's own time, well below this


def enable_kernel_stamps(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what this socket receives. Returns False if the kernel cannot."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


class Clock:
    """The run's clock: its origin, the time now, timers, and the offset of the wall clock over time."""

    now_ns = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self.origin_ns = monotonic_ns()
        # The kernel starts stamping shortly after the first socket asks for it. This socket asks early and stays open.
        self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.kernel_stamps = enable_kernel_stamps(self._keeper)
        self._sampled_ns: list[int] = []
        self._offsets: list[int] = []
        self.sample()
        self.unix_offset_ns = self._offsets[0]

    def sample(self) -> None:
        """Note the wall clock's offset, if it has changed."""
        _, time_ns, offset = min(_reading() for _ in range(3))
        if not self._offsets or abs(offset - self._offsets[-1]) > _SAME_OFFSET_NS:
            self._sampled_ns.append(time_ns)
            self._offsets.append(offset)

    def arrivals(self, stamps: list[bytes], reads: list[int]) -> tuple[array[int], bool]:
        """The arrival of each read on the monotonic clock, and whether the kernel stamped all of them.

        The time of the read replaces a stamp that is missing, later than the read, or more than 10 s earlier (somebody
        set the wall clock in between).

        Args:
            stamps: the kernel's stamps, one `struct timespec` for each read.
            reads: the times of the reads, ns.
        """
        timespecs = array("q", b"".join(stamps))
        arrivals = array("q")
        whole = True
        single = self._offsets[0] if len(self._offsets) == 1 else None
        for read, seconds, nanoseconds in zip(reads, timespecs[::2], timespecs[1::2], strict=True):
            offset = single if single is not None else self._offset_at(read)
            arrival = seconds * 1_000_000_000 + nanoseconds - offset
            if not 0 <= read - arrival < 10_000_000_000:
                # A slightly wrong offset can put a stamp just after its read. It still counts as the kernel's.
                whole = whole and -_SAME_OFFSET_NS < read - arrival < 0
                arrival = read
            arrivals.append(arrival)
        return arrivals, whole and bool(reads)

    def timer(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Timer:
        """A timer that calls `call` at an absolute time of this clock."""
        return Timer(loop, call)

    def close(self) -> None:
        """Close the socket that keeps the kernel's stamping on."""
        self._keeper.close()

    def _offset_at(self, time_ns: int) -> int:
        return self._offsets[max(0, bisect.bisect_right(self._sampled_ns, time_ns) - 1)]


def _reading() -> tuple[int, int, int]:
    before = monotonic_ns()
    wall = time.time_ns()
    after = monotonic_ns()
    middle = (before + after) // 2
    return after - before, middle, wall - middle
