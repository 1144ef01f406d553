"""Keeps sessions ready to start, prepared before the clock starts.

In: a phase's sessions, and a function that prepares a turn. Out: the prepared first turn of each session, one at a
time, in the plan's order. Up to :data:`AHEAD` sessions are prepared before the clock starts. The others are prepared
one by one while requests are in flight. The supply counts them, so that the run can report their number.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from llmdyno.transports.exchange import Payload, Prepared
from llmdyno.workload.session import Session, Turn

AHEAD = 20_000
AHEAD_BYTES = 256_000_000
"""The most sessions, and the most bytes of their requests, that are kept ready."""


class Supply:
    """The sessions of one phase.

    `total`: the number of sessions (None: no limit). `ahead`: how many are prepared on creation. `made_late`: how many
    were prepared after the clock started.
    """

    def __init__(
        self,
        sessions: Iterator[Session],
        prepare: Callable[[Turn], Payload],
        *,
        total: int | None,
        ahead: int = AHEAD,
    ) -> None:
        self.made_late = 0
        self.total = total
        self._sessions = sessions
        self._prepare = prepare
        self._ahead = min(ahead, AHEAD)
        self._ready: deque[Prepared] = deque()
        self._exhausted = False
        self._failure: Exception | None = None
        self._bytes = 0
        while self._room() and self._make():
            pass

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> Prepared | None:
        """The next session's first turn; None when the phase has no more.

        Raises:
            Exception: it cannot be made; what was made before it was taken before.
        """
        if not self._ready:
            if self._failure is not None:
                raise self._failure
            if not self._make():
                return None
            self.made_late += 1
        prepared = self._ready.popleft()
        self._bytes -= prepared.payload.size
        return prepared

    async def keep_ahead(self) -> None:
        """Prepare more sessions while requests are in flight. Runs as a task until it is cancelled."""
        while not self._exhausted:
            if len(self._ready) < self._ahead // 2 and self._bytes < AHEAD_BYTES // 2:
                while self._room() and self._make():
                    self.made_late += 1
                    await asyncio.sleep(0)  # one request, about 0.1 ms, between two looks at the sockets
            await asyncio.sleep(0.05)

    def _room(self) -> bool:
        return len(self._ready) < self._ahead and self._bytes < AHEAD_BYTES

    def _make(self) -> bool:
        try:
            session = next(self._sessions, None)
            turn = session.next(None) if session is not None else None
            if session is None or turn is None:
                self._exhausted = True
                return False
            prepared = Prepared.of(turn, self._prepare(turn), session)
        except Exception as error:
            self._exhausted, self._failure = True, error
            raise
        self._bytes += prepared.payload.size
        self._ready.append(prepared)
        return True
