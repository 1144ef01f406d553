"""Lets Ctrl-C and SIGTERM end a run in good order.

In: a running event loop, and a function. Out: a context in which the first signal calls the function. A second signal
has its usual effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first SIGINT or SIGTERM. The next signal has its usual effect."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    # Not the loop's own handlers: they wait for the loop, and so would the second signal while figures are computed.
    def once(received: int, frame: FrameType | None) -> None:
        restore()
        loop.call_soon_threadsafe(stop)

    for number in before:
        signal.signal(number, once)
    try:
        yield
    finally:
        restore()
