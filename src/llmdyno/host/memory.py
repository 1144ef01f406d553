"""Returns free memory to the system."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 1 << 20


def give_memory_back() -> None:
    """Return free memory to the system now, and each large array from now on as soon as it is freed.

    glibc would otherwise keep both: each large array that is freed raises its threshold for memory that it maps from
    the system directly. On systems without glibc, nothing happens.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
            library.malloc_trim(0)
