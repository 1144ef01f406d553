"""Requests ready to be sent, made before the clock starts.

In: a plan's phase and a function that prepares a planned request. Out: prepared requests, one at
a time, in the plan's order. A phase of up to :data:`AHEAD` requests is made whole before the clock; of a
longer one, a very large one, or one without a count, the rest is made one by one while others are in
flight, and how many were is counted, so that the run can say so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.transports.exchange import Prepared
from llmdyno.workload.plan import PlannedRequest

AHEAD = 20_000
AHEAD_BYTES = 256_000_000
"""As many requests, and as many bytes of them, are kept ready at most."""


def prepare(request: PlannedRequest, wire: bytes | HttpRequest, *, keep_prompt: bool = False) -> Prepared:
    """A planned request with its bytes, or, where it must be signed just before the send, its unsigned form."""
    unsigned = wire if isinstance(wire, HttpRequest) else None
    sent = b"" if isinstance(wire, HttpRequest) else wire
    return Prepared(
        request.request,
        request.phase,
        request.offset_ns,
        request.input_tokens,
        request.max_tokens,
        sent,
        unsigned,
        prompt=request.prompt if keep_prompt else "",
    )


class Supply:
    """A phase's requests: `total` of them (None: without end), the first `ahead` made at once. `made_late` counts
    those made after the clock started."""

    def __init__(
        self,
        planned: Iterator[PlannedRequest],
        make: Callable[[PlannedRequest], Prepared],
        *,
        total: int | None,
        ahead: int = AHEAD,
    ) -> None:
        self.made_late = 0
        self.total = total
        self._planned = planned
        self._prepare = make
        self._ahead = min(ahead, AHEAD)
        self._ready: deque[Prepared] = deque()
        self._exhausted = False
        self._bytes = 0
        while self._room() and self._make():
            pass

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> Prepared | None:
        """The next request; None when the phase has no more."""
        if not self._ready:
            if not self._make():
                return None
            self.made_late += 1
        prepared = self._ready.popleft()
        self._bytes -= prepared.size
        return prepared

    async def keep_ahead(self) -> None:
        """Make more while others are in flight; run as a task until cancelled."""
        while not self._exhausted:
            if len(self._ready) < self._ahead // 2 and self._bytes < AHEAD_BYTES // 2:
                while self._room() and self._make():
                    self.made_late += 1
                    await asyncio.sleep(0)  # one request, about 0.1 ms, between two looks at the sockets
            await asyncio.sleep(0.05)

    def _room(self) -> bool:
        return len(self._ready) < self._ahead and self._bytes < AHEAD_BYTES

    def _make(self) -> bool:
        request = next(self._planned, None)
        if request is None:
            self._exhausted = True
            return False
        prepared = self._prepare(request)
        self._bytes += prepared.size
        self._ready.append(prepared)
        return True
