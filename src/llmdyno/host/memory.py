"""Memory handed back to the system. A leaf: it knows nothing of a run."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 1 << 20


def give_memory_back() -> None:
    """Let the C library give free memory back, now, and large arrays from now on as soon as they are free.

    glibc keeps both otherwise: it raises the size from which on it asks the system directly with each large array that
    is freed. Elsewhere nothing happens.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
            library.malloc_trim(0)
