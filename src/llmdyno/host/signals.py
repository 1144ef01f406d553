"""Ctrl-C and SIGTERM end a run once, in good order.

In: a running event loop, what is to be called. Out: a context in which the first signal calls it; a second one then has
its usual effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` once; another one then has its usual effect."""
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
