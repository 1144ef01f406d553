"""Turns ended exchanges into records, in the gaps between socket reads, and counts for the live view.

In: exchanges that have ended. Out: records, handed to a sink in the order of their ends; counters.
An exchange waits here in a queue: its user's next request leaves first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Mapping

from llmdyno.protocols.events import OTHER
from llmdyno.timeline.emulated import HEADER
from llmdyno.timeline.record import OK, RequestRecord
from llmdyno.transports.assemble import undecodable
from llmdyno.transports.exchange import Exchange

_LABEL = HEADER.encode()


def emulated_in(headers: Mapping[bytes, bytes]) -> str | None:
    """What an answer's headers say of an emulator behind it, also where LiteLLM's proxy handed them on."""
    found = headers.get(_LABEL) or headers.get(b"llm_provider-" + _LABEL)
    return found.decode("latin-1") if found else None


Assemble = Callable[[Exchange], Generator[None, None, RequestRecord]]
"""Builds the record of an ended exchange, in slices."""


def outcome(work: Generator[None, None, RequestRecord]) -> RequestRecord:
    """The record that comes of building it at once."""
    while True:
        try:
            next(work)
        except StopIteration as finished:
            record: RequestRecord = finished.value
            return record


_RECENT = 1000
_HIDDEN = "***"


class Recorder:
    """Counters hold what was recorded since :meth:`reset`: `done`, `failed`, text `chunks`, recent `ttfts_s`.

    `assemble` may be exchanged while nothing waits. `emulated` is the emulator's word on itself, should the endpoint be
    one. Should the sink fail, `error` holds why, `on_error` is called once, and nothing more is handed over.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        assemble: Assemble,
        sink: Callable[[RequestRecord], None],
        *,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._loop = loop
        self.assemble = assemble
        self._sink = sink
        self.emulated: str | None = None
        self.error: OSError | None = None
        self.on_error: Callable[[], None] = lambda: None
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 4)
        self._queue: deque[Exchange] = deque()
        self._work: Generator[None, None, RequestRecord] | None = None
        self._scheduled = False
        self.reset()

    def reset(self) -> None:
        """Start the counters again, at the beginning of a phase."""
        self.done = self.failed = self.chunks = 0
        self.ttfts_s: deque[float] = deque(maxlen=_RECENT)

    def add(self, exchange: Exchange) -> None:
        """Take an ended exchange; its record is built when the loop is free."""
        self.note_emulated(exchange)
        self._queue.append(exchange)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._step)

    def note_emulated(self, exchange: Exchange) -> None:
        """See whether the endpoint says that it is an emulator."""
        if self.emulated is None:
            self.emulated = emulated_in(exchange.headers)

    def drain(self) -> None:
        """Build and hand over everything that waits, now."""
        while self._advance():
            pass

    def _step(self) -> None:
        self._scheduled = self._advance()
        if self._scheduled:
            self._loop.call_soon(self._step)

    def _advance(self) -> bool:
        """One slice of work; False when there is none."""
        if self._work is None:
            if not self._queue:
                return False
            self._at_work = self._queue.popleft()
            self._work = self.assemble(self._at_work)
        try:
            next(self._work)
        except StopIteration as finished:
            self._work = None
            self._hand_over(finished.value)
        except Exception as error:  # whatever an answer holds, its request is not lost and the next ones go on
            self._work = None
            self._hand_over(undecodable(self._at_work, error))
        return True

    def _hand_over(self, record: RequestRecord) -> None:
        for secret in self._secrets:
            if record.error_message and secret in record.error_message:
                record.error_message = record.error_message.replace(secret, _HIDDEN)
        if record.state == OK:
            self.done += 1
        else:
            self.failed += 1
        kinds = record.kinds
        self.chunks += len(kinds) - kinds.count(OTHER)
        if record.state == OK and record.sent_ns is not None:
            first = next((place for place, kind in enumerate(kinds) if kind != OTHER), None)
            if first is not None:
                arrival = int.from_bytes(record.arrivals[8 * first : 8 * first + 8], "little", signed=True)
                self.ttfts_s.append((arrival - record.sent_ns) / 1e9)
        if self.error is None:
            try:
                self._sink(record)
            except OSError as error:
                self.error = error
                self.on_error()
