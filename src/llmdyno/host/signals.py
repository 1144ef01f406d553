"""Lets Ctrl-C, SIGTERM and SIGHUP end a run in good order.

In: a running event loop, and a function. Out: a context in which the first signal calls the function. A second Ctrl-C
or SIGTERM has its usual effect. A second SIGHUP has none: a terminal that is closed may send it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first SIGINT, SIGTERM or SIGHUP. The next SIGINT or SIGTERM has its usual effect.

    A SIGHUP that is ignored already, as under nohup, stays ignored.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    # Not the loop's own handlers: they wait for the loop, and so would the second signal while figures are computed.
    def once(received: int, frame: FrameType | None) -> None:
        restore()
        if signal.SIGHUP in before:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        loop.call_soon_threadsafe(stop)

    for number in before:
        signal.signal(number, once)
    try:
        yield
    finally:
        restore()
