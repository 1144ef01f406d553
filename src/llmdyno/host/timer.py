"""A timer with a precision of tenths of a millisecond.

In: an absolute time of the monotonic clock. Out: one call at that time. asyncio rounds its timers up to whole
milliseconds. That is too coarse for an emulated deployment that gives a token each millisecond. On Linux, this timer is
a timerfd that the event loop watches like a socket. On other systems, it is asyncio's timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

_MONOTONIC = 1
_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
_ABSOLUTE = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_long), ("nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """One timer. Setting it again replaces the earlier time. `precise`: use a timerfd, not asyncio's timer."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], *, precise: bool = sys.platform == "linux"
    ) -> None:
        self._loop = loop
        self._call = call
        self._handle: asyncio.TimerHandle | None = None
        self._fd = -1
        if precise:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd >= 0:
            self._setting = _Itimerspec()
            self._by_reference = ctypes.byref(self._setting)
            loop.add_reader(self._fd, self._expired)

    def set(self, time_ns: int) -> None:
        """Make the call at `time_ns`, or as soon as possible if that time has passed."""
        if self._fd >= 0:
            self._setting.value.sec, self._setting.value.nsec = divmod(max(time_ns, 1), 1_000_000_000)
            self._libc.timerfd_settime(self._fd, _ABSOLUTE, self._by_reference, None)
            return
        if self._handle is not None:
            self._handle.cancel()
        delay_s = max(0.0, (time_ns - time.monotonic_ns()) / 1e9)
        self._handle = self._loop.call_later(delay_s, self._call)

    def close(self) -> None:
        """Close the timer. It makes no call after that."""
        if self._handle is not None:
            self._handle.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _expired(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        self._call()
