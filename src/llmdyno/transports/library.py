"""A client library instead of the sockets: its stream is called, its iterator is stamped.

In: a library that opens streams and reads its own chunks and errors; exchanges. Out: exchanges that have ended, with
one chunk object for each stamp instead of bytes, and their records, whose clock is `sdk`. Whatever the library does
between the socket and its iterator is in the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any, Protocol

from llmdyno.host.stop import Stop
from llmdyno.protocols.events import MALFORMED_EVENT, Event, Failure
from llmdyno.timeline.record import SDK, TIMEOUT, RequestRecord
from llmdyno.transports.assemble import SLICE, Chunks, facts, settle
from llmdyno.transports.clock import monotonic_ns
from llmdyno.transports.exchange import Exchange, Payload
from llmdyno.transports.http1.transport import Template
from llmdyno.workload.session import Messages, Turn

Headers = dict[bytes, bytes]
Refusal = tuple[int | None, Headers, Failure]
"""What an error of the library's says: status, headers, failure."""


class Library(Protocol):
    """What this transport asks of a client library."""

    async def open(self, messages: Messages, max_tokens: int) -> tuple[Headers, AsyncIterator[Any]]:
        """Open a stream: the answer's headers in lower case, and its chunks."""
        ...

    def event(self, chunk: Any, number: int) -> Event:
        """A chunk object and its number, counted from 1, as an event whose `end` is that number."""
        ...

    def refusal(self, error: Exception, streaming: bool) -> Refusal:
        """What one of its errors says."""
        ...


class LibraryTransport:
    """The same calls as our sockets', through a library."""

    clock = SDK

    def __init__(self, library: Library, template: Template) -> None:
        self._library = library
        self._template = template
        self._busy: dict[Exchange, asyncio.Task[None]] = {}

    @property
    def in_flight(self) -> Sequence[Exchange]:
        """The exchanges under way."""
        return list(self._busy)

    def prepare(self, turn: Turn) -> Payload:
        """The turn's messages; the library makes the bytes."""
        return Payload(messages=self._template(turn.messages))

    async def perform(self, exchange: Exchange, timeout_s: float) -> None:
        """Send an exchange's request through the library and wait until its answer has ended."""
        task = asyncio.ensure_future(self._stream(exchange))
        self._busy[exchange] = task
        try:
            await asyncio.wait_for(task, timeout_s)
        except TimeoutError:
            exchange.failure = Failure(TIMEOUT, None, f"no whole answer within {timeout_s:g} s")
        except asyncio.CancelledError:
            if not exchange.cancelled:
                raise  # it is the whole run that was cancelled
        except Exception as error:  # whatever a library raises is this request's failure
            exchange.status, exchange.headers, exchange.failure = self._library.refusal(error, bool(exchange.chunks))
        finally:
            del self._busy[exchange]
            exchange.end_ns = exchange.end_ns or monotonic_ns()

    def cancel(self) -> None:
        """End every exchange under way as cancelled."""
        for exchange, task in list(self._busy.items()):
            exchange.cancelled = True
            task.cancel()

    def read(self, exchange: Exchange, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
        """The record of an ended exchange."""
        return assemble_chunks(exchange, self._library, keep_text=keep_text)

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for its refusal, as the library tells it."""
        return exchange.failure.type if exchange.failure is not None else None

    async def decide(self, stop: Stop) -> tuple[str, ...]:
        """Nothing is open."""
        return ()

    def close(self) -> None:
        """The library closes what is its own."""

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
    """Build the record of an ended exchange that went through a library; `keep_text` keeps the answer."""
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
