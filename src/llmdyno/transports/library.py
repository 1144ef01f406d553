"""A transport that uses a client library instead of our sockets. It stamps each item of the library's stream.

In: a library that opens streams and explains its own chunks and errors; exchanges. Out: ended exchanges, with one chunk
object for each stamp instead of bytes, and their records, whose clock is `sdk`. The figures include the time that the
library spends between the socket and its iterator.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any, Protocol

from llmdyno.host.stop import Stop
from llmdyno.protocols.events import MALFORMED_EVENT, Event, Failure
from llmdyno.timeline.record import SDK, TIMEOUT, RequestRecord
from llmdyno.transports.assemble import SLICE, facts, settle
from llmdyno.transports.chunks import Chunks
from llmdyno.transports.clock import monotonic_ns
from llmdyno.transports.exchange import Exchange, Payload
from llmdyno.transports.http1.transport import Template
from llmdyno.workload.session import Messages, Turn

Headers = dict[bytes, bytes]
Refusal = tuple[int | None, Headers, Failure]
"""What an error of the library means: status, headers, failure."""


class Library(Protocol):
    """What a client library must be able to do for this transport."""

    async def open(self, messages: Messages, max_tokens: int) -> tuple[Headers, AsyncIterator[Any]]:
        """Open a stream. Returns the answer's headers, with names in lower case, and its chunks."""
        ...

    def event(self, chunk: Any, number: int) -> Event:
        """Turn a chunk object into an event. `number` counts chunks from 1; it is the event's `end`."""
        ...

    def refusal(self, error: Exception, streaming: bool) -> Refusal:
        """Explain an error of the library. `streaming`: whether the stream had begun."""
        ...


class LibraryTransport:
    """A :class:`~llmdyno.transports.transport.Transport` through a client library."""

    clock = SDK

    def __init__(self, library: Library, template: Template) -> None:
        self._library = library
        self._template = template
        self._busy: dict[Exchange, asyncio.Task[None]] = {}

    @property
    def in_flight(self) -> Sequence[Exchange]:
        """The exchanges that are being performed now."""
        return list(self._busy)

    def prepare(self, turn: Turn) -> Payload:
        """The turn's messages. The library makes the bytes itself."""
        return Payload(messages=self._template(turn.messages))

    async def perform(self, exchange: Exchange, timeout_s: float) -> None:
        """Send an exchange's request through the library, and wait until its answer has ended."""
        task = asyncio.ensure_future(self._stream(exchange))
        self._busy[exchange] = task
        try:
            await asyncio.wait_for(task, timeout_s)
        except TimeoutError:
            exchange.failure = Failure(TIMEOUT, None, f"no whole answer within {timeout_s:g} s")
        except asyncio.CancelledError:
            if not exchange.cancelled:
                raise  # the whole run was cancelled
        except Exception as error:  # any error of the library is a failure of this request
            exchange.status, exchange.headers, exchange.failure = self._library.refusal(error, bool(exchange.chunks))
        finally:
            del self._busy[exchange]
            exchange.end_ns = exchange.end_ns or monotonic_ns()

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing is decided while requests are sent."""
        return ()

    def cancel(self) -> None:
        """Cancel every exchange in flight."""
        for exchange, task in list(self._busy.items()):
            exchange.cancelled = True
            task.cancel()

    def read(self, exchange: Exchange, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
        """The record of an ended exchange."""
        return assemble_chunks(exchange, self._library, keep_text=keep_text)

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for its refusal, from the library's error."""
        return exchange.failure.type if exchange.failure is not None else None

    async def decide(self, stop: Stop) -> tuple[str, ...]:
        """Do nothing: there is only one way to send."""
        return ()

    def close(self) -> None:
        """Do nothing: the library closes its own connections."""

    async def _stream(self, exchange: Exchange) -> None:
        prepared = exchange.prepared
        stamp, keep = exchange.reads.append, exchange.chunks.append
        exchange.sent_ns = monotonic_ns()
        exchange.headers, chunks = await self._library.open(prepared.payload.messages, prepared.max_tokens)
        exchange.status = 200
        async for chunk in chunks:
            stamp(monotonic_ns())
            keep(chunk)
        exchange.end_ns = monotonic_ns()


def assemble_chunks(exchange: Exchange, library: Library, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
    """Build the record of an ended exchange that went through a library. `keep_text` keeps the answer's text."""
    record = facts(exchange)
    record.clock = SDK
    failure, stamps = exchange.failure, exchange.reads
    if stamps:
        record.headers_ns = stamps[0]
        chunks = Chunks(stamps, stamps, range(1, len(stamps) + 1), keep_text=keep_text)
        for start in range(0, len(stamps), SLICE):
            part = exchange.chunks[start : start + SLICE]
            chunks.take(record, [library.event(chunk, start + index) for index, chunk in enumerate(part, 1)])
            yield
        chunks.put(record)
        failure = failure or chunks.failure
    elif failure is None and not exchange.cancelled:
        failure = Failure(MALFORMED_EVENT, None, "the library gave no chunk")
    settle(record, failure, cancelled=exchange.cancelled)
    return record
