"""One way to end a run early, handed down to everything that waits.

In: a call, from a signal, a full disk or a cancelled task. Out: everyone who listens hears it once. It knows nothing
of a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Stop:
    """Call it to end the run: nothing more is sent, and what is in flight is cancelled and recorded as such."""

    def __init__(self) -> None:
        self.stopping = False
        self._listeners: list[Callable[[], object]] = []

    def __call__(self) -> None:
        """End the run; a second call does nothing."""
        if self.stopping:
            return
        self.stopping = True
        for call in list(self._listeners):
            call()

    def on_stop(self, call: Callable[[], object]) -> Callable[[], None]:
        """Have `call` called when the run ends early, at once if it has; returns what takes it back."""
        if self.stopping:
            call()
        self._listeners.append(call)

        def forget() -> None:
            if call in self._listeners:
                self._listeners.remove(call)

        return forget

    async def guard(self, work: Awaitable[T]) -> T:
        """The result of work that is abandoned when the run ends early.

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
