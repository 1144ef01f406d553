"""Turns ended exchanges into records, in the gaps between socket reads, and counts for the live view.

In: ended exchanges. Out: records, given to a sink in the order in which the exchanges ended; counters. An exchange
waits in a queue first, so that its user's next request is sent before the record is built.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator

from llmdyno.errors import InputError
from llmdyno.host.stop import Stop
from llmdyno.protocols.events import OTHER
from llmdyno.spec.masking import Masker
from llmdyno.timeline.emulated import label_in
from llmdyno.timeline.record import OK, RequestRecord
from llmdyno.transports.assemble import built, undecodable
from llmdyno.transports.conceal import conceal_record
from llmdyno.transports.exchange import Exchange
from llmdyno.transports.transport import Transport
from llmdyno.workload.session import Reply

_RECENT = 1000
Sink = Callable[[RequestRecord], None]


class Recorder:
    """Builds records and counts them.

    `done`, `failed`, output `chunks` and the recent `ttfts_s` count since the last :meth:`reset`. `recorded` counts all
    records. `emulated` is the label of an emulator, if the endpoint is one. If the sink fails, `error` holds its error,
    the run stops, and the sink gets nothing more.
    """

    def __init__(
        self, transport: Transport, sink: Sink, stop: Stop, *, keep_text: bool, secrets: tuple[str, ...] = ()
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._sink = sink
        self._stop = stop
        self._keep_text = keep_text
        self.emulated: str | None = None
        self._labelled = False
        self.error: Exception | None = None
        self.recorded = 0
        self._mask = Masker(secrets)
        self._queue: deque[Exchange] = deque()
        self._work: tuple[Exchange, Generator[None, None, RequestRecord]] | None = None
        self._scheduled = False
        self.reset()

    def reset(self) -> None:
        """Set the counters to zero, at the beginning of a phase."""
        self.done = self.failed = self.chunks = 0
        self.ttfts_s: deque[float] = deque(maxlen=_RECENT)

    def add(self, exchange: Exchange) -> None:
        """Take an ended exchange. Its record is built when the event loop is free."""
        self._note_emulated(exchange)
        self._queue.append(exchange)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._step)

    def read_now(self, exchange: Exchange) -> Reply:
        """Build the record of an ended exchange now, and return the reply for its session."""
        self._note_emulated(exchange)
        self._conceal(exchange, keep_text=True)
        try:
            record = built(self._transport.read(exchange, keep_text=True))
        except Exception as error:  # as in _advance
            record = undecodable(exchange, error)
        record = self._concealed(exchange, record)
        reply = Reply(record.state == OK, record.text or "", record.end_ns or 0)
        if not self._keep_text:
            record.text = None
        self._hand_over(record)
        return reply

    def hidden(self, text: str) -> str:
        """A text without the secrets in it."""
        return self._mask.text(text)

    def without_secrets(self, error: InputError) -> InputError:
        """An error without the secrets in it, which may quote the server."""
        return self._mask.error(error)

    def conceal(self, exchange: Exchange) -> None:
        """Mask the secrets in an exchange that has ended, so that what it says can be cut and shown."""
        if self._mask and not exchange.concealed:
            exchange.conceal(self._mask)

    def drain(self) -> None:
        """Build and hand over every waiting record now."""
        while self._advance():
            pass

    def _note_emulated(self, exchange: Exchange) -> None:
        if self.emulated is None:
            self.emulated = label_in(exchange.headers)

    def _step(self) -> None:
        self._scheduled = self._advance()
        if self._scheduled:
            self._loop.call_soon(self._step)

    def _advance(self) -> bool:
        """Do one slice of work. Returns False if there was nothing to do."""
        if self._work is None:
            if not self._queue:
                return False
            exchange = self._queue.popleft()
            self._conceal(exchange, keep_text=self._keep_text)
            self._work = exchange, self._transport.read(exchange, keep_text=self._keep_text)
        exchange, work = self._work
        try:
            next(work)
        except StopIteration as finished:
            self._work = None
            self._hand_over(self._concealed(exchange, finished.value))
        except Exception as error:  # an answer that cannot be decoded still gets a record
            self._work = None
            self._hand_over(self._concealed(exchange, undecodable(exchange, error)))
        return True

    def _conceal(self, exchange: Exchange, *, keep_text: bool) -> None:
        """Mask what is going to be read, unless it is a usual answer whose text is not kept: nothing is read from it
        but facts."""
        if keep_text or exchange.status != 200 or exchange.failure is not None:
            self.conceal(exchange)

    def _concealed(self, exchange: Exchange, record: RequestRecord) -> RequestRecord:
        """The record with its secrets masked."""
        if not self._mask:
            return record
        if record.state != OK and not exchange.concealed:  # it quotes the answer, and may have cut a secret in two
            self.conceal(exchange)
            try:
                record = built(self._transport.read(exchange, keep_text=self._keep_text))
            except Exception as error:  # as in _advance
                record = undecodable(exchange, error)
        conceal_record(record, self._mask)
        return record

    def _hand_over(self, record: RequestRecord) -> None:
        self._count(record)
        if self.emulated is not None and not self._labelled:
            self._labelled = True
            record.emulated = self.hidden(self.emulated)
        if self.error is None:
            try:
                self._sink(record)
            except Exception as error:  # one that is raised here would stop the recorder, not the run
                self.error = error
                self._stop()

    def _count(self, record: RequestRecord) -> None:
        self.recorded += 1
        if record.state == OK:
            self.done += 1
        else:
            self.failed += 1
        kinds = record.kinds
        self.chunks += len(kinds) - kinds.count(OTHER)
        if record.state == OK and record.sent_ns is not None:
            first = next((index for index, kind in enumerate(kinds) if kind != OTHER), None)
            if first is not None:
                arrival = int.from_bytes(record.arrivals[8 * first : 8 * first + 8], "little", signed=True)
                self.ttfts_s.append((arrival - record.sent_ns) / 1e9)
