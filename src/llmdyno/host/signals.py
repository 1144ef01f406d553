"""Lets Ctrl-C and SIGTERM end a run in good order.

In: a running event loop, and a function. Out: a context in which the first signal calls the function. A second signal
has its usual effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first SIGINT or SIGTERM. The next signal has its usual effect."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def once() -> None:
        restore()
        stop()

    for number in before:
        loop.add_signal_handler(number, once)
    try:
        yield
    finally:
        restore()
