"""A client library in the place of the sockets: its stream is called, its iterator is stamped.

In: a callable that opens a stream, a callable that reads its errors; exchanges. Out: exchanges that have ended, like
those of :class:`~llmdyno.transports.http1.client.Client`, with a chunk object a stamp in the place of bytes; and their
records, whose clock is `sdk`. Whatever the library does between the socket and its iterator is in the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

from llmdyno.protocols.events import MALFORMED_EVENT, Event, Failure
from llmdyno.timeline.record import SDK, TIMEOUT, RequestRecord
from llmdyno.transports.assemble import SLICE, Chunks, facts, settle
from llmdyno.transports.clock import monotonic_ns
from llmdyno.transports.exchange import Exchange

Headers = dict[bytes, bytes]
Open = Callable[[str, int], Awaitable[tuple[Headers, AsyncIterator[Any]]]]
"""Opens a stream for a prompt and max_tokens: the answer's headers in lower case, and its chunks."""

Refusal = tuple[int | None, Headers, Failure]
"""What an error of the library's says: status, headers, failure."""


class SdkClient:
    """The same calls as the socket client's, through a library."""

    def __init__(self, open_stream: Open, refusal: Callable[[Exception, bool], Refusal]) -> None:
        self._open = open_stream
        self._refusal = refusal
        self._busy: dict[Exchange, asyncio.Task[None]] = {}

    @property
    def in_flight(self) -> list[Exchange]:
        """The exchanges under way."""
        return list(self._busy)

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
            exchange.status, exchange.headers, exchange.failure = self._refusal(error, bool(exchange.chunks))
        finally:
            del self._busy[exchange]
            exchange.end_ns = exchange.end_ns or monotonic_ns()

    def cancel_all(self) -> None:
        """End every exchange under way as cancelled."""
        for exchange, task in list(self._busy.items()):
            exchange.cancelled = True
            task.cancel()

    async def _stream(self, exchange: Exchange) -> None:
        prepared = exchange.prepared
        stamp, keep = exchange.reads.append, exchange.chunks.append
        exchange.sent_ns = monotonic_ns()
        exchange.headers, chunks = await self._open(prepared.prompt, prepared.max_tokens)
        exchange.status = 200
        async for chunk in chunks:
            stamp(monotonic_ns())
            keep(chunk)
        exchange.end_ns = monotonic_ns()


def assemble_sdk(
    exchange: Exchange, read: Callable[[Any, int], Event], *, keep_text: bool
) -> Generator[None, None, RequestRecord]:
    """Build the record of an exchange that went through a library.

    Args:
        exchange: it has ended.
        read: turns a chunk object and its number, counted from 1, into an event whose `end` is that number.
        keep_text: whether the text is wanted.
    """
    record = facts(exchange)
    record.clock = SDK
    failure, stamps = exchange.failure, exchange.reads
    if stamps:
        record.headers_ns = stamps[0]
        chunks = Chunks(stamps, stamps, range(1, len(stamps) + 1), keep_text=keep_text)
        for start in range(0, len(stamps), SLICE):
            part = exchange.chunks[start : start + SLICE]
            chunks.take(record, [read(chunk, start + place) for place, chunk in enumerate(part, 1)])
            yield
        chunks.put(record)
        failure = failure or chunks.failure
    elif failure is None and not exchange.cancelled:
        failure = Failure(MALFORMED_EVENT, None, "the library gave no chunk")
    settle(record, failure, cancelled=exchange.cancelled)
    return record
