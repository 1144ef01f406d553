"""The one way to end a run early. Everything that waits gets the same :class:`Stop`.

In: a call, because of a signal, a full disk or a cancelled task. Out: each listener is called once. A stop does not
know what a run is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Stop:
    """Call it to end the run. Nothing more is sent then. Requests in flight are cancelled, and their records say so."""

    def __init__(self) -> None:
        self.stopping = False
        self._listeners: list[Callable[[], object]] = []

    def __call__(self) -> None:
        """End the run. A second call does nothing."""
        if self.stopping:
            return
        self.stopping = True
        for call in list(self._listeners):
            call()

    def on_stop(self, call: Callable[[], object]) -> Callable[[], None]:
        """Call `call` when the run ends early, or now if it has ended.

        Returns:
            A function that removes the listener.
        """
        if self.stopping:
            call()
        self._listeners.append(call)

        def forget() -> None:
            if call in self._listeners:
                self._listeners.remove(call)

        return forget

    async def guard(self, work: Awaitable[T]) -> T:
        """Wait for the work and return its result. If the run ends early, cancel the work.

        Raises:
            asyncio.CancelledError: the run ended early.
        """
        task = asyncio.ensure_future(work)
        forget = self.on_stop(task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            forget()


async def to_the_end(work: Awaitable[T], stop: Stop) -> tuple[T, bool]:
    """Wait for the work. If this task is cancelled, stop the work and still wait for its result.

    Returns:
        The result, and whether this task was cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task), False
    except asyncio.CancelledError:
        if task.done():
            raise
        stop()
        return await task, True
